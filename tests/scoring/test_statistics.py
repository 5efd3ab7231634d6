"""Statistics and oracles against sacreBLEU and brute force."""

import random
from itertools import product
from pathlib import Path

import pytest
from sacrebleu.metrics.bleu import BLEU

from s2s_cli.errors import UserError
from s2s_cli.scoring.oracle import oracles
from s2s_cli.scoring.statistics import References, corpus_bleu

Lines = list[list[str]]


def sentences(seed: int, count: int, longest: int) -> list[str]:
    draw = random.Random(seed)
    return [
        " ".join(draw.choice("abcd") for _ in range(draw.randint(0, longest))) for _ in range(count)
    ]


@pytest.mark.parametrize("references", [1, 3])
def test_statistics_are_those_of_sacrebleu(references: int) -> None:
    """Four words only, so that n-grams come again and have to be clipped."""
    hypotheses = sentences(1, 200, 12)
    lines = [sentences(seed, 200, 12) for seed in range(2, 2 + references)]
    metric = BLEU(tokenize="none", smooth_method="none", force=True)
    expected = metric._extract_corpus_statistics(hypotheses, lines)
    counted = map(References, zip(*lines, strict=True))
    found = [each.statistics(text) for each, text in zip(counted, hypotheses, strict=True)]
    assert [list(each) for each in found] == expected
    total = [sum(column) for column in zip(*found, strict=True)]
    score = metric.corpus_score(hypotheses, lines).score
    assert corpus_bleu(total) == pytest.approx(score, abs=1e-9)
    assert score > 0


def test_a_no_break_space_is_part_of_a_word() -> None:
    assert References(["a\u00a0b c"]).statistics("a b c")[:3] == (3, 2, 1)


def write_list(path: Path, lists: Lines) -> None:
    path.write_text(
        "".join(
            f"{segment} ||| {text} ||| ||| {-place}\n"
            for segment, texts in enumerate(lists)
            for place, text in enumerate(texts)
        ),
        "utf-8",
    )


def test_the_climb_ends_where_no_exchange_helps(tmp_path: Path) -> None:
    references = [each or "a" for each in sentences(9, 5, 10)]
    lists = [
        [*sentences(20 + segment, 6, 10), (references[segment] + " d c")[4:]]
        for segment in range(5)
    ]
    write_list(tmp_path / "list", lists)
    found = oracles(tmp_path / "list", [references], 0)
    metric = BLEU(tokenize="none", smooth_method="none", force=True)

    def score(lines: list[str]) -> float:
        return float(metric.corpus_score(lines, [references]).score)

    words = [[" ".join(text.split()) for text in texts] for texts in lists]
    assert found.listed == [texts[0] for texts in words]
    sentence = BLEU(tokenize="none", effective_order=True)
    for text, texts, reference in zip(found.by_sentence, words, references, strict=True):
        scores = [sentence.sentence_score(each, [reference]).score for each in texts]
        assert sentence.sentence_score(text, [reference]).score == pytest.approx(max(scores))
    best = max(score(list(each)) for each in product(*words))
    assert score(found.listed) < score(found.by_sentence) <= score(found.climbed) <= best
    for index, texts in enumerate(words):
        for text in texts:
            other = [*found.climbed[:index], text, *found.climbed[index + 1 :]]
            assert score(other) <= score(found.climbed) + 1e-9


def test_an_oracle_has_a_line_for_each_reference(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("8 ||| a\n8 ||| b\n", "utf-8")
    found = oracles(tmp_path / "list", [["c", "b", "c"]], 7)
    assert (found.listed, found.climbed) == (["", "a", ""], ["", "b", ""])
    with pytest.raises(UserError, match=r"list:1: id 8 has no reference.* ids 0 to 2"):
        oracles(tmp_path / "list", [["c", "b", "c"]], 0)
