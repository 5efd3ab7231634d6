"""The oracle of an n-best list: how good the best choice among its hypotheses would be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import add, sub
from pathlib import Path
from typing import assert_never

from s2s_cli.console import counted
from s2s_cli.errors import UserError
from s2s_cli.files import name_of
from s2s_cli.scoring.metrics import ListMetric, Score, corpus_score
from s2s_cli.scoring.statistics import References, Statistics, corpus_bleu
from s2s_cli.scoring.texts import Form
from s2s_cli.text.nbest import Entry, read_segments

# A text for each distinct set of statistics that a segment's hypotheses have.
Choices = dict[Statistics, str]


@dataclass(frozen=True)
class Oracles:
    """Three choices from a list, a line for each segment; blank where the list has nothing.

    Attributes:
        listed: highest total, or the first where the list has no totals.
        by_sentence: highest smoothed sentence BLEU.
        climbed: after exchanging single hypotheses, from ``by_sentence``, while corpus BLEU rises.
    """

    listed: list[str]
    by_sentence: list[str]
    climbed: list[str]

    def chosen(self, metric: ListMetric) -> tuple[str, list[str]]:
        """A name for the choice that ``metric`` scores, and its lines."""
        match metric:
            case "list-best":
                return "best by the list", self.listed
            case "oracle-sentence":
                return "oracle by smoothed sentence BLEU", self.by_sentence
            case "oracle-corpus":
                return "oracle by a greedy climb in corpus BLEU", self.climbed
            case _:
                assert_never(metric)


def list_score(metric: ListMetric, found: Oracles, words: Form, bootstrap: int = 0) -> Score:
    """Tokenised BLEU of a choice from a list, against the references of ``words``."""
    name, lines = found.chosen(metric)
    score = corpus_score("bleu-tokenised", replace(words, hypotheses=lines), bootstrap)
    return replace(score, name=f"{score.name}, {name}")


def oracles(path: Path, references: Sequence[Sequence[str]], first_id: int) -> Oracles:
    """The oracles of the list at ``path``.

    Args:
        path: a Moses n-best list.
        references: lines of words for each reference; segment ``first_id`` has the first ones.
        first_id: of the list.

    Raises:
        UserError: the list is malformed or has a segment without reference.
    """
    segments = [References(lines) for lines in zip(*references, strict=True)]
    listed = [""] * len(segments)
    choices: list[Choices] = [{each.statistics(""): ""} for each in segments]
    for segment, entries in read_segments(path):
        index = segment - first_id
        if not 0 <= index < len(segments):
            raise UserError(
                f"{name_of(path)}:{entries[0].number}: id {segment} has no reference: the text has "
                f"{counted(len(segments), 'line')}, ids {first_id} to {first_id + len(listed) - 1}"
            )
        listed[index] = " ".join(best_listed(entries).words)
        choices[index] = {}
        for entry in entries:
            text = " ".join(entry.words)
            choices[index].setdefault(segments[index].statistics(text), text)
    chosen = [max(each, key=sentence_bleu) for each in choices]
    by_sentence = [each[best] for each, best in zip(choices, chosen, strict=True)]
    climbed = greedy_exchange(choices, chosen)
    return Oracles(
        listed, by_sentence, [each[best] for each, best in zip(choices, climbed, strict=True)]
    )


def best_listed(entries: Sequence[Entry]) -> Entry:
    """The entry of the highest total; of equal ones, or without totals, the first."""
    lowest = float("-inf")
    return max(entries, key=lambda entry: lowest if entry.total is None else entry.total)


def sentence_bleu(statistics: Statistics) -> float:
    """BLEU of one sentence, as sacreBLEU's ``sentence_bleu`` computes it.

    Smoothing is exponential, and no order is longer than the text.
    """
    from sacrebleu.metrics.bleu import BLEU

    size, reference, *counts = statistics
    matches, totals = counts[: len(counts) // 2], counts[len(counts) // 2 :]
    return BLEU.compute_bleu(
        matches, totals, size, reference, smooth_method="exp", effective_order=True
    ).score


def greedy_exchange(choices: Sequence[Choices], start: Sequence[Statistics]) -> list[Statistics]:
    """Climb from ``start`` to a choice from which no exchange in one segment raises corpus BLEU.

    Segments are gone through in their order, again and again, and each takes what is best beside
    the present choice of all others.
    """
    chosen = list(start)
    total = [sum(column) for column in zip(*chosen, strict=True)]
    best = corpus_bleu(total)
    while True:
        before = best
        for index, candidates in enumerate(choices):
            others = list(map(sub, total, chosen[index]))
            for candidate in candidates:
                summed = list(map(add, others, candidate))
                value = corpus_bleu(summed)
                if value > best:
                    best, chosen[index], total = value, candidate, summed
        if best == before:
            return chosen
