"""Rescoring an n-best list: pick each segment's winner, or add the model's score to the list."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from s2s_cli.console import warn
from s2s_cli.errors import UserError
from s2s_cli.search.rescoring import List, score_lists
from s2s_cli.search.scorer import Scorer
from s2s_cli.search.sentences import Sentences
from s2s_cli.text.nbest import Entry, read_segments
from s2s_cli.text.vocabulary import UNK

# Above this share of words unknown to the model, the list was probably tokenised otherwise.
UNKNOWN_SHARE = 0.1


@dataclass
class Seen:
    """What a list turned out to hold."""

    hypotheses: int = 0
    words: int = 0
    unknown: int = 0


class Rescorer:
    """Scores the segments of an n-best list against their sources."""

    def __init__(
        self, scorer: Scorer, sentences: Sentences, sources: Sequence[str], first_id: int = 0
    ) -> None:
        """Segment ``first_id`` of a list belongs to ``sources[0]``, the next id to the next."""
        self.scorer, self.sentences = scorer, sentences
        self.sources, self.first_id = sources, first_id
        self.seen = Seen()

    def segments(self, path: Path) -> Iterator[tuple[int, list[Entry], list[float]]]:
        """Index of its source, entries, and log probability of each, segment by segment.

        Raises:
            UserError: the list is malformed, or has an id for which there is no source.
        """
        pending: list[tuple[int, list[Entry]]] = []

        def lists() -> Iterator[List]:
            for segment, entries in read_segments(path):
                index = self.source_index(segment, entries[0], path)
                pending.append((index, entries))
                yield self.ids(index, entries)

        for scores in score_lists(self.scorer, lists()):
            index, entries = pending.pop(0)
            yield index, entries, scores

    def source_index(self, segment: int, entry: Entry, path: Path) -> int:
        index = segment - self.first_id
        if not 0 <= index < len(self.sources):
            last = self.first_id + len(self.sources) - 1
            raise UserError(
                f"{path}:{entry.number}: id {segment} has no source: the source has "
                f"{len(self.sources)} lines, ids {self.first_id} to {last}; check --source "
                "and --first-id"
            )
        return index

    def ids(self, index: int, entries: Sequence[Entry]) -> List:
        hypotheses = [self.sentences.target_ids(entry.words) for entry in entries]
        self.seen.hypotheses += len(hypotheses)
        self.seen.words += sum(map(len, hypotheses))
        self.seen.unknown += sum(hypothesis.count(UNK) for hypothesis in hypotheses)
        return self.sentences.source_ids(self.sources[index]), hypotheses


def winners(
    segments: Iterable[tuple[int, list[Entry], list[float]]],
    sources: int,
    weight: float,
    path: Path,
) -> list[Entry | None]:
    """The best entry for each source; None where the list has no segment for it.

    Entries are ranked by (1 - weight) · total + weight · log probability; with the paper's weight
    of 0.5 by the even average (§3.2). Where the list has no totals, by the log probability. Of
    equal ones the first in the list wins.

    Raises:
        UserError: some entries have a total and some have none.
    """
    best: list[Entry | None] = [None] * sources
    has_totals: bool | None = None
    for index, entries, log_probs in segments:
        for entry in entries:
            if has_totals is None:
                has_totals = entry.total is not None
            if (entry.total is not None) != has_totals:
                raise UserError(f"{path}:{entry.number}: some hypotheses have a total, some none")
        combined = [
            log_prob if entry.total is None else (1 - weight) * entry.total + weight * log_prob
            for entry, log_prob in zip(entries, log_probs, strict=True)
        ]
        best[index] = entries[max(range(len(entries)), key=combined.__getitem__)]
    if has_totals is False:
        warn(f"{path}: the list has no totals; winners are chosen by the model alone")
    return best


def warn_about(path: Path, seen: Seen, missing: Sequence[int]) -> None:
    """Say what may not be as the user expects."""
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (", ..." if len(missing) > 10 else "")
        warn(f"{path}: no hypotheses for {len(missing)} of the sources (ids {shown}): blank lines")
    if seen.unknown > UNKNOWN_SHARE * seen.words:
        warn(
            f"{path}: {seen.unknown / seen.words:.0%} of its words are unknown to the model; "
            "is the list tokenised as the model's training text was?"
        )
