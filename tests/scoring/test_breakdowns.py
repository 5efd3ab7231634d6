"""Bins of sentences, and BLEU in each of them against sacreBLEU on the same lines."""

import random
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
import sacrebleu

from s2s_cli.errors import UserError
from s2s_cli.scoring.breakdowns import BinConfig, bins, breakdown, mean_rank, points_table
from s2s_cli.scoring.systems import Systems, TextForm, read_systems, system_names
from s2s_cli.text.vocabulary import Vocabulary

WORDS = ["un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"]
AS_WORDS = TextForm("en", "fr", tokenised=True)


@pytest.mark.parametrize("seed", range(20))
def test_bins_part_the_lines_in_ascending_order(seed: int) -> None:
    draw = random.Random(seed)
    choices = [None, *map(float, range(draw.randint(1, 40)))]
    values = [None, 7.0, *draw.choices(choices, k=draw.randint(1, 200))]
    count = draw.randint(1, 12)
    found = bins(values, count)
    seen = sorted(line for each in found for line in each.lines)
    assert seen == [line for line, value in enumerate(values) if value is not None]
    for each in found:
        inside = [value for value in map(values.__getitem__, each.lines) if value is not None]
        assert inside and (each.low, each.high) == (min(inside), max(inside))
        assert each.lines == sorted(each.lines)
    assert min(len(each.lines) for each in found) >= len(seen) / count / 2
    assert all(one.high < two.low for one, two in pairwise(found))


def test_bins_are_as_even_as_equal_values_let_them() -> None:
    assert [len(each.lines) for each in bins(list(range(100)), 10)] == [10] * 10
    assert [len(each.lines) for each in bins(list(range(7)), 3)] == [2, 3, 2]
    # 1 x 1, 50 x 2, 49 x 3: halves end between the twos and the threes.
    halves = bins([1, *[2] * 50, *[3] * 49], 2)
    assert [(each.low, each.high, len(each.lines)) for each in halves] == [(1, 2, 51), (3, 3, 49)]
    assert [len(each.lines) for each in bins([5, 5, 5], 10)] == [3]
    # A lone 2 between many: a bin of its own would have a score that tells nothing.
    few = bins([*[1] * 40, 2, *[3] * 59], 10)
    assert [(each.low, each.high, len(each.lines)) for each in few] == [(1, 1, 40), (2, 3, 60)]
    assert [each.mean for each in bins([1, 2, 9], 1)] == [4]


def test_a_small_text_has_fewer_bins_of_enough_lines() -> None:
    values = [float(line % 77) for line in range(200)]
    assert len(bins(values, 10, 1)) == 10
    assert [min(len(each.lines) for each in bins(values, 10, least)) >= least
            for least in (20, 30, 90, 200)] == [True] * 4  # fmt: skip
    assert len(bins(values, 10, 30)) == 6
    assert len(bins(values, 10, 101)) == len(bins(values, 10, 500)) == 1


def test_where_bleu_would_be_0_it_is_smoothed_and_signed_so(tmp_path: Path) -> None:
    texts = {
        "src": ["a"] * 3 + ["b"] * 3 + ["c"] * 3,
        "ref": ["un deux trois quatre cinq"] * 3 + ["un deux"] * 3 + ["un deux trois quatre"] * 3,
        "out": ["un deux trois six cinq"] * 3 + ["un deux"] * 3 + ["six sept"] * 3,
    }
    files = {name: tmp_path / name for name in texts}
    for name, lines in texts.items():
        files[name].write_text("".join(f"{line}\n" for line in lines), "utf-8")
    config = BinConfig(3, min_sentences=1)
    no_4_gram, short, wrong = breakdown(
        read(files, "out"), [1.0] * 3 + [2.0] * 3 + [3.0] * 3, config
    )
    expected = sacrebleu.corpus_bleu(
        texts["out"][:3], [texts["ref"][:3]], tokenize="none", smooth_method="exp", force=True
    )
    assert no_4_gram.smoothed and expected.score > 0
    assert no_4_gram.score.value == pytest.approx(expected.score)
    assert "smooth:exp" in no_4_gram.score.signature
    assert short.smoothed and short.score.value == 100  # no text of two words has a 4-gram
    assert not wrong.smoothed and wrong.score.value == 0


def test_the_rank_of_a_word_is_its_place_and_that_of_an_unknown_one_the_size() -> None:
    vocabulary = Vocabulary(["the", "cat", "sat"], [9, 3, 1])
    assert mean_rank(["the"], vocabulary) == 1
    assert mean_rank(["sat", "sat"], vocabulary) == 3
    assert mean_rank(["the", "cat", "dog", "<EOS>"], vocabulary) == (1 + 2 + 5 + 5) / 4


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A reference of 120 lines, its source, and two systems that change every so many words."""
    draw = random.Random(5)
    reference = [" ".join(draw.choices(WORDS, k=draw.randint(4, 30))) for _ in range(120)]
    texts = {"ref": reference, "src": [f"a {line}" for line in reference]}
    for name, share in (("good", 0.1), ("bad", 0.3)):
        texts[name] = [
            " ".join("zéro" if draw.random() < share else word for word in line.split(" "))
            for line in reference
        ]
    paths = {name: tmp_path / name for name in texts}
    for name, lines in texts.items():
        paths[name].write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return paths


def read(files: dict[str, Path], *names: str) -> Systems:
    paths = [files[name] for name in names]
    return read_systems(files["src"], files["ref"], paths, names, AS_WORDS)


def test_bleu_of_a_bin_is_sacrebleus_of_its_lines(files: dict[str, Path]) -> None:
    systems = read(files, "good", "bad")
    lengths = [len(words) for words in systems.words]
    points = breakdown(systems, lengths, BinConfig(bins=6, min_sentences=1))
    assert [point.system for point in points] == ["good"] * 6 + ["bad"] * 6
    for point in points:
        lines = files[point.system].read_text("utf-8").splitlines()
        references = files["ref"].read_text("utf-8").splitlines()
        inside = [
            line
            for line in range(120)
            if point.bin.low <= 1 + len(references[line].split(" ")) <= point.bin.high
        ]
        expected = sacrebleu.corpus_bleu(
            [lines[line] for line in inside],
            [[references[line] for line in inside]],
            tokenize="none",
            smooth_method="none",
            force=True,
        )
        assert inside == point.bin.lines
        assert point.score.value == pytest.approx(expected.score, abs=1e-9)


def test_systems_given_the_other_way_round_have_their_own_scores(files: dict[str, Path]) -> None:
    one, two = (
        points_table(breakdown(read(files, *names), [1.0] * 60 + [2.0] * 60, BinConfig(2)), 0)
        for names in (("good", "bad"), ("bad", "good"))
    )
    assert one.rows != two.rows
    assert sorted(one.rows) == sorted(two.rows)


def test_an_interval_stands_in_the_table_where_it_was_asked_for(files: dict[str, Path]) -> None:
    systems = read(files, "bad")
    values = [len(words) for words in systems.words]
    for resamples, filled in ((0, False), (100, True)):
        table = points_table(breakdown(systems, values, BinConfig(3, bootstrap=resamples)), 0)
        for row in table.rows:
            entry = dict(zip(table.columns, row, strict=True))
            assert bool(entry["bleu_low"]) == bool(entry["bleu_high"]) == filled
            if filled:
                bounds = float(entry["bleu_low"]), float(entry["bleu_high"])
                assert bounds[0] < float(entry["bleu"]) < bounds[1]


def test_a_source_without_words_is_refused(files: dict[str, Path]) -> None:
    with pytest.raises(UserError, match="not blank"):
        breakdown(read(files, "good"), [None] * 120, BinConfig())


def test_names_come_from_paths_unless_they_would_be_the_same() -> None:
    paths = [Path("a/out.fr"), Path("b/out.fr")]
    assert system_names(paths, []) == ["a/out.fr", "b/out.fr"]
    assert system_names([Path("a/one.fr"), Path("b/two.fr")], []) == ["one.fr", "two.fr"]
    assert system_names(paths, ["x", "y"]) == ["x", "y"]
    for given in (["x"], ["x", "x"]):
        with pytest.raises(UserError, match="--name"):
            system_names(paths, given)


def test_texts_are_compared_as_score_compares_them(tmp_path: Path) -> None:
    """Composed letters; Chinese split as sacreBLEU splits it."""
    (tmp_path / "in").write_text("one\n", "utf-8")
    (tmp_path / "ref").write_text(unicodedata.normalize("NFD", "Où été\n"), "utf-8")
    (tmp_path / "out").write_text("Où été\n", "utf-8")
    files = tmp_path / "in", tmp_path / "ref", [tmp_path / "out"]
    texts = read_systems(*files, ["a"], TextForm("en", "fr", tokenised=False)).texts["a"]
    assert texts.words.hypotheses == texts.words.references[0]
    for name in ("ref", "out"):
        (tmp_path / name).write_text("我爱北京。\n", "utf-8")
    texts = read_systems(*files, ["a"], TextForm("en", "zho", tokenised=False)).texts["a"]
    assert texts.words.hypotheses == ["我 爱 北 京 。"]
