"""Scores of the entries of an n-best list, from a model or as the list has kept them."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from s2s_cli.errors import UserError
from s2s_cli.files import name_of
from s2s_cli.inference.replicas import Replicas
from s2s_cli.parallel import Workers
from s2s_cli.partition import shares
from s2s_cli.rescoring.prefix_tree import MOST_HYPOTHESES, List, score_group
from s2s_cli.text.features import feature_value
from s2s_cli.text.nbest import Entry, hypothesis_words, read_segments
from s2s_cli.text.vocabulary import UNK

# Entries of a segment that are in memory together: no list of one sentence is as long.
LONGEST_RUN = 4 * MOST_HYPOTHESES

# Index of its source and entries of a segment; with a score for each entry.
Segment = tuple[int, list[Entry]]
Scored = tuple[int, list[Entry], list[float]]
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


@dataclass(frozen=True)
class SourcedList:
    """An n-best list and the text that was translated: id ``first_id`` is ``sources[0]``."""

    path: Path
    sources: Sequence[str]
    first_id: int = 0

    def segments(self) -> Iterator[Segment]:
        """Index of its source and entries, segment by segment, and `LONGEST_RUN` at most together.

        Raises:
            UserError: the list is malformed, or has an id for which there is no source.
        """
        for segment, entries in read_segments(self.path, LONGEST_RUN):
            yield self.source_index(segment, entries[0]), entries

    def source_index(self, segment: int, entry: Entry) -> int:
        index = segment - self.first_id
        if not 0 <= index < len(self.sources):
            last = self.first_id + len(self.sources) - 1
            raise UserError(
                f"{name_of(self.path)}:{entry.number}: id {segment} has no source: the source has "
                f"{len(self.sources)} lines, ids {self.first_id} to {last}; check --source "
                "and --first-id"
            )
        return index


class Rescorer:
    """Scores the segments of an n-best list against their sources."""

    def __init__(self, replicas: Replicas, workers: Workers, sources: Sequence[str]) -> None:
        self.replicas, self.workers, self.sources = replicas, workers, sources
        self.seen = Seen()

    def scored(self, segments: Iterable[Segment]) -> Iterator[Scored]:
        """``segments`` with the log probability of each entry."""
        waiting: deque[Waiting] = deque()
        found: list[float] = []
        pieces = gathered(self.parts(segments, waiting), self.workers.count)
        for log_probs, seen in self.workers.in_order(partial(score_parts, self.replicas), pieces):
            self.seen.add(seen)
            found += log_probs
            while waiting and len(found) >= len(waiting[0][1]):
                index, entries, order = waiting.popleft()
                scores = dict(zip(order, found, strict=False))
                del found[: len(entries)]
                yield index, entries, [scores[place] for place in range(len(entries))]

    def parts(self, segments: Iterable[Segment], waiting: deque[Waiting]) -> Iterator[Part]:
        """What is to be scored; each segment goes to ``waiting`` before its first part comes."""
        for index, entries in segments:
            # In sorted order, hypotheses that share a prefix stay together when a list is cut.
            order = sorted(range(len(entries)), key=lambda place: entries[place].hypothesis)
            waiting.append((index, entries, order))
            for start in range(0, len(order), MOST_HYPOTHESES):
                places = order[start : start + MOST_HYPOTHESES]
                yield self.sources[index], [entries[place].hypothesis for place in places]


def kept_scores(segments: Iterable[Segment], name: str, path: Path) -> Iterator[Scored]:
    """``segments`` with the score that the list itself has of each entry, as the feature ``name``.

    Raises:
        UserError: an entry has no such feature, or not one value of it.
    """
    for index, entries in segments:
        yield index, entries, [feature_value(entry, name, path) for entry in entries]


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
