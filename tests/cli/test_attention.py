"""What attention is good for in ``decode`` and ``show``: commands in this process."""

import csv
from pathlib import Path

import pytest
import torch
from odd_models import s2s_here, write_model

from s2s_cli.model.config import Shape
from s2s_cli.model.description import BEST, Description
from s2s_cli.model.directory import save_tensors
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import Facts
from s2s_cli.text.nbest import escape_bars, hypothesis_words
from s2s_cli.text.vocabulary import SYMBOLS, Vocabulary

LINES = [
    "one two three",
    "",
    "Zoë naps on ||| two",
    "two",
    "four",
    "naps",
    "one Zoë two on",
    "on naps",
]
DICTIONARY = {"naps": "fait la sieste", "Zoë": "|||", "four": "quatre"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models with attention, one forward and one reversed, and one without; a text."""
    directory = tmp_path_factory.mktemp("attention")
    source, target = (
        Vocabulary(words, [1] * len(words))
        for words in (["one", "two", "on"], ["un", "deux", "UNK", "\u2028"])
    )
    for name, reverse in (("forward", False), ("reversed", True)):
        shape = Shape(len(source), len(target), 1, 6, 5, attention="general")
        model = Seq2Seq(shape).requires_grad_(False)
        model.initialise(1.5, torch.Generator().manual_seed(4 + reverse))
        model.state_dict()["attention.query.weight"].mul_(20)
        model.softmax.bias[:SYMBOLS] += torch.tensor([-1.0, 2.0])  # less of EOS, more of UNK
        facts = Facts("en", "fr", True, reverse, "none")
        Description(shape, facts, source, target).write(directory / name)
        save_tensors(directory / name / BEST, {"model": dict(model.state_dict())})
    write_model(directory / "plain", tokenised=True, reverse=False, seed=1)
    (directory / "in").write_text("".join(f"{line}\n" for line in LINES), "utf-8")
    entries = (f"{word}\t{target}\n" for word, target in DICTIONARY.items())
    (directory / "words").write_text("".join(entries), "utf-8")
    return directory


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def decoded(*arguments: object, model: str = "reversed") -> list[str]:
    run = s2s_here(
        *("decode", "--model", model, "--input", "in", "--output", "out", "--beam", 3),
        *("--max-length", 4, "--threads", 1, "--device", "cpu", *arguments),
    )
    assert run.code == 0, run.told
    return Path("out").read_text("utf-8").removesuffix("\n").split("\n")


def words_of(text: str) -> list[str]:
    return [word for word in text.split(" ") if word]


@pytest.mark.parametrize("model", ["forward", "reversed"])
def test_unknown_words_are_replaced_along_the_alignment(model: str) -> None:
    plain = decoded("--nbest", 2, model=model)
    aligned = decoded("--nbest", 2, "--alignments", model=model)
    replaced = decoded(
        *("--nbest", 2, "--alignments", "--replace-unk", "--dictionary", "words"), model=model
    )
    seen = set()
    for was, line, done in zip(plain, aligned, replaced, strict=True):
        assert line.startswith(f"{was} ||| ")
        number, text, *_, field = line.split(" ||| ")
        source, target = words_of(LINES[int(number)]), words_of(text)
        places = [tuple(map(int, pair.split("-"))) for pair in field.split()]
        assert [down for _, down in places] == list(range(len(target)))
        words: list[str] = []
        pairs = []
        for word, (across, _) in zip(target, places, strict=True):
            # UNK is a word of this model, so the unknown word is UNK_.
            made = DICTIONARY.get(source[across], source[across]) if word == "UNK_" else word
            for each in words_of(made):
                pairs.append(f"{across}-{len(words)}")
                words.append(each)
            seen.add(source[across] if word == "UNK_" else "")
        wanted = [number, escape_bars(" ".join(words)), *line.split(" ||| ")[2:4], " ".join(pairs)]
        assert done == " ||| ".join(wanted)
    assert {"", "naps", "four", "two"} <= seen and len(seen) > 5
    best = decoded("--replace-unk", "--dictionary", "words", model=model)
    firsts: dict[str, str] = {}
    for line in replaced:
        number, text, *_ = line.split(" ||| ")
        firsts.setdefault(number, " ".join(hypothesis_words(text)))
    assert best == list(firsts.values())


def test_company_and_workers_change_nothing() -> None:
    options = ["--nbest", 2, "--alignments", "--replace-unk", "--dictionary", "words"]
    ensemble = ["--model", "forward"]
    one = decoded(*options, *ensemble)
    assert decoded(*options, *ensemble, "--batch-size", 1) == one
    assert decoded(*options, *ensemble, "--gpus", 2) == one


def test_rescore_carries_the_alignment_along() -> None:
    lines = decoded("--nbest", 2, "--alignments")
    run = s2s_here(
        *("rescore", "out", "--add-feature", "--model", "reversed", "--source", "in"),
        *("--output", "scored", "--threads", 1, "--device", "cpu", "--feature-name", "again"),
    )
    assert run.code == 0, run.told
    scored = Path("scored").read_text("utf-8").removesuffix("\n").split("\n")
    for line, after in zip(lines, scored, strict=True):
        was, now = line.split("|||"), after.split("|||")
        assert now[:2] + now[3:] == was[:2] + was[3:]
        assert "again= " in now[2] and now[2].startswith(was[2].rstrip())


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--dictionary", "words"], 2, "add that option"),
        (["--alignments"], 2, "add --nbest"),
        (["--replace-unk", "--forbid-unk"], 2, "give one of them"),
        (["--replace-unk", "--dictionary", "-", "--input", "-"], 2, "only one of them"),
        (["--replace-unk", "--dictionary", "bad"], 1, "bad:2: expected one source word"),
        (["--replace-unk", "--dictionary", "none"], 1, "none: no such file"),
        (["--replace-unk", "--model", "plain"], 1, "plain: no attention, which --replace-unk"),
        (["--alignments", "--nbest", "1", "--model", "plain"], 1, "which --alignments needs"),
        (["--replace-unk", "--model", "plain/best.pt"], 1, "plain: no attention"),
        (["--replace-unk", "--model", "words"], 1, "not a model directory"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(
    options: list[str], code: int, told: str
) -> None:
    Path("bad").write_text("a b\nc\n")
    models = [] if "--model" in options else ["--model", "forward"]
    run = s2s_here("decode", *models, "--output", "new", *options)
    assert run.code == code
    assert told in run.told and run.told.count("\n") == 1
    assert not Path("new").exists()


def test_a_picture_and_its_data() -> None:
    arguments = ["in", "--model", "reversed", "--line", 3, "--beam", 3]
    assert s2s_here("show", "attention", *arguments, "--output", "a.svg").code == 0
    with Path("a.tsv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    source = LINES[2].split()
    count = len(rows) // len(source)
    assert {row["target_word"] for row in rows[-len(source) :]} == {"<EOS>"}
    assert [row["source_word"] for row in rows] == source * count
    assert [int(row["source_place"]) for row in rows] == [1, 2, 3, 4, 5] * count
    drawn = Path("a.svg").read_text("utf-8")
    assert all(f">{word}</text>" in drawn for word in source)
    line = next(
        line for line in decoded("--nbest", 1, "--alignments", "--max-length", 0)
        if line.startswith("2 ")
    )  # fmt: skip
    _, text, *_, field = line.split(" ||| ")
    weights = [float(row["weight"]) for row in rows]
    for down, (word, pair) in enumerate(zip(text.split(" "), field.split(), strict=True)):
        here = slice(down * len(source), (down + 1) * len(source))
        assert {row["target_word"] for row in rows[here]} == {word}
        assert sum(weights[here]) == pytest.approx(1, abs=1e-4)
        assert pair == f"{weights[here].index(max(weights[here]))}-{down}"
    assert count == len(text.split(" ")) + 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--line", "2"], "in:2: is blank"),
        (["--line", "9"], "in: has no line 9"),
        (["--model", "plain"], "plain: no attention, which the picture needs"),
    ],
)
def test_what_cannot_be_drawn(options: list[str], told: str) -> None:
    models = [] if "--model" in options else ["--model", "forward"]
    run = s2s_here("show", "attention", "in", *models, "--output", "b.tsv", *options)
    assert run.code == 1 and told in run.told and run.told.count("\n") == 1
    assert not Path("b.tsv").exists()
