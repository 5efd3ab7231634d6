"""Corpus scores against a separate account of multi-bleu and against the sacrebleu command."""

import json
import math
import random
import re
import subprocess
import sys
from collections import Counter
from itertools import zip_longest
from pathlib import Path
from typing import get_args

import pytest

from s2s_cli.scoring.metrics import (
    LINE_METRICS,
    LIST_METRICS,
    MODEL_METRICS,
    TEXT_METRICS,
    Metric,
    Score,
    corpus_metric,
    corpus_score,
    score_texts,
)
from s2s_cli.scoring.texts import AS_GIVEN, Form, ScoringConfig, Texts, read_once, texts_of

Words = list[str]
Counts = Counter[tuple[str, ...]]


def tokenised_bleu(form: Form, bootstrap: int = 0) -> Score:
    return corpus_score("bleu-tokenised", form, bootstrap)


def detokenised_bleu(form: Form, bootstrap: int = 0) -> Score:
    return corpus_score("bleu-detokenised", form, bootstrap)


def chrf(form: Form) -> Score:
    return corpus_score("chrf", form)


def perl_words(line: str) -> Words:
    """Perl splits bytes: only ASCII white space ends a word."""
    return [word for word in re.split("[ \t\n\r\f\v]+", line) if word]


def ngrams(words: Words, n: int) -> Counts:
    return Counter(zip(*(words[start:] for start in range(n)), strict=False))


def multi_bleu(hypotheses: list[str], references: list[list[str]]) -> str:
    """The line that multi-bleu.perl prints, from the definition of BLEU (Papineni et al. 2002)."""
    matches, totals = [0] * 4, [0] * 4
    length = closest = 0
    for line, *others in zip_longest(hypotheses, *references):
        words, wanted = perl_words(line), [perl_words(other) for other in others]
        length += len(words)
        closest += min((abs(len(each) - len(words)), len(each)) for each in wanted)[1]
        for n in range(1, 5):
            most: Counts = Counter()
            for each in wanted:
                most |= ngrams(each, n)
            found = ngrams(words, n)
            matches[n - 1] += (found & most).total()
            totals[n - 1] += found.total()
    precisions = [m / t if t else 0.0 for m, t in zip(matches, totals, strict=True)]
    brevity = 1.0 if length >= closest else math.exp(1 - closest / length) if length else 0.0
    bleu = brevity * math.prod(precisions) ** 0.25
    parts = "/".join(f"{100 * each:.1f}" for each in precisions)
    return (
        f"BLEU = {100 * bleu:.2f}, {parts} (BP={brevity:.3f}, ratio={length / closest:.3f}, "
        f"hyp_len={length}, ref_len={closest})"
    )


def bleu_of(line: str) -> float:
    return float(line.split(" ")[2].rstrip(","))


def printed(form: Form) -> float:
    return round(tokenised_bleu(form).value, 2)


def lines_of(path: Path) -> list[str]:
    return path.read_bytes().decode().removesuffix("\n").split("\n")


# What multi-bleu.perl (mosesdecoder, scripts/generic) printed for `multi-bleu.perl REF < HYP`.
PERL = [
    ("smt/val.1best.fr", "smt/val.tok.fr",
     "BLEU = 57.15, 80.1/63.4/51.9/42.6 (BP=0.987, ratio=0.988, hyp_len=14201, ref_len=14380)"),
    ("smt/test_2016_flickr.1best.fr", "smt/test_2016_flickr.tok.fr",
     "BLEU = 57.79, 80.2/63.9/52.4/43.5 (BP=0.989, ratio=0.989, hyp_len=13831, ref_len=13988)"),
    ("noise/europarl-v7.head.en", "noise/europarl-v7.head.fr",
     "BLEU = 0.17, 3.7/0.2/0.1/0.0 (BP=0.968, ratio=0.968, hyp_len=40784, ref_len=42114)"),
    ("noise/news-commentary-v8.head.en", "noise/news-commentary-v8.head.fr",
     "BLEU = 0.41, 4.2/0.6/0.2/0.1 (BP=0.864, ratio=0.873, hyp_len=56590, ref_len=64850)"),
    ("wmt_news/newstest2013.en", "wmt_news/newstest2013.fr",
     "BLEU = 0.73, 6.1/1.1/0.4/0.2 (BP=0.907, ratio=0.911, hyp_len=56088, ref_len=61551)"),
]  # fmt: skip


def read_texts(config: ScoringConfig, references: list[Path]) -> Texts:
    return texts_of(config, references, read_once([*references, config.hypothesis]))


@pytest.mark.parametrize(("hypothesis", "reference", "perl"), PERL)
def test_tokenised_bleu_is_what_the_perl_script_printed(
    real_data: Path, hypothesis: str, reference: str, perl: str
) -> None:
    hypotheses, lines = lines_of(real_data / hypothesis), lines_of(real_data / reference)
    assert multi_bleu(hypotheses, [lines]) == perl
    config = ScoringConfig(hypothesis=real_data / hypothesis, tokenised=True)
    assert printed(read_texts(config, [real_data / reference]).words) == bleu_of(perl)


def test_tokenised_bleu_of_three_references_is_what_the_perl_script_printed(
    real_data: Path,
) -> None:
    names = ["multi30k/val.fr", "smt/val.tok.fr", "multi30k/test_2016_flickr.fr"]
    references = [lines_of(real_data / name)[:1000] for name in names]
    hypotheses = lines_of(real_data / "smt/val.1best.fr")[:1000]
    perl = "BLEU = 58.32, 81.5/63.8/52.0/42.8 (BP=1.000, ratio=1.026, hyp_len=14019, ref_len=13663)"
    assert multi_bleu(hypotheses, references) == perl
    assert printed(Form(hypotheses, references, AS_GIVEN)) == 58.32


@pytest.mark.parametrize("seed", range(30))
def test_tokenised_bleu_of_scrambled_text(seed: int) -> None:
    rng = random.Random(seed)
    vocabulary = ["a", "A", "b\u00a0c", "b", "c", "\u2028", "d\x85", "é", "1"]

    def text(count: int) -> list[str]:
        blanks = rng.choice([" ", "  ", "\t"])
        return [blanks.join(rng.choices(vocabulary, k=rng.randint(0, 12))) for _ in range(count)]

    references = [text(20) for _ in range(rng.randint(1, 4))]
    hypotheses = [rng.choice([a, b]) for a, b in zip(references[0], text(20), strict=True)]
    form = Form(hypotheses, references, AS_GIVEN)
    assert printed(form) == bleu_of(multi_bleu(hypotheses, references))


def test_a_word_may_hold_spaces_that_are_not_ascii() -> None:
    same = Form(["a\u00a0b c d e f"], [["a b c d e f"]], AS_GIVEN)
    assert tokenised_bleu(same).value < 100
    assert tokenised_bleu(
        Form(same.hypotheses, [same.hypotheses], AS_GIVEN)
    ).value == pytest.approx(100)


@pytest.mark.parametrize(
    "hypotheses", [["", "", ""], ["x", "y", "z"], ["a", "", "c d"]], ids=["empty", "none", "short"]
)
def test_no_match_is_zero(hypotheses: list[str]) -> None:
    form = Form(hypotheses, [["a b c d e", "", "f g h i"]], AS_GIVEN)
    assert tokenised_bleu(form).value == 0.0
    assert tokenised_bleu(form, bootstrap=100).low == 0.0
    assert detokenised_bleu(Form(["", "", ""], form.references, AS_GIVEN)).value == 0.0
    assert chrf(Form(["", "", ""], form.references, AS_GIVEN)).value == 0.0


def test_blank_lines_on_both_sides_change_nothing() -> None:
    form = Form(["a b c d", "e f g h i"], [["a b c d x", "e f g h"]], AS_GIVEN)
    blank = Form(["", *form.hypotheses, ""], [["", *form.references[0], ""]], AS_GIVEN)
    for metric in (tokenised_bleu, detokenised_bleu):
        assert metric(form).value == metric(blank).value


def test_every_metric_is_one_of_text_of_a_model_or_of_a_list() -> None:
    assert get_args(Metric) == (*TEXT_METRICS, *MODEL_METRICS, *LIST_METRICS, *LINE_METRICS)
    assert len({corpus_metric(metric).name for metric in TEXT_METRICS}) == len(TEXT_METRICS)


@pytest.mark.parametrize("tokenised", [False, True])
def test_a_metric_compares_the_form_that_its_name_says(tokenised: bool) -> None:
    given = Form(["le chat , noir , dort ici ."], [["le chat , noir , dort là ."]], AS_GIVEN)
    texts = Texts(given, tokenised, "fr")
    for metric in TEXT_METRICS:
        score, words = score_texts(metric, texts), "(tokenised)" in corpus_metric(metric).name
        assert score == corpus_score(metric, texts.words if words else texts.running)
        assert ("words:" in score.signature) == words
        assert ("detok:" in score.signature) == (tokenised and not words)


def sacrebleu(metric: str, *arguments: str | Path) -> dict[str, float | str]:
    run = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *map(str, arguments), "-m", metric, "-w", "9"],
        capture_output=True,
        check=True,
    )
    value: dict[str, float | str] = json.loads(run.stdout)
    return value


def test_running_text_is_scored_as_the_sacrebleu_command_does(real_data: Path) -> None:
    reference = real_data / "multi30k/test_2016_flickr.fr"
    hypothesis = real_data / "smt/test_2016_flickr.1best.fr"
    other = real_data / "smt/test_2016_flickr.tok.fr"
    texts = read_texts(ScoringConfig(hypothesis=hypothesis), [reference, other])
    for name, score in (("bleu", detokenised_bleu(texts.running)), ("chrf", chrf(texts.running))):
        command = sacrebleu(name, reference, other, "-i", hypothesis)
        assert score.value == pytest.approx(command["score"], abs=1e-8)
        assert score.signature == command["signature"]


def test_the_interval_is_the_one_of_the_sacrebleu_command(real_data: Path) -> None:
    reference = real_data / "multi30k/test_2016_flickr.fr"
    hypothesis = real_data / "smt/test_2016_flickr.1best.fr"
    texts = read_texts(ScoringConfig(hypothesis=hypothesis), [reference])
    score = detokenised_bleu(texts.running, bootstrap=200)
    command = sacrebleu(
        "bleu", reference, "-i", hypothesis, "--confidence", "--confidence-n", "200"
    )
    mean, half = float(command["confidence_mean"]), float(command["confidence_var"])
    assert (score.low, score.high) == pytest.approx((mean - half, mean + half), abs=1e-4)
    assert score.signature == command["signature"]
    assert "bs:200" in score.signature
    assert "seed:" in score.signature


def test_tokenised_text_is_detokenised_before_running_text_is_scored() -> None:
    given = Form(["Le chat , noir , dort .", ""], [["Le chat, noir, dort.", ""]], AS_GIVEN)
    texts = Texts(given, tokenised=True, language="fr")
    assert texts.words is given
    assert texts.running.hypotheses == ["Le chat, noir, dort.", ""]
    assert detokenised_bleu(texts.running).value == pytest.approx(100)
    assert "detok:s2s-moses-2-fr" in detokenised_bleu(texts.running).signature
    assert tokenised_bleu(texts.words).signature.endswith("words:as-given")


def test_running_text_is_tokenised_before_its_words_are_scored() -> None:
    given = Form(["Le chat, noir, dort.", ""], [["Le chat noir dort, là.", ""]], AS_GIVEN)
    texts = Texts(given, tokenised=False, language="fr")
    assert texts.running is given
    assert texts.words.hypotheses == ["Le chat , noir , dort .", ""]
    assert texts.words.references == [["Le chat noir dort , là .", ""]]
    assert "words:s2s-moses-2-fr" in tokenised_bleu(texts.words).signature
