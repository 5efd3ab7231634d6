"""The union of the n-best lists of several systems, with the features of each under its label.

A hypothesis is one entry, whichever lists have it: ``0 ||| le chat ||| a= 1 a.total= -3 a.LM0= -2
b= 0``. The feature of a list's own label is 1 where the list has the hypothesis, and 0 elsewhere;
its other features count 0 there. Totals of different systems do not compare, so the union has none.
"""

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, count, groupby, islice, takewhile
from operator import itemgetter
from pathlib import Path

from s2s_cli.console import counted, say, warn
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import name_of
from s2s_cli.rescoring.rescorer import LONGEST_RUN, Segment, SourcedList
from s2s_cli.text.features import (
    TOTAL,
    UNLABELLED,
    entry_features,
    feature_texts,
    feature_tokens,
    feature_value,
    has_feature,
    split_label,
)
from s2s_cli.text.nbest import BAR, TOTAL_FIELD, Entry

# Kept scores of one hypothesis in two lists differ by their rounding at most.
SAME_SCORE = 1e-4

# Entries of a hypothesis, by the label of their list.
Members = dict[str, Entry]


def label_lists(paths: Sequence[Path], labels: Sequence[str], name: str) -> dict[str, Path]:
    """Give each list its label: of ``labels``, or without any its file name up to the first dot.

    A single list needs none, whatever it is called.

    Raises:
        UsageError: labels that are the same, that no feature may have, or are ``name``.
    """
    if len(paths) == 1:
        return {"": paths[0]}
    if labels and len(labels) != len(paths):
        raise UsageError(f"{len(labels)} of --list-name for {len(paths)} lists; give one for each")
    labels = labels or [name_of(path).rpartition("/")[2].partition(".")[0] for path in paths]
    for label, path in zip(labels, paths, strict=True):
        bad = not label.isprintable() or not label or set(label) & set(" |=:.")
        if bad or label in (name, TOTAL, UNLABELLED):
            raise UsageError(
                f"{name_of(path)}: its features cannot be labelled {label!r}; name the lists "
                "in their order with --list-name"
            )
        if labels.count(label) > 1:
            raise UsageError(
                f"{name_of(path)}: another list is labelled {label}, too; name the lists "
                "in their order with --list-name"
            )
    return dict(zip(labels, paths, strict=True))


def path_of_lists(paths: Sequence[Path]) -> Path:
    """Name one or several lists in messages and in facts."""
    return paths[0] if len(paths) == 1 else Path(" + ".join(map(name_of, paths)))


class UnionList:
    """Several n-best lists of one source, read together in the order of their ids.

    Attributes:
        path: names all lists in messages.
        kept: each list has the feature `name`, which is the same in all of them.
    """

    def __init__(
        self, lists: Mapping[str, Path], sources: Sequence[str], first_id: int, name: str
    ) -> None:
        """Open ``lists``, each by its label; ``name`` is that of the model's score."""
        self.lists, self.name = lists, name
        self.path = path_of_lists(list(lists.values()))
        self.disagreeing = 0
        self._streams, having = [], {}
        for label, path in lists.items():
            segments = SourcedList(path, sources, first_id).segments()
            first = list(islice(segments, 1))
            self._streams.append(self._labelled(label, chain(first, segments)))
            if first:
                having[path] = has_feature(first[0][1][0], name)
        self.kept = bool(having) and all(having.values())
        if any(having.values()) and not self.kept:
            lacking = ", ".join(name_of(path) for path, has in having.items() if not has)
            say(f"{lacking}: without the feature {name}, so the model scores all lists")

    def segments(self) -> Iterator[Segment]:
        """Yield the union of each segment, `LONGEST_RUN` entries at most together.

        Raises:
            UserError: a list is malformed, or not in the order of its ids.
        """
        numbers = count(1)
        merged = heapq.merge(*self._streams, key=itemgetter(0))
        for index, parts in groupby(merged, key=itemgetter(0)):
            hypotheses: dict[str, Members] = {}
            for _, label, entry in parts:
                members = hypotheses.setdefault(" ".join(entry.words), {})
                if label not in members or rank(entry) > rank(members[label]):
                    members[label] = entry
            made = (self._entry(members, next(numbers)) for members in hypotheses.values())
            while run := list(islice(made, LONGEST_RUN)):
                yield index, run
        if self.disagreeing:
            warn(
                f"{self.path}: the lists disagree on {self.name} of "
                f"{counted(self.disagreeing, 'hypothesis', 'hypotheses')}; "
                "the first list that has one counts"
            )

    def _labelled(
        self, label: str, segments: Iterator[Segment]
    ) -> Iterator[tuple[int, str, Entry]]:
        """Yield each entry of a list with the index of its source.

        Raises:
            UserError: ids fall.
        """
        last = -1
        for index, entries in segments:
            if index < last:
                raise UserError(
                    f"{name_of(self.lists[label])}:{entries[0].number}: id {entries[0].segment} "
                    "comes after a higher one; several lists are read together, so sort each by id"
                )
            last = index
            for entry in entries:
                yield index, label, entry

    def _entry(self, members: Members, number: int) -> Entry:
        """Make one entry of those that the lists have of a hypothesis."""
        first = next(iter(members.values()))
        fields = []
        for label, path in self.lists.items():
            entry = members.get(label)
            fields.append(f"{label}= {int(entry is not None)}")
            if entry:
                fields += self._features(label, path, entry)
        if self.kept:
            fields.append(f"{self.name}= {self._kept_score(members)!r}")
        line = f" {BAR} ".join([str(first.segment), first.hypothesis, " ".join(fields)])
        return Entry(line, number, first.segment, first.hypothesis, None)

    def _features(self, label: str, path: Path, entry: Entry) -> list[str]:
        """List the total and the features of ``entry`` under the label of its list.

        Raises:
            UserError: a value that is no finite number, or a feature called as the total is.
        """
        where = f"{name_of(path)}:{entry.number}"
        try:
            features = entry_features(entry)
        except ValueError as error:
            raise UserError(f"{where}: a feature that is {error}") from None
        if TOTAL in features:
            raise UserError(f"{where}: a feature is labelled {TOTAL!r}; give it another label")
        fields, tokens = [], feature_tokens(entry)
        if entry.total is not None:
            total = entry.line.split(BAR)[TOTAL_FIELD].strip(" ")
            fields.append(f"{label}.{TOTAL}= {total}")
        for name in features:
            if not (self.kept and name == self.name):
                values = unlabelled(tokens) if name == UNLABELLED else feature_texts(tokens, name)
                fields.append(" ".join([f"{label}.{name}=", *values]))
        return fields

    def _kept_score(self, members: Members) -> float:
        scores = [feature_value(each, self.name, self.lists[at]) for at, each in members.items()]
        self.disagreeing += not all(
            math.isclose(scores[0], score, rel_tol=SAME_SCORE) for score in scores
        )
        return scores[0]


def unlabelled(tokens: Sequence[str]) -> Iterator[str]:
    """Yield the values before the first label."""
    return takewhile(lambda token: not split_label(token)[0], tokens)


def rank(entry: Entry) -> float:
    """Rank the entries of one hypothesis in a list: the highest total counts, else the first."""
    return -math.inf if entry.total is None else entry.total
