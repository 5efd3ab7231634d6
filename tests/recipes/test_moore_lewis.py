"""Selecting pairs: in-domain lines win, the best are the best, a run that broke off goes on."""

import gzip
import importlib.util
import json
import math
import random
import subprocess
import sys
from array import array
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "recipes/wmt14_en_fr/moore_lewis.py"
NEWS = [
    "the",
    "minister",
    "said",
    "on",
    "monday",
    "that",
    "the",
    "government",
    "will",
    "vote",
    "on",
    "the",
    "new",
    "law",
]
CHAT = [
    "hey",
    "dude",
    "click",
    "here",
    "to",
    "buy",
    "cheap",
    "shoes",
    "lol",
    "free",
    "shipping",
    "best",
    "price",
    "wow",
]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("moore_lewis", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sentence(words: list[str], draw: random.Random) -> str:
    return " ".join(draw.choices(words, k=draw.randint(4, 9)))


def write(folder: Path, name: str, pairs: list[tuple[str, str]]) -> None:
    for side, lines in zip(("en", "fr"), zip(*pairs, strict=True), strict=True):
        content = "".join(f"{line}\n" for line in lines).encode()
        (folder / f"{name}.{side}.gz").write_bytes(gzip.compress(content))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """News in one corpus, news and chat in two others; the French side shouts."""
    draw = random.Random(1)

    def pairs(kinds: list[list[str]]) -> list[tuple[str, str]]:
        english = [sentence(kind, draw) for kind in kinds]
        return [(each, each.upper()) for each in english]

    write(tmp_path, "in", pairs([NEWS] * 40))
    write(tmp_path, "one", pairs([CHAT, NEWS, CHAT] * 20))
    write(tmp_path, "two", [*pairs([CHAT] * 30), ("", "VOTE"), ("law " * 150, "LOI " * 150)])
    return tmp_path


def select(folder: Path, *options: str) -> Any:
    arguments = ["--in-domain", "in", "--general", "one", "two", "--output", "out/best", *options]
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )


def lines(folder: Path, side: str) -> list[str]:
    return gzip.decompress((folder / f"out/best.{side}.gz").read_bytes()).decode().splitlines()


def test_in_domain_lines_win(corpus: Path) -> None:
    select(corpus, "--keep", "60")
    english, french = lines(corpus, "en"), lines(corpus, "fr")
    assert len(english) == 60
    assert set(" ".join(english).split()) <= set(NEWS)
    assert french == [line.upper() for line in english]
    report = json.loads((corpus / "out/best.json").read_text())
    assert report == {"pairs": 60, "from": {"in": 40, "one": 20, "two": 0}}


def test_pairs_that_prep_would_drop_are_never_selected(corpus: Path) -> None:
    select(corpus, "--keep", "1000")
    assert len(lines(corpus, "en")) == 40 + 60 + 30
    assert "" not in lines(corpus, "en")


def test_a_run_that_was_killed_goes_on_with_the_scores_it_has(corpus: Path) -> None:
    select(corpus, "--keep", "70")
    whole = (corpus / "out/best.scores").read_bytes()
    best = lines(corpus, "en")
    for each in (corpus / "out").iterdir():
        each.unlink()
    marked = bytes(4) + whole[4 : 4 * 50] + b"\0"  # 50 scores, the first another one, and a byte
    (corpus / "out/best.scores.part").write_bytes(marked)
    select(corpus, "--keep", "70")
    assert (corpus / "out/best.scores").read_bytes() == bytes(4) + whole[4:]
    assert len(lines(corpus, "en")) == len(best)


def test_the_cut_is_that_of_sorting(script: ModuleType, tmp_path: Path) -> None:
    draw = random.Random(3)
    values = [round(draw.gauss(0, 2), 1) for _ in range(500)] + [math.inf] * 20
    draw.shuffle(values)
    path = tmp_path / "scores"
    path.write_bytes(array("f", values).tobytes())
    ranks = list(script.score_keys(path))
    order = sorted(range(len(values)), key=lambda i: array("f", [values[i]])[0])
    assert [values[i] for i in order] == [
        values[i] for i in sorted(range(len(values)), key=ranks.__getitem__)
    ]
    for keep in (1, 2, 250, 499, 500, 519, 10_000):
        limit, ties = script.find_cut(path, keep)
        taken = sum(rank < limit for rank in ranks) + ties
        assert taken == min(keep, 500)
        assert 0 < ties <= ranks.count(limit)
    assert script.find_cut(path, 0) == (0, 0)


def test_probabilities_sum_to_one(script: ModuleType) -> None:
    size = 7
    model = script.BigramModel([[2, 3, 2], [4, 1], [2, 3, 5]], size)
    for v in range(size):
        assert math.fsum(math.exp(model.log_probability(v, w)) for w in range(size)) == (
            pytest.approx(1)
        )


def test_a_difference_is_the_mean_over_words(script: ModuleType) -> None:
    difference = script.CrossEntropyDifference([b"a b\n", b"a c\n"], [b"c b\n"], 10)
    ids = [0, *difference.numbered(["a", "b", "zzz"]), 0]
    expected = [
        difference.general.log_probability(v, w) - difference.inside.log_probability(v, w)
        for v, w in pairwise(ids)
    ]
    assert difference(["a", "b", "zzz"]) == pytest.approx(sum(expected) / 4)
    assert difference(["a", "b"]) < difference(["c", "b"])


@pytest.mark.parametrize(
    "french",
    [
        gzip.compress(b"OUI\n"),
        gzip.compress(b"LOI\n" * 60)[:-9],
        gzip.compress(b"\n")[:10] + b"?" * 9,
    ],
    ids=["fewer lines", "cut short", "not compressed"],
)
def test_a_text_that_is_not_whole_is_named(corpus: Path, french: bytes) -> None:
    (corpus / "one.fr.gz").write_bytes(french)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        select(corpus, "--keep", "60")
    assert "moore_lewis.py: one.{en,fr}.gz are damaged" in failed.value.stderr
    assert "Traceback" not in failed.value.stderr
