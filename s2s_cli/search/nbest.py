"""Rescoring an n-best list: pick each segment's winner, or add the model's score to the list."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from s2s_cli.console import warn
from s2s_cli.errors import UserError
from s2s_cli.parallel import Workers
from s2s_cli.search.pieces import shares
from s2s_cli.search.replicas import Replicas
from s2s_cli.search.rescoring import MOST_HYPOTHESES, List, score_group
from s2s_cli.text.nbest import Entry, hypothesis_words, read_segments
from s2s_cli.text.vocabulary import UNK

# Above this share of words unknown to the model, the list was probably tokenised otherwise.
UNKNOWN_SHARE = 0.1

# A source and hypotheses for it, as text: a segment, or a part of one that is long.
Part = tuple[str, list[str]]
# Entries of a segment, the index of its source, and the order in which they are scored.
Waiting = tuple[int, list[Entry], list[int]]


@dataclass
class Seen:
    """What a list, or a piece of it, turned out to hold, and the arithmetic that it took."""

    hypotheses: int = 0
    words: int = 0
    unknown: int = 0
    flops: int = 0

    def add(self, other: "Seen") -> None:
        self.hypotheses += other.hypotheses
        self.words += other.words
        self.unknown += other.unknown
        self.flops += other.flops


class Rescorer:
    """Scores the segments of an n-best list against their sources."""

    def __init__(
        self, replicas: Replicas, workers: Workers, sources: Sequence[str], first_id: int = 0
    ) -> None:
        """Segment ``first_id`` of a list belongs to ``sources[0]``, the next id to the next."""
        self.replicas, self.workers = replicas, workers
        self.sources, self.first_id = sources, first_id
        self.seen = Seen()

    def segments(self, path: Path) -> Iterator[tuple[int, list[Entry], list[float]]]:
        """Index of its source, entries, and log probability of each, segment by segment.

        Raises:
            UserError: the list is malformed, or has an id for which there is no source.
        """
        waiting: deque[Waiting] = deque()
        found: list[float] = []
        pieces = gathered(self.parts(path, waiting), self.workers.count)
        for log_probs, seen in self.workers.in_order(partial(score_parts, self.replicas), pieces):
            self.seen.add(seen)
            found += log_probs
            while waiting and len(found) >= len(waiting[0][1]):
                index, entries, order = waiting.popleft()
                scores = dict(zip(order, found, strict=False))
                del found[: len(entries)]
                yield index, entries, [scores[place] for place in range(len(entries))]

    def parts(self, path: Path, waiting: deque[Waiting]) -> Iterator[Part]:
        """What is to be scored; each segment goes to ``waiting`` before its first part comes."""
        for segment, entries in read_segments(path):
            index = self.source_index(segment, entries[0], path)
            # In sorted order, hypotheses that share a prefix stay together when a list is cut.
            order = sorted(range(len(entries)), key=lambda place: entries[place].hypothesis)
            waiting.append((index, entries, order))
            for start in range(0, len(order), MOST_HYPOTHESES):
                places = order[start : start + MOST_HYPOTHESES]
                yield self.sources[index], [entries[place].hypothesis for place in places]

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


def gathered(parts: Iterable[Part], workers: int) -> Iterator[list[Part]]:
    """``parts`` in pieces for the workers: as much as fits into memory, shared evenly."""
    chunk: list[Part] = []
    size = 0
    for part in parts:
        chunk.append(part)
        size += len(part[1])
        if size >= workers * MOST_HYPOTHESES:
            yield from shared(chunk, workers)
            chunk, size = [], 0
    yield from shared(chunk, workers)


def shared(chunk: list[Part], workers: int) -> Iterator[list[Part]]:
    return shares(chunk, [len(hypotheses) for _, hypotheses in chunk], workers)


def score_parts(replicas: Replicas, parts: list[Part]) -> tuple[list[float], Seen]:
    """Log probability of each hypothesis, part by part, by the replica of this process."""
    scorer, sentences = replicas.here()
    seen, flops = Seen(), scorer.flops
    group: list[List] = []
    for source, hypotheses in parts:
        ids = [sentences.target_ids(hypothesis_words(text)) for text in hypotheses]
        seen.hypotheses += len(ids)
        seen.words += sum(map(len, ids))
        seen.unknown += sum(each.count(UNK) for each in ids)
        group.append((sentences.source_ids(source), ids))
    log_probs = [log_prob for scores in score_group(scorer, group) for log_prob in scores]
    seen.flops = scorer.flops - flops
    return log_probs, seen


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
