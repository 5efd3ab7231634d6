"""The Python interface gives what the commands give."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from inspect import signature
from itertools import groupby
from pathlib import Path
from threading import Thread

import pytest
import torch
from odd_models import s2s_here, write_model

import s2s_cli
from s2s_cli import Translator, UserError
from s2s_cli.decoding.config import AlignmentConfig, BeamConfig
from s2s_cli.inference.config import MbrConfig
from s2s_cli.text.features import feature_value
from s2s_cli.text.nbest import Entry, read_nbest

LINES = ["one two é", "", "two . one UNK", "zebra", "l’ one", "one two é"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models of the same words, one with attention, and a text."""
    directory = tmp_path_factory.mktemp("api")
    write_model(directory / "forward", tokenised=True, reverse=False, seed=1)
    write_model(directory / "reversed", tokenised=True, reverse=True, seed=2)
    write_model(directory / "looking", tokenised=True, reverse=True, seed=3, attention="dot")
    (directory / "in").write_text("".join(f"{line}\n" for line in LINES), "utf-8")
    return directory


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def command(name: str, models: tuple[str, ...], *arguments: object) -> Path:
    """Run a command with ``models``; return what it wrote."""
    named = (each for model in models for each in ("--model", model))
    done = s2s_here(
        *(name, *named, "--output", "out", "--device", "cpu", "--threads", 1, *arguments)
    )
    assert done.code == 0, done.told
    return Path("out")


def list_of(models: tuple[str, ...], *options: object) -> dict[int, list[Entry]]:
    path = command("decode", models, "--input", "in", "--beam", 4, "--nbest", 3, *options)
    entries = list(read_nbest(path))
    return {index: list(each) for index, each in groupby(entries, lambda entry: entry.segment)}


MODELS = [("forward",), ("forward", "reversed"), ("looking", "reversed")]


@pytest.mark.parametrize("models", MODELS)
def test_lines_are_translated_as_decode_translates_them(models: tuple[str, ...]) -> None:
    written = command("decode", models, "--input", "in", "--beam", 4).read_text("utf-8")
    assert Translator(*models, device="cpu").translate(LINES, beam=4) == written.split("\n")[:-1]


@pytest.mark.parametrize("models", MODELS)
def test_hypotheses_are_those_of_the_list(models: tuple[str, ...]) -> None:
    found = Translator(*models, device="cpu").translate(LINES, beam=4, nbest=3)
    for index, entries in list_of(models).items():
        if not LINES[index]:
            assert found[index] == []
            continue
        assert [list(each.words) for each in found[index]] == [each.words for each in entries]
        for each, entry in zip(found[index], entries, strict=True):
            assert each.score == pytest.approx(entry.total, rel=1e-6)
            scores = [feature_value(entry, f"S2S{n}", Path("out")) for n in range(len(models))]
            assert each.log_probs == pytest.approx(scores, rel=1e-6)


def test_alignments_and_replaced_words_are_those_of_the_list() -> None:
    options = ("--alignments", "--replace-unk")
    found = Translator("looking", device="cpu").translate(
        LINES, beam=4, nbest=3, alignments=True, replace_unk=True
    )
    aligned = 0
    for index, entries in list_of(("looking",), *options).items():
        for each, entry in zip(found[index], entries if LINES[index] else [], strict=True):
            pairs = " ".join(f"{source}-{target}" for source, target in each.alignment)
            assert entry.line.split("|||")[-1].strip() == pairs
            assert list(each.words) == entry.words
            aligned += bool(pairs)
    assert aligned


def test_minimum_bayes_risk_chooses_as_the_command_does() -> None:
    translator = Translator("forward", "reversed", device="cpu")
    found = translator.translate(LINES, beam=4, nbest=3, mbr=True, mbr_scale=0.2)
    for index, entries in list_of(MODELS[1], "--mbr", "--mbr-scale", 0.2).items():
        if LINES[index]:
            assert [list(each.words) for each in found[index]] == [each.words for each in entries]
    chosen = translator.translate(LINES, beam=4, mbr=True, mbr_scale=0.2)
    assert chosen == [each[0].text if each else "" for each in found]


@pytest.mark.parametrize("models", MODELS)
def test_pairs_have_the_log_probabilities_of_rescore(models: tuple[str, ...]) -> None:
    translator = Translator(*models, device="cpu")
    hypotheses = ["un deux", "UNK", "", "un un . un", "zebra"]
    pairs = [(source, each) for source in LINES if source for each in hypotheses]
    lines = (f"{index // 5} ||| {each}\n" for index, (_, each) in enumerate(pairs))
    Path("list").write_text("".join(lines), "utf-8")
    Path("sources").write_text("".join(f"{each}\n" for each in LINES if each), "utf-8")
    path = command("rescore", models, "list", "--source", "sources", "--add-feature")
    expected = [feature_value(entry, "s2s", path) for entry in read_nbest(path)]
    assert translator.score(pairs) == pytest.approx(expected, rel=1e-6)
    assert translator.score([]) == []


def test_the_vectors_are_those_of_the_picture() -> None:
    Path("phrases").write_text("one two\ntwo one\n. é é\n", "utf-8")
    done = s2s_here("show", "states", "phrases", "--model", "reversed", "--output", "s.tsv")
    assert done.code == 0, done.told
    vectors = Translator("reversed", device="cpu").encode(["one two", "two one", ". é é"])
    assert vectors.shape == (3, 12)
    rows = [line.split("\t") for line in Path("s.tsv").read_text("utf-8").split("\n")[1:-1]]
    points = torch.tensor([[float(each) for each in row[-2:]] for row in rows])
    # In a plane of their own, three points have the distances that the vectors have.
    torch.testing.assert_close(torch.cdist(points, points), torch.cdist(vectors, vectors))


def test_attention_is_that_of_the_picture_and_of_a_given_translation() -> None:
    done = s2s_here(
        *("show", "attention", "in", "--line", 3, "--model", "looking", "--output", "a.tsv")
    )
    assert done.code == 0, done.told
    translator = Translator("looking", device="cpu")
    found = translator.attention(LINES[2])
    rows = [line.split("\t") for line in Path("a.tsv").read_text("utf-8").split("\n")[1:-1]]
    drawn = torch.tensor([float(row[-1]) for row in rows]).view(found.weights.shape)
    torch.testing.assert_close(found.weights, drawn, atol=1e-5, rtol=0)
    assert found.source == LINES[2].split(" ")
    given = translator.attention(LINES[2], "un . deux")
    assert given.target == ["un", ".", "deux", "<EOS>"]
    assert given.weights.sum(1).tolist() == pytest.approx([1.0] * 4)


MISTAKES: list[tuple[str, Callable[[], object]]] = [
    ("attention", lambda: Translator("forward").attention("one")),
    ("blank", lambda: Translator("looking").attention("")),
    ("phrase 2 is blank", lambda: Translator("forward").encode(["one", " "])),
    ("ensemble", lambda: Translator("forward", "reversed").encode(["one"])),
    ("--beam", lambda: Translator("forward").translate(["one"], beam=0)),
    ("--beam", lambda: Translator("forward").translate(["one"], beam=2, nbest=3)),
    ("nbest=0", lambda: Translator("forward").translate(["one"], nbest=0)),
    ("--normalise nan", lambda: Translator("forward").translate(["one"], normalise=float("nan"))),
    ("--beam", lambda: Translator("looking").attention("one", beam=-1)),
    ("--mbr-scale", lambda: Translator("forward").translate(["one"], mbr_scale=2.0)),
    ("no such device", lambda: Translator("forward", device="cuda:99")),
    ("absent", lambda: Translator("absent")),
]


@pytest.mark.parametrize(("told", "mistake"), MISTAKES)
def test_mistakes_are_told_in_a_sentence(told: str, mistake: Callable[[], object]) -> None:
    with pytest.raises(UserError, match=told):
        mistake()


def test_one_line_is_not_taken_for_lines_of_a_character_each() -> None:
    translator = Translator("forward", device="cpu")
    for call in (translator.translate, translator.encode):
        with pytest.raises(TypeError, match=r"write \['one'\]"):
            call("one")


def test_threads_that_share_a_translator_get_their_own_answers() -> None:
    translator = Translator("forward", "looking", device="cpu")
    expected = [translator.translate([line], beam=3) for line in LINES]
    found: dict[int, list[str]] = {}

    def work(index: int) -> None:
        found[index] = translator.translate([LINES[index]], beam=3)

    threads = [Thread(target=work, args=(index,)) for index in range(len(LINES))]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [found[index] for index in range(len(LINES))] == expected


def test_defaults_are_those_of_the_command() -> None:
    parameters = signature(Translator.translate).parameters
    settings = [*fields(BeamConfig), *fields(AlignmentConfig), *fields(MbrConfig)]
    shared = {each.name: each.default for each in settings if each.name in parameters}
    assert {name: parameters[name].default for name in shared} == {**shared, "nbest": None}
    assert {each.name for each in settings} - parameters.keys() == {"dictionary"}


def test_the_package_is_imported_without_torch() -> None:
    code = "import sys, s2s_cli; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="nothing"):
        _ = s2s_cli.nothing
