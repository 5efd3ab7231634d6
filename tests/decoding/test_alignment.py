"""Which source words counted for which target words, against the model that was trained."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from variants import loss, pack, shape

from s2s_cli.decoding import alignment
from s2s_cli.decoding.alignment import Aligner, alignments, groups, links, name_around
from s2s_cli.decoding.beam import Hypothesis
from s2s_cli.errors import UserError
from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.ensemble import Ensemble
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model.attention_steps import AttentionSteps
from s2s_cli.model.config import Shape
from s2s_cli.model.description import Description
from s2s_cli.model.parts import BatchParts
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.preparation.learning import learn_pieces
from s2s_cli.text.dictionary import read_dictionary
from s2s_cli.text.facts import Facts
from s2s_cli.text.subwords import SubwordKind, Subwords, model_file
from s2s_cli.text.vocabulary import UNK, Vocabulary

SOURCES = [[3, 5], [4, 4, 10, 2], [3, 5], [7], [2, 2, 2, 6, 5, 5], [3, 5]]
HYPOTHESES = [[2, 8, 1, 7], [6], [5, 5], [2, 8, 2], [3, 1, 1, 4, 6, 2, 2], []]
ATTENTIVE = ["dot", "general", "additive", "feeding-all"]


def model(name: str, seed: int = 1, dtype: torch.dtype = torch.float64) -> Seq2Seq:
    network = Seq2Seq(shape(name)).to(dtype).eval().requires_grad_(False)
    network.initialise(1.0, torch.Generator().manual_seed(seed))
    return network


@contextmanager
def watched(network: Seq2Seq, given: list[Tensor]) -> Iterator[None]:
    """Collect the hidden states [rows, n] that attention of ``network`` is given."""
    steps = AttentionSteps.forward

    def step(self: AttentionSteps, own: slice, hidden: Tensor) -> Tensor:
        given.append(hidden)
        return steps(self, own, hidden)

    assert network.attention is not None
    hook = network.attention.register_forward_pre_hook(
        lambda _, inputs: given.append(inputs[0].data)
    )
    with pytest.MonkeyPatch.context() as patch, hook:
        patch.setattr(AttentionSteps, "forward", step)
        yield


def expected(network: Seq2Seq, source: list[int], target: list[int], *, reverse: bool) -> Tensor:
    """[target words, source words] by the formulas, from what the model's attention was given."""
    attention: Any = network.attention
    read = [source[::-1] if reverse else source]
    encoded = network.encode(pack(read))
    assert encoded.words is not None
    (memory,) = encoded.words.encoder_outputs
    given: list[Tensor] = []
    with watched(network, given):
        loss(network, read, [target])
    hidden = torch.cat(given)
    rows = []
    for h in hidden[:-1]:
        match attention.score:
            case "dot":
                scores = [h @ m for m in memory]
            case "general":
                scores = [h @ attention.query.weight.T @ m for m in memory]
            case "additive":
                v, w, u = attention.value.weight[0], attention.query.weight, attention.key
                scores = [v @ torch.tanh(w @ h + u.weight @ m + u.bias) for m in memory]
        rows.append(torch.stack(scores[::-1] if reverse else scores).softmax(0))
    return torch.stack(rows) if rows else torch.zeros(0, len(source))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", ATTENTIVE)
def test_weights_are_those_of_the_trained_model(name: str, reverse: bool) -> None:
    network = model(name)
    found = alignments(ModelScorer(network, reverse_source=reverse), SOURCES, HYPOTHESES)
    for weights, source, target in zip(found, SOURCES, HYPOTHESES, strict=True):
        assert weights.shape == (len(target), len(source))
        wanted = expected(network, source, target, reverse=reverse)
        assert torch.allclose(weights, wanted.to(weights.dtype), rtol=1e-9)


@pytest.mark.parametrize("name", ATTENTIVE)
def test_a_sentence_has_the_same_weights_alone_as_in_company(name: str) -> None:
    scorer = ModelScorer(model(name, dtype=torch.float32), reverse_source=True)
    together = alignments(scorer, SOURCES, HYPOTHESES)
    for weights, source, target in zip(together, SOURCES, HYPOTHESES, strict=True):
        assert torch.equal(alignments(scorer, [source], [target])[0], weights)


def test_an_ensemble_has_the_mean_of_the_members_that_look() -> None:
    networks = [model("dot"), model("gru"), model("additive", 2)]
    reversed_ones = [False, True, True]
    scorers = [
        ModelScorer(network, reverse_source=reverse)
        for network, reverse in zip(networks, reversed_ones, strict=True)
    ]
    found = alignments(Ensemble(scorers), SOURCES, HYPOTHESES)
    for weights, source, target in zip(found, SOURCES, HYPOTHESES, strict=True):
        one = expected(networks[0], source, target, reverse=False)
        other = expected(networks[2], source, target, reverse=True)
        assert torch.allclose(weights, ((one + other) / 2).to(weights.dtype), rtol=1e-9)
    with pytest.raises(ValueError, match="without attention"):
        alignments(scorers[1], SOURCES, HYPOTHESES)


@pytest.mark.parametrize("most", [1, 14, 50])
def test_links_are_the_largest_weights_however_few_fit_into_memory(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alignment, "MOST_WEIGHTS", most)
    cut = list(groups(SOURCES, HYPOTHESES))
    assert sorted(index for group in cut for index in group) == list(range(len(SOURCES)))
    for group in cut:
        size = len(group) * max(len(SOURCES[i]) for i in group)
        assert len(group) == 1 or size * max(len(HYPOTHESES[i]) for i in group) <= most
    assert (len(cut) == len(SOURCES)) == (most == 1)
    network = model("general")
    found = links(ModelScorer(network), SOURCES, HYPOTHESES, BatchParts())
    for places, source, target in zip(found, SOURCES, HYPOTHESES, strict=True):
        weights = expected(network, source, target, reverse=False)
        assert places == [row.index(max(row)) for row in weights.tolist()]


def test_where_memory_runs_out_links_are_found_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    scorer, sizes = ModelScorer(model("general")), list[int]()
    whole = links(scorer, SOURCES, HYPOTHESES, BatchParts())

    def limited(scorer: Any, sources: Any, hypotheses: Any) -> list[Tensor]:
        sizes.append(len(sources))
        if len(sources) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return alignments(scorer, sources, hypotheses)

    monkeypatch.setattr(alignment, "alignments", limited)
    assert links(scorer, SOURCES, HYPOTHESES, BatchParts()) == whole
    assert max(sizes) == len(SOURCES) > 2


def rigged(monkeypatch: pytest.MonkeyPatch, found: list[list[int]]) -> None:
    monkeypatch.setattr("s2s_cli.decoding.alignment.links", lambda *_: found)


def hypothesis(*tokens: int) -> Hypothesis:
    return Hypothesis(list(tokens), -1.0, [-1.0], -1.0, at_limit=False)


def test_unknown_words_become_the_words_that_were_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = Facts("en", "fr", tokenised=True, reverse_source=False, tokeniser="none")
    vocabularies = Vocabulary(["the"], [1]), Vocabulary(["le", "UNK"], [1, 1])
    sentences = TextCodec(Description(Shape(3, 4, 1, 1, 1), facts, *vocabularies), tokenised=True)
    lines = [sentences.source_words(line) for line in ("the Zoë  naps", "", "the")]
    loaded = LoadedModel(ModelScorer(model("dot")), sentences)
    found = [[hypothesis(UNK, 3, UNK), hypothesis(2)], [], [hypothesis(UNK)]]
    dictionary = {"naps": ["fait", "la", "sieste"], "the": ["never"]}

    def words(aligner: Aligner) -> list[list[tuple[str, list[tuple[int, int]]]]]:
        aligned = aligner.align(loaded, lines, found)
        return [[(" ".join(each.pieces), [*each.pairs]) for each in line] for line in aligned]

    rigged(monkeypatch, [[1, 0, 2], [0]])
    assert words(Aligner(replace_unk=True)) == [
        [("Zoë UNK naps", [(1, 0), (0, 1), (2, 2)]), ("le", [])],
        [],
        [("the", [(0, 0)])],
    ]
    rigged(monkeypatch, [[1, 0, 2], [2], [0]])
    assert words(Aligner(True, dictionary, True)) == [
        [
            ("Zoë UNK fait la sieste", [(1, 0), (0, 1), (2, 2), (2, 3), (2, 4)]),
            ("le", [(2, 0)]),
        ],
        [],
        [("never", [(0, 0)])],
    ]
    assert words(Aligner(alignments=True))[0][0] == ("UNK_ UNK UNK_", [(1, 0), (0, 1), (2, 2)])
    rigged(monkeypatch, [])
    assert words(Aligner())[0] == [("UNK_ UNK UNK_", []), ("le", [])]


def in_pieces(kind: SubwordKind, counts: Counter[str], size: int, target: list[str]) -> TextCodec:
    """Of a model whose text has pieces of ``kind``, for ``bpe`` learned from ``counts``."""
    models = (learn_pieces("bpe", counts, size, 1.0, "en"),) * 2 if kind == "bpe" else ()
    subwords = Subwords(kind, tuple(map(model_file, models)))
    facts = Facts(
        "en", "fr", tokenised=True, reverse_source=False, tokeniser="none", subwords=subwords
    )
    vocabularies = Vocabulary(["the"], [1]), Vocabulary(target, [1, 1])
    description = Description(Shape(3, 4, 1, 1, 1), facts, *vocabularies, models)
    return TextCodec(description, tokenised=True)


@pytest.mark.parametrize(
    ("kind", "source", "expected"),
    [
        ("subword-nmt", "low one", "bas une fois"),
        ("subword-nmt", "low@@ er one", "low une fois"),
        ("sentencepiece", "▁low er ▁one", "low une fois"),
        ("bpe", "low one", "bas une fois"),
        ("bpe", "lowone one", "low une fois"),
    ],
)
def test_pieces_of_longer_words_are_not_looked_up(
    kind: SubwordKind, source: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = in_pieces(kind, Counter({"low": 9, "one": 9}), 16, ["un", "UNK"])
    line = sentences.source_words(source)
    rigged(monkeypatch, [[0, len(line) - 1]])
    aligner = Aligner(True, {"one": ["une", "fois"], "low": ["bas"]})
    loaded = LoadedModel(ModelScorer(model("dot")), sentences)
    (aligned,) = aligner.align(loaded, [line], [[hypothesis(UNK, UNK)]])[0]
    assert sentences.words(aligned.pieces) == expected.split(" ")


def test_no_words_have_no_alignment() -> None:
    sentences = in_pieces("bpe", Counter({"low": 9}), 8, ["▁", "UNK"])
    assert sentences.pairs(["▁low"], ["▁"], [0]) == []
    assert sentences.pairs(["▁low"], ["▁", "low"], [0, 0]) == [(0, 0)]


def test_a_dictionary_is_read_as_words(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.write_bytes("naps\tfait la  sieste\r\nZoë Zoé\na\u00a0b c\u2028d\n".encode())
    assert read_dictionary(path) == {
        "naps": ["fait", "la", "sieste"],
        "Zoë": ["Zoé"],
        "a\u00a0b": ["c\u2028d"],
    }
    for second in ("", "alone", "alone\t", " a b", "\ta b", "a\tb\t0.5", "naps b", "New York\tb"):
        path.write_text(f"naps b\n{second}\n", "utf-8")
        with pytest.raises(UserError, match=f"^{path}:2: "):
            read_dictionary(path)


@pytest.mark.parametrize(
    ("source", "place", "expected"),
    [
        (["the", "O", "'Brien", "house"], 1, range(1, 3)),
        (["the", "O", "'Brien", "house"], 2, range(1, 3)),
        (["D'", "Artagnan"], 1, range(2)),
        (["the", "dog", "'s", "house"], 1, range(1, 2)),
        (["d'", "accord"], 0, range(1)),
        (["'", "Brien"], 1, range(1, 2)),
        (["O", "’Neill", "’s"], 0, range(2)),
    ],
)
def test_names_are_found_across_their_apostrophe(
    source: list[str], place: int, expected: range
) -> None:
    assert name_around(source, place) == expected


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ([0, 1, 2, 3], ["le", "O'Brien", "dort"]),  # each half by itself: once
        ([0, 2, 2, 3], ["le", "O'Brien", "dort"]),
        ([0, 1, 3, 3], ["le", "O'Brien", "sleeps", "dort"]),
    ],
)
def test_a_name_with_an_apostrophe_is_written_whole_and_once(
    links: list[int], expected: list[str]
) -> None:
    source = ["the", "O", "'Brien", "sleeps"]
    shape = Shape(3, 4, 1, 2, 2, attention="dot")
    facts = Facts("en", "fr", False, False, "", raw_tokeniser="moses")
    vocabularies = Vocabulary(["the"], [1]), Vocabulary(["le", "dort"], [1, 1])
    codec = TextCodec(Description(shape, facts, *vocabularies), tokenised=False)
    hypothesis = Hypothesis([2, UNK, UNK, 3], 0.0, [0.0], 0.0, at_limit=False)
    aligned = Aligner(replace_unk=True).with_links(codec, source, hypothesis, links)
    assert aligned.pieces == expected
    assert aligned.hypothesis.tokens == [2, UNK, UNK, 3]


def test_words_linked_to_one_place_are_each_replaced() -> None:
    codec = TextCodec(
        Description(
            Shape(3, 4, 1, 2, 2, attention="dot"),
            Facts("en", "fr", False, False, ""),
            Vocabulary(["the"], [1]),
            Vocabulary(["le", "dort"], [1, 1]),
        ),
        tokenised=False,
    )
    hypothesis = Hypothesis([UNK, UNK], 0.0, [0.0], 0.0, at_limit=False)
    aligned = Aligner(replace_unk=True).with_links(codec, ["the", "Kotari"], hypothesis, [1, 1])
    assert aligned.pieces == ["Kotari", "Kotari"]
