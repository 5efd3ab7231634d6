"""Features of an n-best list: named values; those that an entry does not have are 0."""

import math
from collections.abc import Iterator, Sequence
from itertools import takewhile
from operator import itemgetter
from pathlib import Path

from s2s_cli.errors import UserError
from s2s_cli.files import name_of
from s2s_cli.text.nbest import BAR, FEATURES_FIELD, Entry, is_plain, parse_number, shorten

# What the list's total is called beside the features, and values before the first label.
TOTAL = "total"
UNLABELLED = "unlabelled"

# How many values each feature has, by name, in the order of a row.
FeatureLayout = dict[str, int]


def entry_features(entry: Entry) -> dict[str, list[float]]:
    """Parse the values of each feature; a label that comes again goes on with its values.

    Raises:
        ValueError: something that is no finite number.
    """
    features: dict[str, list[float]] = {}
    values: list[float] = []
    for token in feature_tokens(entry):
        label, value = split_label(token)
        if label:
            values = features.setdefault(label, [])
        elif not features:
            values = features.setdefault(UNLABELLED, values)
        if value:
            values.append(parse_finite(value))
    return features


def feature_tokens(entry: Entry) -> list[str]:
    fields = entry.line.split(BAR, FEATURES_FIELD + 1)
    if len(fields) <= FEATURES_FIELD:
        return []
    field = fields[FEATURES_FIELD]
    # A no-break space may be part of a label, and so may control characters that `str.split` takes
    # for white space.
    if field.isascii() and field.isprintable():
        return field.split()
    return [each.decode() for each in field.encode().split()]


def split_label(token: str) -> tuple[str, str]:
    """Split ``d=``, ``d:``, ``d=1`` or ``1`` into label and value; either may be empty.

    A label may have such signs of its own, as that of a feature for the word ``=``.
    """
    if len(token) > 1 and token.endswith((":", "=")):
        return token[:-1], ""
    label, sign, value = token.rpartition("=")
    return (label, value) if sign else ("", token)


def parse_finite(text: str) -> float:
    value = parse_number(text)
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {shorten(text)}")
    return value


class FeatureReader:
    """Reads the features of every entry of a list as a row of values, in one order.

    A row begins with the total where the list has totals, as a feature named `TOTAL`. A feature
    that an entry does not have counts 0 there, as sparse features do in Moses. One that comes up
    late in a list goes to the end of the rows, so that earlier rows are shorter.

    Attributes:
        layout: names and numbers of values, of the entries so far.
        lacking: features that not all entries have, with the line of the first one without.
    """

    def __init__(self, path: Path, first: Entry, score: str | None = None) -> None:
        """Take the names of the features of ``first``, and ``score`` for a value given to `row`."""
        self.name, self.score = name_of(path), score
        self.first, self.has_totals = first, first.total is not None
        self.lacking: dict[str, int] = {}
        found = self._values_by_name(first)
        self.layout = {name: len(values) for name, values in found.items()}
        self._seen = dict.fromkeys(self.layout, first.number)
        if score is not None:
            self.layout[score] = 1
        # In nearly all lists labels stand apart and in the same places: no need to look for them.
        tokens = feature_tokens(first)
        labels = [place for place, token in enumerate(tokens) if split_label(token)[0]]
        values = [place for place, token in enumerate(tokens) if not split_label(token)[0]]
        names = [split_label(token)[0] for token in tokens if split_label(token)[0]]
        in_order = len(set(names)) == len(names) and all(tokens[at][-1] in "=:" for at in labels)
        self._quick = in_order and len(labels) > 1 and len(values) > 1
        if self._quick:
            self._length = len(tokens)
            self._labels_of, self._values_of = itemgetter(*labels), itemgetter(*values)
            self._labels = self._labels_of(tokens)

    def row(self, entry: Entry, score: float | None = None) -> list[float]:
        """Read the total, where there is one, and all values; then the ``score``.

        Raises:
            UserError: no number, a total here and none in the first entry or the other way round,
                or another number of values than elsewhere.
        """
        if self._quick and (entry.total is not None) == self.has_totals:
            tokens = feature_tokens(entry)
            if len(tokens) == self._length and self._labels_of(tokens) == self._labels:
                texts = self._values_of(tokens)
                try:
                    values = list(map(float, texts)) if is_plain("".join(texts)) else [math.nan]
                except ValueError:
                    values = [math.nan]
                if math.isfinite(sum(values)):
                    totals = [] if entry.total is None else [entry.total]
                    return totals + values + ([] if score is None else [score])
        return self._row_by_name(entry, score)

    def _row_by_name(self, entry: Entry, score: float | None) -> list[float]:
        found = self._values_by_name(entry)
        for name, values in found.items():
            self._check_size(name, len(values), entry)
        if self.score is not None and score is not None:
            found[self.score] = [score]
        row: list[float] = []
        for name, size in self.layout.items():
            if name in found:
                row += found[name]
            else:
                self.lacking.setdefault(name, entry.number)
                row += [0.0] * size
        return row

    def _check_size(self, name: str, size: int, entry: Entry) -> None:
        """Add a feature to `layout`, or compare it with that.

        Raises:
            UserError: it has another number of values.
        """
        if name not in self.layout:
            self.layout[name], self._seen[name] = size, entry.number
            self.lacking[name] = self.first.number
        if self.layout[name] != size:
            raise UserError(
                f"{self.name}:{entry.number}: {describe_layout({name: size})} among the features, "
                f"but {describe_layout({name: self.layout[name]})} in line {self._seen[name]}"
            )

    def _values_by_name(self, entry: Entry) -> dict[str, list[float]]:
        """Parse the total and the features of ``entry``.

        Raises:
            UserError: as `row`; a label that another feature has.
        """
        where = f"{self.name}:{entry.number}"
        try:
            features = entry_features(entry)
        except ValueError as error:
            raise UserError(f"{where}: a feature that is {error}") from None
        for name, whose in ((TOTAL, "the list's total"), (self.score, "the model's score")):
            if name in features:
                raise UserError(
                    f"{where}: a feature is labelled {name!r}, which is what {whose} is called "
                    "here; give it another label"
                )
        if (entry.total is not None) != self.has_totals:
            have = "no total, but there is one" if self.has_totals else "a total, but there is none"
            raise UserError(f"{where}: {have} in line {self.first.number}")
        return features if entry.total is None else {TOTAL: [entry.total], **features}


def describe_names(names: Sequence[str], most: int = 10) -> str:
    """Name some features in a message: the first of them, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def describe_layout(layout: FeatureLayout) -> str:
    """Format a layout for messages: ``LM0 (1), TM0 (4)``."""
    return ", ".join(f"{name} ({size})" for name, size in layout.items()) or "none"


def describe_value(layout: FeatureLayout, index: int) -> str:
    """Name one value of a row in a message: ``LM0``, or ``TM0 (value 3)`` where it has several."""
    rest = index
    for name, size in layout.items():
        if rest < size:
            return name if size == 1 else f"{name} (value {rest + 1})"
        rest -= size
    raise IndexError(index)


def feature_value(entry: Entry, name: str, path: Path) -> float:
    """Read the one value of the feature ``name``.

    Raises:
        UserError: ``entry`` has no such feature, or not one finite value of it.
    """
    where = f"{name_of(path)}:{entry.number}"
    try:
        values = [parse_finite(value) for value in feature_texts(feature_tokens(entry), name)]
    except ValueError as error:
        raise UserError(f"{where}: a feature that is {error}") from None
    if len(values) != 1:
        raise UserError(
            f"{where}: {len(values)} values of the feature {name}, expected 1 as in the entries "
            "before; name another one with --feature-name to have it computed"
        )
    return values[0]


def feature_texts(tokens: Sequence[str], name: str) -> Iterator[str]:
    """Yield the values of the feature ``name`` as they are written; others are not parsed."""
    for place, token in enumerate(tokens):
        if not token.startswith(name) or split_label(token)[0] != name:
            continue
        inside = takewhile(lambda each: not split_label(each)[0], tokens[place + 1 :])
        yield from filter(None, [split_label(token)[1], *inside])


def has_feature(entry: Entry, name: str) -> bool:
    """Return whether ``entry`` has a feature called ``name``, whatever its values are."""
    return any(split_label(token)[0] == name for token in feature_tokens(entry))
