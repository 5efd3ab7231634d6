"""Features of an n-best list: named values, the same names in every entry."""

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
    # A no-break space may be part of a label.
    return field.split() if field.isascii() else [each.decode() for each in field.encode().split()]


def split_label(token: str) -> tuple[str, str]:
    """Split ``d=``, ``d:``, ``d=1`` or ``1`` into label and value; either may be empty."""
    if len(token) > 1 and token.endswith((":", "=")):
        return token[:-1], ""
    label, sign, value = token.partition("=")
    return (label, value) if sign else ("", token)


def parse_finite(text: str) -> float:
    value = parse_number(text)
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {shorten(text)}")
    return value


class FeatureReader:
    """Reads the features of every entry of a list as a row of values, in one order.

    A row begins with the total where the list has totals, as a feature named `TOTAL`.

    Attributes:
        layout: names and numbers of values; that of the first entry, which all others share.
    """

    def __init__(self, path: Path, first: Entry) -> None:
        self.name = name_of(path)
        self.first = first
        self.layout = self._layout_of(first)
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

    def row(self, entry: Entry) -> list[float]:
        """Read the total, where there is one, and all values.

        Raises:
            UserError: no number, or not the features of the first entry.
        """
        if self._quick and (entry.total is None) == (self.first.total is None):
            tokens = feature_tokens(entry)
            if len(tokens) == self._length and self._labels_of(tokens) == self._labels:
                texts = self._values_of(tokens)
                try:
                    values = list(map(float, texts)) if is_plain("".join(texts)) else [math.nan]
                except ValueError:
                    values = [math.nan]
                if math.isfinite(sum(values)):
                    return values if entry.total is None else [entry.total, *values]
        layout = self._layout_of(entry)
        if layout != self.layout:
            raise UserError(
                f"{self.name}:{entry.number}: features {describe_layout(layout)}, but "
                f"{describe_layout(self.layout)} in line {self.first.number}"
            )
        features = entry_features(entry)
        totals = [] if entry.total is None else [entry.total]
        return totals + [value for name in self._names for value in features[name]]

    @property
    def _names(self) -> list[str]:
        return [name for name in self.layout if name != TOTAL]

    def _layout_of(self, entry: Entry) -> FeatureLayout:
        features = self._features(entry)
        if TOTAL in features:
            raise UserError(
                f"{self.name}:{entry.number}: a feature is labelled {TOTAL!r}, which is what the "
                "list's total is called here; give it another label"
            )
        sizes = {name: len(values) for name, values in features.items()}
        return sizes if entry.total is None else {TOTAL: 1, **sizes}

    def _features(self, entry: Entry) -> dict[str, list[float]]:
        try:
            return entry_features(entry)
        except ValueError as error:
            raise UserError(f"{self.name}:{entry.number}: a feature that is {error}") from None


def describe_layout(layout: FeatureLayout) -> str:
    """Format a layout for messages: ``LM0 (1), TM0 (4)``."""
    return ", ".join(f"{name} ({size})" for name, size in layout.items()) or "none"


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
