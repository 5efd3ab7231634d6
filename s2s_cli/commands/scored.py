"""The list of ``s2s rescore``: scored by models, or with the scores that it has already."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from s2s_cli.console import say
from s2s_cli.files import name_of, read_lines

if TYPE_CHECKING:
    from s2s_cli.inference.codec import TextCodec
    from s2s_cli.inference.replicas import Replicas
    from s2s_cli.rescoring.rescorer import ListCounts, ScoredSegment


@dataclass(frozen=True)
class ScoredList:
    """A list whose entries get their scores as they are read.

    Attributes:
        path: of the list.
        name: of the feature that holds the score, in the list or to be.
        first_id: of the list.
        sources: the lines that were translated.
        segments: index of the source, entries and scores; can be iterated once.
        replicas: the models, which are loaded where the list has no scores.
        codec: how the models read and write text; None while it is not known.
        counts: of what the models have scored so far.
        kept: the list has the scores already.
    """

    path: Path
    name: str
    first_id: int
    sources: list[str]
    segments: "Iterator[ScoredSegment]"
    replicas: "Replicas"
    codec: "TextCodec | None"
    counts: "ListCounts"
    kept: bool

    def joined(self, words: list[str], detokenise: bool) -> str:
        """Write the words of a hypothesis as a line."""
        if not detokenise:
            return " ".join(words)
        codec = self.codec or self.replicas.codec
        return codec.detokenised(codec.joined(words))


def with_progress(
    segments: "Iterable[ScoredSegment]", advance: Callable[[int], None]
) -> "Iterator[ScoredSegment]":
    """Advance a progress bar by one for each segment, also where it comes in several runs."""
    last = None
    for each in segments:
        if each[0] != last:
            advance(1)
        last = each[0]
        yield each


@contextmanager
def scored_list(
    nbest: Path, source: Path, name: str, first_id: int, replicas: "Replicas"
) -> Iterator[ScoredList]:
    """Open the list, with its own scores if it has the feature ``name``, or with the models'."""
    from s2s_cli.rescoring.rescorer import ListCounts, Rescorer, SourcedList, stored_scores
    from s2s_cli.text.features import has_feature

    sources = list(read_lines(source))
    segments = SourcedList(nbest, sources, first_id).segments()
    first = list(islice(segments, 1))
    segments = chain(first, segments)
    facts = (nbest, name, first_id, sources)
    if first and has_feature(first[0][1][0], name):
        where = name_of(nbest)
        say(f"{where}: has the feature {name} already; no model is loaded, nothing is computed")
        kept = stored_scores(segments, name, nbest)
        yield ScoredList(*facts, kept, replicas, None, ListCounts(), kept=True)
        return
    with replicas.workers() as workers:
        codec = workers.local().codec if workers.count == 1 else None
        rescorer = Rescorer(workers, sources)
        scored = rescorer.scored(segments)
        yield ScoredList(*facts, scored, replicas, codec, rescorer.counts, kept=False)
