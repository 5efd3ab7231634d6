"""Word alignment and what is read from it: against sums over all alignments, and definitions."""

import itertools
import math
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from smt_modules import module

from s2s_cli.errors import UserError

aligner = module("aligner")
corpus = module("corpus")
lexical = module("lexical")
ngrams = module("ngrams")
phrases = module("phrases")
symmetrise = module("symmetrise")
table = module("table")

Points = set[tuple[int, int]]
PAIRS = [
    ("the house", "la maison"),
    ("the blue house", "la maison bleue"),
    ("the flower", "la fleur"),
    ("a blue flower here", "une fleur bleue"),
    ("house", "maison"),
]


def texts(pairs: list[tuple[str, str]]) -> tuple[Any, Any]:
    sides = zip(*pairs, strict=True)
    source, target = ([line.split() for line in side] for side in sides)
    return corpus.make_text(source), corpus.make_text(target)


def digamma(x: float) -> float:
    step = 1e-5
    return (math.lgamma(x + step) - math.lgamma(x - step)) / (2 * step)


def prior(tension: float, i: int, j: int, source: int, target: int) -> float:
    def shape(k: int) -> float:
        return float(math.exp(-tension * abs((k + 1) / source - (j + 1) / target)))

    return float((1 - aligner.NULL) * shape(i) / sum(map(shape, range(source))))


def brute_force(pairs: list[tuple[str, str]], iterations: int) -> dict[tuple[str, str], float]:
    """EM with the expectation over every alignment of every sentence; the tension stays."""
    lines = [(a.split(), b.split()) for a, b in pairs]
    choices = len({word for _, target in lines for word in target})
    theta: dict[tuple[str, str], float] = defaultdict(lambda: 1.0)
    for _ in range(iterations):
        counts: defaultdict[tuple[str, str], float] = defaultdict(float)
        for source, target in lines:
            found = []
            for ways in itertools.product(range(-1, len(source)), repeat=len(target)):
                weight, links = 1.0, []
                for j, i in enumerate(ways):
                    word = source[i] if i >= 0 else "NULL"
                    chance = aligner.NULL
                    if i >= 0:
                        chance = prior(aligner.FIRST_TENSION, i, j, len(source), len(target))
                    weight *= chance * theta[word, target[j]]
                    links.append((word, target[j]))
                found.append((weight, links))
            total = sum(weight for weight, _ in found)
            for weight, links in found:
                for link in links:
                    counts[link] += weight / total
        sums: defaultdict[str, float] = defaultdict(float)
        for (word, _), count in counts.items():
            sums[word] += count
        theta = defaultdict(float)
        for (word, other), count in counts.items():
            given = digamma(sums[word] + aligner.ALPHA * choices)
            theta[word, other] = math.exp(digamma(count + aligner.ALPHA) - given)
    return theta


@pytest.mark.parametrize("inverse", [False, True])
def test_em_is_that_over_all_alignments(inverse: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligner, "BLOCK_LINKS", 7)  # many blocks
    source, target = texts(PAIRS)
    direction = aligner.Direction(aligner.Links(source, target), inverse)
    for _ in range(3):
        direction.iterate(fit=False)
    expected = brute_force([pair[::-1] for pair in PAIRS] if inverse else PAIRS, 3)
    count = len(target.vocabulary)
    for kind, theta in zip(direction.links.kinds, direction.theta, strict=True):
        pair = source.vocabulary[kind // count], target.vocabulary[kind % count]
        assert theta == pytest.approx(expected[pair[::-1] if inverse else pair], rel=1e-4)
    generated = source if inverse else target
    for word, theta in zip(generated.vocabulary, direction.theta_null, strict=True):
        assert theta == pytest.approx(expected["NULL", word], rel=1e-4)


def test_the_tension_comes_nearer_to_the_distance_seen() -> None:
    diagonal = aligner.Diagonal([(4, 5), (3, 3)], [10, 2])
    for seen in (0.02, 0.3):
        before = abs(diagonal.expected_distance() - seen)
        diagonal.fit(seen)
        assert abs(diagonal.expected_distance() - seen) < before


def test_words_that_go_together_are_aligned_both_ways() -> None:
    chance = random.Random(1)
    pairs, expected = [], []
    for _ in range(80):
        words = chance.sample(range(12), 4)
        order = chance.sample(range(4), 4)
        pairs.append((" ".join(f"e{w}" for w in words), " ".join(f"f{words[k]}" for k in order)))
        expected.append({(i, j) for j, i in enumerate(order)})
    source, target = texts(pairs)
    direct, inverse = aligner.align_both(source, target)
    found = [symmetrise.symmetrised(source, target, direct, inverse, n) for n in range(80)]
    assert sum(a == b for a, b in zip(found, expected, strict=True)) >= 78


def test_grow_diag_final_and_by_hand() -> None:
    direct = {(0, 0), (1, 1), (1, 2), (4, 4)}
    inverse = {(0, 0), (2, 2), (3, 0), (5, 6), (1, 1)}
    # Both have 0-0 and 1-1. 1-2 is beside 1-1, and column 2 is free; then 2-2 has a free row.
    # 4-4 is nobody's neighbour, but both of its words are free: final. 5-6 likewise. Of 3-0,
    # column 0 is taken: final-and leaves it out.
    grown = {(0, 0), (1, 1), (1, 2), (2, 2)}
    assert symmetrise.grow_diag_final_and(direct, inverse) == grown | {(4, 4), (5, 6)}
    assert symmetrise.grow_diag_final_and(set(), {(1, 0), (1, 1)}) == {(1, 0)}


def random_links(seed: int) -> tuple[list[tuple[int, int, Points]], Any]:
    """Sentences as sizes and links, and the same as arrays."""
    chance = random.Random(seed)
    sentences = []
    for _ in range(6):
        source, target = chance.randint(1, 7), chance.randint(1, 7)
        points = {(i, j) for i in range(source) for j in range(target) if chance.random() < 0.2}
        sentences.append((source, target, points))
    starts = np.cumsum([0, *(each[0] for each in sentences)])
    target_starts = np.cumsum([0, *(each[1] for each in sentences)])
    links = [
        (int(starts[n]) + i, int(target_starts[n]) + j)
        for n, (_, _, points) in enumerate(sentences)
        for i, j in sorted(points)
    ]
    ends = np.array(links, np.int64).reshape(-1, 2).T
    return sentences, phrases.Aligned(starts, target_starts, ends[0], ends[1])


def by_definition(
    source: int, target: int, points: Points, longest: int
) -> dict[tuple[int, int, int, int], tuple[int, int]]:
    """Consistent pairs, both ends of spans included, and their orientations before and after."""
    edges = points | {(-1, -1), (source, target)}
    found = {}
    for i1, j1 in itertools.product(range(source), range(target)):
        for i2, j2 in itertools.product(
            range(i1, min(source, i1 + longest)), range(j1, min(target, j1 + longest))
        ):
            inside = [(i1 <= i <= i2, j1 <= j <= j2) for i, j in points]
            if (True, True) in inside and all(a == b for a, b in inside):
                before = 0 if (i1 - 1, j1 - 1) in edges else 1 if (i2 + 1, j1 - 1) in edges else 2
                after = 0 if (i2 + 1, j2 + 1) in edges else 1 if (i1 - 1, j2 + 1) in edges else 2
                found[i1, i2, j1, j2] = before, after
    return found


@pytest.mark.parametrize("seed", range(12))
def test_phrases_are_those_of_the_definition(seed: int) -> None:
    sentences, links = random_links(seed)
    for longest in (3, 7):
        found: dict[tuple[int, ...], tuple[int, int]] = {}
        inner = {}
        for spans in phrases.consistent(links, longest):
            before, after = phrases.orientations(links, links.keys(), spans)
            bits = phrases.signatures(links, spans)
            source, target = spans.source, spans.target
            columns = (
                source,
                source + spans.source_length - 1,
                target,
                target + spans.target_length - 1,
            )
            for row, key in enumerate(zip(*(each.tolist() for each in columns), strict=True)):
                assert key not in found
                found[key] = int(before[row]), int(after[row])
                inner[key] = int(bits[row])
        expected = {}
        for n, (source, target, points) in enumerate(sentences):
            a, b = int(links.source_starts[n]), int(links.target_starts[n])
            for (i1, i2, j1, j2), turns in by_definition(source, target, points, longest).items():
                key = (a + i1, a + i2, b + j1, b + j2)
                expected[key] = turns
                joined = {(i - i1, j - j1) for i, j in points if i1 <= i <= i2 and j1 <= j <= j2}
                assert inner[key] == sum(1 << (i * phrases.LONGEST + j) for i, j in joined)
        assert found == expected


def test_n_grams_are_counted_within_sentences() -> None:
    text = corpus.make_text([["a", "b", "a", "b"], ["b", "a"], ["a"]])
    orders = list(ngrams.each_order(text.words, text.starts, 2, 3))
    assert [each.counts.tolist() for each in orders] == [[4, 3], [2, 2], [1, 1]]
    assert [each.last.tolist() for each in orders] == [[0, 1], [1, 0], [0, 1]]
    assert orders[1].prefix.tolist() == [0, 1]
    assert orders[1].ids.tolist() == [0, 1, 0, -1, 1, -1, -1]


def small_table(limit: int = 20) -> tuple[Any, list[str], list[str]]:
    source, target = texts([("the house", "la maison"), ("the house", "maison"), ("the", "le")])
    links = phrases.Aligned(
        source.starts, target.starts, np.array([0, 1, 3, 4]), np.array([0, 1, 2, 3])
    )
    built = table.build_table(source, target, links, [["the", "house", "sings"]], limit=limit)
    return built, source.vocabulary, target.vocabulary


def rows(built: Any, source: list[str], target: list[str]) -> dict[tuple[str, str], Any]:
    text = module("table_file").phrase_text
    return {
        (text(a, source), text(b, target)): (np.exp(scores), np.exp(turns), bits, counts)
        for a, b, scores, turns, bits, counts in zip(
            built.source,
            built.target,
            built.scores,
            built.reordering,
            built.alignment,
            built.counts,
            strict=True,
        )
    }


def test_scores_of_a_table_by_hand() -> None:
    found = rows(*small_table())
    assert set(found) == {
        ("the", "la"),
        ("the", "le"),
        ("house", "maison"),
        ("the house", "la maison"),
        ("the house", "maison"),
    }
    scores, turns, bits, counts = found["house", "maison"]
    # maison is house twice, and once the house; lexically it comes from house alone
    assert scores == pytest.approx([2 / 3, 1, 1, 1])
    assert counts.tolist() == [3, 2, 2]
    assert bits == 1
    # before: monotone after the-la once, else discontinuous; after: the end twice
    assert turns == pytest.approx(
        [1.5 / 3.5, 0.5 / 3.5, 1.5 / 3.5, 2.5 / 3.5, 0.5 / 3.5, 0.5 / 3.5]
    )
    scores, *_ = found["the house", "maison"]
    # the, without a link, comes from nothing: one of one such links; half of the house's phrases
    assert scores == pytest.approx([1 / 3, 1 * 1, 1 / 2, 1])
    scores, *_ = found["the", "la"]
    assert scores == pytest.approx([1, 1, 1 / 2, 1 / 3])  # the has three links, one to nothing


def test_a_table_keeps_the_most_frequent_translations() -> None:
    found = rows(*small_table(limit=1))
    assert {source for source, _ in found} == {"the", "house", "the house"}
    assert len(found) == 3


def test_lexical_weight_takes_the_mean_of_several_links() -> None:
    words = lexical.WordTable(
        np.array([1 * 4 + 1, 1 * 4 + 2]), np.array([3.0, 1.0]), np.array([1.0, 4.0]),
        np.array([1.0, 4.0, 2.0, 0.0]),
    )  # fmt: skip
    source, target = np.zeros((1, 7), int), np.zeros((1, 7), int)
    source[0, 0], target[0, :2] = 1, (1, 2)
    inverse, direct = lexical.lexical_weights(words, source, target, np.array([0b11]))
    assert math.exp(inverse[0]) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert math.exp(direct[0]) == pytest.approx(3 / 4 * 1 / 4)


def write_pair(folder: Path, source: str, target: str) -> tuple[Path, Path]:
    paths = folder / "train.en", folder / "train.fr"
    paths[0].write_text(source)
    paths[1].write_text(target)
    return paths


def test_pairs_that_no_system_reads_are_left_out(tmp_path: Path) -> None:
    long = " ".join(["word"] * 101)
    bad = ["", "a ||| b", "a <s> b", "</s>", long]
    lines = "".join(f"{line}\n" for line in ["good", *bad, *["other"] * len(bad)])
    others = "".join(f"{line}\n" for line in ["bon", *["autre"] * len(bad), *bad])
    source, target, left_out = corpus.read_corpus(*write_pair(tmp_path, lines, others))
    assert (source.vocabulary, target.vocabulary, left_out) == (["good"], ["bon"], 10)


def test_text_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.fr ends before line 2"):
        corpus.read_corpus(*write_pair(tmp_path, "a\nb\n", "a\n"))
    with pytest.raises(UserError, match="no pair"):
        corpus.read_corpus(*write_pair(tmp_path, "\n", "a\n"))
    long = tmp_path / "test.en"
    long.write_text("a\n" + "word " * 301 + "\n")
    with pytest.raises(UserError, match=r"test\.en:2: 301 words"):
        corpus.read_sentences(long)
    (tmp_path / "facts.json").write_text('{"reverse_source": true}')
    with pytest.raises(UserError, match="without --reverse-source"):
        corpus.languages(tmp_path)
