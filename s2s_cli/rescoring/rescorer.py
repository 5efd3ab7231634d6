"""Scores of the entries of an n-best list, from a model or as they stand in the list."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from s2s_cli.console import counted
from s2s_cli.errors import UserError
from s2s_cli.files import name_of
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.parallel import Workers, partition
from s2s_cli.rescoring.prefix_tree import MOST_HYPOTHESES, HypothesisList, score_group
from s2s_cli.text.features import feature_value
from s2s_cli.text.nbest import Entry, hypothesis_words, read_segments
from s2s_cli.text.vocabulary import UNK

# Entries of a segment that are in memory together: no list of one sentence is as long.
LONGEST_RUN = 4 * MOST_HYPOTHESES

# Index of its source and entries of a segment; with a score for each entry.
Segment = tuple[int, list[Entry]]
ScoredSegment = tuple[int, list[Entry], list[float]]
# A source and hypotheses for it, as text: a segment, or a part of one that is long.
Part = tuple[str, list[str]]
# Entries of a segment, the index of its source, and the order in which they are scored.
PendingSegment = tuple[int, list[Entry], list[int]]


@dataclass
class ListCounts:
    """Counts of hypotheses and words that were scored, and of the arithmetic that it took.

    Attributes:
        unknown, source_unknown: words that the model does not know.
    """

    hypotheses: int = 0
    words: int = 0
    unknown: int = 0
    source_words: int = 0
    source_unknown: int = 0
    flops: int = 0

    def add(self, other: "ListCounts") -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))


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
                f"{counted(len(self.sources), 'line')}, ids {self.first_id} to {last}; check "
                "--source and --first-id"
            )
        return index


class Rescorer:
    """A scorer of the segments of an n-best list, given their sources."""

    def __init__(self, workers: Workers[LoadedModel], sources: Sequence[str]) -> None:
        self.workers, self.sources = workers, sources
        self.counts = ListCounts()

    def scored(self, segments: Iterable[Segment]) -> Iterator[ScoredSegment]:
        """``segments`` with the log probability of each entry."""
        pending: deque[PendingSegment] = deque()
        found: list[float] = []
        pieces = worker_batches(self.parts(segments, pending), self.workers.count)
        for log_probs, counts in self.workers.in_order(score_parts, pieces):
            self.counts.add(counts)
            found += log_probs
            while pending and len(found) >= len(pending[0][1]):
                index, entries, order = pending.popleft()
                scores = dict(zip(order, found, strict=False))
                del found[: len(entries)]
                yield index, entries, [scores[place] for place in range(len(entries))]

    def parts(self, segments: Iterable[Segment], pending: deque[PendingSegment]) -> Iterator[Part]:
        """Cut ``segments`` into parts; each goes to ``pending`` before its first part comes."""
        for index, entries in segments:
            # In sorted order, hypotheses that share a prefix stay together when a list is cut.
            order = sorted(range(len(entries)), key=lambda place: entries[place].hypothesis)
            pending.append((index, entries, order))
            for start in range(0, len(order), MOST_HYPOTHESES):
                places = order[start : start + MOST_HYPOTHESES]
                yield self.sources[index], [entries[place].hypothesis for place in places]


def stored_scores(segments: Iterable[Segment], name: str, path: Path) -> Iterator[ScoredSegment]:
    """``segments`` with the score that the list itself has of each entry, as the feature ``name``.

    Raises:
        UserError: an entry has no such feature, or not one value of it.
    """
    for index, entries in segments:
        yield index, entries, [feature_value(entry, name, path) for entry in entries]


def worker_batches(parts: Iterable[Part], workers: int) -> Iterator[list[Part]]:
    """Put ``parts`` together for the workers: as much as fits into memory, shared evenly."""
    chunk: list[Part] = []
    size = 0
    for part in parts:
        chunk.append(part)
        size += len(part[1])
        if size >= workers * MOST_HYPOTHESES:
            yield from split_evenly(chunk, workers)
            chunk, size = [], 0
    yield from split_evenly(chunk, workers)


def split_evenly(chunk: list[Part], workers: int) -> Iterator[list[Part]]:
    return partition(chunk, [len(hypotheses) for _, hypotheses in chunk], workers)


def score_parts(model: LoadedModel, parts: list[Part]) -> tuple[list[float], ListCounts]:
    """Compute the log probability of each hypothesis, part by part; runs in a worker."""
    scorer, sentences = model.scorer, model.codec
    counts, flops = ListCounts(), scorer.flops
    group: list[HypothesisList] = []
    for source, hypotheses in parts:
        ids = [sentences.target_ids(hypothesis_words(text)) for text in hypotheses]
        counts.hypotheses += len(ids)
        counts.words += sum(map(len, ids))
        counts.unknown += sum(each.count(UNK) for each in ids)
        source_ids = sentences.source_ids(source)
        counts.source_words += len(source_ids)
        counts.source_unknown += source_ids.count(UNK)
        group.append((source_ids, ids))
    log_probs = [
        log_prob for scores in score_group(scorer, group, model.parts) for log_prob in scores
    ]
    counts.flops = scorer.flops - flops
    return log_probs, counts
