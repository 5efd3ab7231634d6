"""The six commands over text in pieces: words go in, and words come out."""

import json
import math
import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from conftest import ENGLISH, FRENCH, TINY_SETTINGS
from hypothesis import given
from hypothesis import strategies as st
from odd_models import loaded, s2s_here
from strategies import examples, lines

from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.translate import ChunkTranslator, LineChunk
from s2s_cli.inference.replicas import LoadedModel

ODD = ["one two", "▁", "@@ ▁ a▁b", "UNK <unk> UNK", "", "日本 three", "   ", "&#9601; five"]


def write_corpus(directory: Path, spell: Callable[[str], str] = str) -> None:
    draw = random.Random(1)
    (directory / "corpus").mkdir(parents=True)
    for split, count in (("train", 150), ("valid", 12), ("test", 8)):
        pairs = [[draw.randrange(10) for _ in range(draw.randint(1, 4))] for _ in range(count)]
        for language, words in (("en", ENGLISH), ("fr", FRENCH)):
            text = (" ".join(spell(words[digit]) for digit in pair) + "\n" for pair in pairs)
            (directory / "corpus" / f"{split}.{language}").write_text("".join(text), "utf-8")
    settings = TINY_SETTINGS.replace("epochs = 8", "epochs = 6\nhalve-after = 6")
    (directory / "s2s.toml").write_text(settings, "utf-8")


def done(*arguments: object) -> tuple[str, str]:
    ended = s2s_here(*arguments)
    assert ended.code == 0, ended.told
    return ended.out, ended.told


@cache
def model_of(directory: Path) -> LoadedModel:
    return loaded(directory, tokenised=False)


def lines_of(path: str) -> list[str]:
    return Path(path).read_text("utf-8").split("\n")[:-1]


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After prep, vocab and train with pieces of BPE."""
    directory = tmp_path_factory.mktemp("bpe") / "experiment"
    write_corpus(directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        _, told = done("--config", "s2s.toml", "prep", "--subwords", "bpe", "--subword-size", 28)
        assert "pieces of" in told
        assert " pieces, " in done("vocab")[1]
        _, told = done("--config", "s2s.toml", "train")
        assert "per piece" in told
    return directory


def test_data_are_pieces_and_models_travel(learned: Path) -> None:
    data, model = learned / "data", learned / "model"
    assert "▁" in (data / "train.fr").read_text("utf-8")
    assert "▁" not in (data / "test.fr").read_text("utf-8")
    joined = (data / "valid.fr").read_text("utf-8").replace(" ", "").replace("▁", " ")
    corpus = (learned / "corpus/valid.fr").read_text("utf-8")
    assert [line.strip() for line in joined.split("\n")] == corpus.split("\n")
    for name in ("subwords.en.model", "subwords.fr.model"):
        assert (data / name).read_bytes() == (model / name).read_bytes()
    for path in (data / "facts.json", data / "corpus.json", model / "model.json"):
        assert json.loads(path.read_bytes())["format"] == 3
    report = json.loads((data / "prep.json").read_bytes())["splits"]
    assert report["train"]["pieces"]["fr"] > report["train"]["words"]["fr"]
    assert "pieces" not in report["test"]


def test_all_commands_read_and_write_words(
    learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = shutil.copytree(learned, tmp_path / "own")
    shutil.rmtree(own / "data")
    monkeypatch.chdir(own)
    own.joinpath("in.en").write_text("".join(f"{line}\n" for line in ODD), "utf-8")
    done("decode", "--input", "in.en", "--output", "out.fr", "--beam", 3, "--threads", 1)
    translations = lines_of("out.fr")
    assert len(translations) == len(ODD)
    blank = [not line.strip() for line in ODD]
    assert not any(text for text, empty in zip(translations, blank, strict=True) if empty)
    assert translations[0] and not any("▁" in line for line in translations)

    done(
        *("decode", "--input", "in.en", "--output", "list", "--beam", 3, "--nbest", 3),
        *("--threads", 1, "--tokenised"),
    )
    done(
        *("rescore", "list", "--source", "in.en", "--output", "scored", "--add-feature"),
        *("--threads", 1, "--tokenised"),
    )
    entries = [line.split(" ||| ") for line in lines_of("scored") if "S2S0" in line]
    assert not any("▁" in hypothesis for _, hypothesis, _, _ in entries)
    # What decode found in the pieces that words are split into gets the same score again.
    scores = [(float(each[1]), float(each[3])) for each in (f[2].split(" ") for f in entries)]
    assert sum(abs(one - other) < 1e-4 * abs(one) for one, other in scores) > len(scores) / 2

    done(
        *("rescore", "list", "--source", "in.en", "--output", "best.fr", "--threads", 1),
        *("--tokenised", "--detokenise"),
    )
    assert len(lines_of("best.fr")) == len(ODD)

    out, _ = done("score", "--hypothesis", "corpus/test.fr", "--model", "model", "--json")
    signature = json.loads(out)["scores"]["perplexity"]["signature"]
    counts = dict(each.split(":") for each in signature.split("|"))
    words = sum(len(line.split()) + 1 for line in lines_of("corpus/test.fr"))
    assert int(counts["words"]) == words < int(counts["pieces"])

    done("show", "rarity", "corpus/test.fr", "corpus/test.fr", "--bins", 2, "--output", "r.tsv")


@examples(15)
@given(text=st.lists(lines, max_size=5), nbest=st.sampled_from([0, 2]))
def test_any_lines_are_as_many_lines(learned: Path, text: list[str], nbest: int) -> None:
    config = BeamConfig(beam=2, nbest=nbest)
    translator, model = ChunkTranslator(config, batch_size=3), model_of(learned / "model")
    written = translator.translate(model, LineChunk(0, text)).text.decode().split("\n")[:-1]
    if nbest:
        assert list(dict.fromkeys(int(line.split(" ")[0]) for line in written)) == [
            *range(len(text))
        ]
    else:
        assert len(written) == len(text)


def test_perplexity_is_per_word(learned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The product of the probabilities is that which rescore gives, over the words."""
    monkeypatch.chdir(learned)
    references = lines_of("corpus/test.fr")
    listed = "".join(f"{place} ||| {line}\n" for place, line in enumerate(references))
    path = Path("references.list")
    path.write_text(listed, "utf-8")
    done("rescore", path, "--output", "references.scored", "--add-feature", "--threads", 1)
    total = sum(float(line.rpartition("= ")[2]) for line in lines_of("references.scored"))
    words = sum(len(line.split()) + 1 for line in references)
    out, _ = done(
        *("score", "--hypothesis", "corpus/test.fr", "--model", "model"),
        *("--bare", "perplexity"),
    )
    assert float(out) == pytest.approx(math.exp(-total / words), abs=0.01)


@pytest.mark.parametrize("kind", ["subword-nmt", "sentencepiece"])
def test_text_that_came_split_is_joined(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spell = {"subword-nmt": "{0}@@ {1}", "sentencepiece": "▁{0} {1}"}[kind]
    write_corpus(tmp_path, lambda word: spell.format(word[0], word[1:]))
    monkeypatch.chdir(tmp_path)
    refused = s2s_here("prep", "--subwords", kind)
    assert refused.code == 2 and "add --tokenised" in refused.told
    assert not Path("data").exists()

    done("prep", "--subwords", kind, "--tokenised")
    assert Path("data/train.fr").read_bytes() == Path("corpus/train.fr").read_bytes()
    done("vocab")
    done("--config", "s2s.toml", "train", "--epochs", 1)
    options = ("--input", "corpus/test.en", "--beam", 2, "--threads", 1)
    done("decode", *options, "--output", "out.fr")
    assert len(lines_of("out.fr")) == 8
    # A list holds pieces, for nothing here could split words; as running text they are joined.
    done("decode", *options, "--output", "list", "--nbest", 2)
    done("rescore", "list", "--output", "best.fr", "--detokenise", "--threads", 1)
    mark = "@@" if kind == "subword-nmt" else "▁"
    assert mark in Path("list").read_text("utf-8")
    for name in ("out.fr", "best.fr"):
        assert mark not in Path(name).read_text("utf-8")
    out, told = done("score", "--hypothesis", "corpus/test.fr", "--model", "model", "--tokenised")
    words = sum(len(line.split()) // 2 + 1 for line in lines_of("corpus/test.fr"))
    assert f"words:{words}|pieces:" in out
    assert "warning: corpus/test.fr: the model's perplexity is that of text in pieces" in told
    alone = ("--hypothesis", "out.fr", "--model", "model/best.pt", "--bare", "perplexity")
    assert not done("score", *alone)[1]


def test_words_after_pieces_leave_no_model_behind(
    learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = shutil.copytree(learned, tmp_path / "own")
    monkeypatch.chdir(own)
    for options, told in (([], False), (["--subword-size", 28], True)):
        assert ("no pieces are learned; add --subwords" in done("prep", *options)[1]) == told
    assert not list((own / "data").glob("subwords.*"))
    plain = json.loads((own / "data/facts.json").read_bytes())
    assert plain["subwords"]["kind"] == "none"


def test_mistakes_are_told_in_a_sentence(
    learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = shutil.copytree(learned, tmp_path / "own")
    monkeypatch.chdir(own)

    def refused(*arguments: object) -> str:
        ended = s2s_here(*arguments)
        assert (ended.code, ended.out) == (1, "")
        *_, last = ended.told.splitlines()
        assert last.startswith("s2s: ")
        return last

    before = {path: path.read_bytes() for path in Path("data").iterdir()}
    assert "--subword-size" in refused("prep", "--subwords", "unigram")
    assert {path: path.read_bytes() for path in Path("data").iterdir()} == before

    path = Path("model/subwords.fr.model")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "subwords.fr.model: is not the SentencePiece model" in refused(
        "decode", "--input", "corpus/test.en"
    )
    Path("data/subwords.en.model").unlink()
    told = refused("--config", "s2s.toml", "train", "--model", "other")
    assert "data/subwords.en.model: no such file" in told
    # A member that splits otherwise, or not at all, is none.
    shutil.copytree(learned / "model", "whole")
    description = json.loads(Path("whole/model.json").read_bytes())
    description["facts"]["subwords"] = {"kind": "none", "models": {}}
    Path("whole/model.json").write_text(json.dumps(description))
    told = refused("decode", "--model", learned / "model", "--model", "whole")
    assert "differ in languages, tokeniser or pieces" in told
