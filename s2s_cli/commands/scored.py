"""The list of ``s2s rescore``: scored by models, or with the scores that it has already."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from s2s_cli.console import say
from s2s_cli.files import name_of, read_lines
from s2s_cli.rescoring.config import RescoringConfig

if TYPE_CHECKING:
    from s2s_cli.commands.list_text import ListText
    from s2s_cli.inference.replicas import Replicas
    from s2s_cli.rescoring.rescorer import ListCounts, ScoredSegment


@dataclass
class ListSize:
    """Segments and hypotheses of a list, as far as it was read."""

    segments: int = 0
    hypotheses: int = 0

    def counted(self, segments: "Iterable[ScoredSegment]") -> "Iterator[ScoredSegment]":
        """Count ``segments`` as they pass; one may come in several runs."""
        last = None
        for each in segments:
            self.segments += each[0] != last
            self.hypotheses += len(each[1])
            last = each[0]
            yield each


@dataclass(frozen=True)
class ScoredList:
    """A list whose entries get their scores as they are read.

    Attributes:
        path: of the list.
        name: of the feature that holds the score, in the list or to be.
        first_id: of the list.
        sources: the lines that were translated.
        segments: index of the source, entries and scores; can be iterated once.
        text: the rules of its text.
        size: of what was read so far.
        counts: of what the models have scored so far.
        kept: the list has the scores already, and no model was loaded.
    """

    path: Path
    name: str
    first_id: int
    sources: list[str]
    segments: "Iterator[ScoredSegment]"
    text: "ListText"
    size: ListSize
    counts: "ListCounts"
    kept: bool

    def lines(self, winners: Sequence[list[str]], detokenise: bool) -> list[str]:
        """Write the words of each of ``winners`` as a line."""
        lines = [" ".join(words) for words in winners]
        if not detokenise or not any(lines):
            return lines
        text = self.text.rules(lines)
        return [text.running(words) for words in winners]


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
    lists: Mapping[str, Path], config: RescoringConfig, replicas: "Replicas"
) -> Iterator[ScoredList]:
    """Open the list, with its own scores if it has the feature for them, or with the models'.

    Several ``lists`` are one, the union of them all with features by their labels.
    """
    from s2s_cli.commands.list_text import ListText, has_pieces
    from s2s_cli.rescoring.rescorer import ListCounts, Rescorer, SourcedList, stored_scores
    from s2s_cli.rescoring.union import UnionList
    from s2s_cli.text.features import has_feature

    name, first_id, sources = config.feature_name, config.first_id, list(read_lines(config.source))
    opened: SourcedList | UnionList
    if len(lists) == 1:
        opened = SourcedList(next(iter(lists.values())), sources, first_id)
    else:
        opened = UnionList(lists, sources, first_id, name)
    nbest, segments = opened.path, opened.segments()
    first = list(islice(segments, 1))
    segments = chain(first, segments)
    facts = (nbest, name, first_id, sources)
    text = ListText(nbest, replicas.models, config.language, replicas.tokenised)
    entries, size = first[0][1] if first else [], ListSize()
    if not entries or has_feature(entries[0], name):
        text.kept, text.pieces = True, has_pieces([each.hypothesis for each in entries])
        where = name_of(nbest)
        if entries:
            say(f"{where}: has the feature {name} already; no model is loaded, nothing is computed")
        kept = size.counted(stored_scores(segments, name, nbest))
        yield ScoredList(*facts, kept, text, size, ListCounts(), kept=True)
        return
    with replicas.workers() as workers:
        rescorer = Rescorer(workers, sources)
        scored = size.counted(rescorer.scored(segments))
        yield ScoredList(*facts, scored, text, size, rescorer.counts, kept=False)
