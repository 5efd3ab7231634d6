"""N-best lists in the layouts of Moses and decoders like it.

A line is ``segment ||| hypothesis ||| features ||| total ||| ...``. Fields from the third on may
be missing or empty; what follows the total (alignments) is carried along unread.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from s2s_cli.errors import UserError
from s2s_cli.files import BOM, name_of, read_lines

BAR = "|||"
FILE_MARK = BOM.decode()
# A word that holds a bar would end its field; Moses writes each of its strokes as an entity. Where
# a word has three such entities of its own, their ampersands become entities, too: all words read
# back as they were.
STROKE = re.compile(r"\||&(?:amp;)*#124;")
STROKES = re.compile(rf"(?:{STROKE.pattern}){{3,}}")
ESCAPED_BARS = re.compile(r"(?:&(?:amp;)*#124;){3,}")
FEATURES_FIELD = 2
TOTAL_FIELD = 3
MOSES_ENDING = "= "  # of a label
LONGEST_ID = 18  # digits; more is no segment of any file


@dataclass(frozen=True, slots=True)
class Entry:
    """One hypothesis of a list.

    Attributes:
        line: the whole line as it was read, without its end.
        number: where it stands in the file, from 1.
        segment: id of the source sentence.
        hypothesis: text of the second field, without the blanks around it.
        total: the fourth field, or None where the list has none.
        before: a byte-order mark and blank lines at the start of the file.
        end: the end of the line, and blank lines after it.
    """

    line: str
    number: int
    segment: int
    hypothesis: str
    total: float | None
    before: str = ""
    end: str = "\n"

    @property
    def words(self) -> list[str]:
        """Words of the hypothesis; an escaped bar (see `format_entry`) is a bar again."""
        return hypothesis_words(self.hypothesis)

    def with_feature(self, name: str, values: Sequence[float], ending: str = "") -> str:
        """Add a feature after the last one of the line; every other byte stays as it was.

        Args:
            name: of the feature.
            values: of the feature.
            ending: of labels in the list (`label_ending`): ``name= 1``, ``name: 1`` or ``name=1``;
                "" for that of this line.

        Raises:
            ValueError: a value is not finite.
        """
        fields = self.line.split(BAR)
        if len(fields) <= FEATURES_FIELD:
            blank = "" if self.line.endswith(" ") else " "
            return f"{self.line}{blank}{BAR} {format_feature(name, values, ending or MOSES_ENDING)}"
        field = fields[FEATURES_FIELD]
        ending = ending or label_ending([self]) or MOSES_ENDING
        added = format_feature(name, values, ending)
        fields[FEATURES_FIELD] = append_feature(
            field, added, last=len(fields) == FEATURES_FIELD + 1
        )
        return BAR.join(fields)


def hypothesis_words(text: str) -> list[str]:
    """Split the second field into words; see `Entry.words`."""
    if "#124;" in text:
        text = ESCAPED_BARS.sub(lambda run: STROKE.sub(unescape_stroke, run[0]), text)
    return [word for word in text.split(" ") if word]


def unescape_stroke(stroke: re.Match[str]) -> str:
    """Undo `escape_stroke`."""
    return "|" if stroke[0] == "&#124;" else stroke[0].replace("&amp;", "&", 1)


def escape_bars(text: str) -> str:
    """Escape the bars of ``text``, so that it is one field; `hypothesis_words` undoes it."""
    if BAR not in text and "#124;" not in text:
        return text
    return STROKES.sub(escape_run, text)


def escape_run(run: re.Match[str]) -> str:
    if BAR in run[0] or ESCAPED_BARS.search(run[0]):
        return STROKE.sub(escape_stroke, run[0])
    return run[0]


def escape_stroke(stroke: re.Match[str]) -> str:
    """Write a stroke as an entity, and the ampersand of such an entity as one more."""
    return "&#124;" if stroke[0] == "|" else stroke[0].replace("&", "&amp;", 1)


def parse_entry(line: str, path: Path, number: int, before: str = "", end: str = "\n") -> Entry:
    """Read one line of a list; ``path`` and ``number`` say where it stands.

    What stands ``before`` it, and its ``end``, are kept for writing it again.

    Raises:
        UserError: no bar, an id that is not a whole number from 0, a total that is not a number.
    """
    try:
        return to_entry(line, number, before, end)
    except ValueError as error:
        raise UserError(f"{name_of(path)}:{number}: {error}") from None


def to_entry(line: str, number: int, before: str, end: str) -> Entry:
    """Read a line like `parse_entry`.

    Raises:
        ValueError: what is wrong, without the place: to name it for each line takes time.
    """
    fields = [field.strip(" ") for field in line.split(BAR)]
    if len(fields) == 1:
        raise ValueError(f"no {BAR} in the line; expected `id {BAR} hypothesis {BAR} ...`")
    segment = parse_segment(fields[0])
    total = fields[TOTAL_FIELD] if len(fields) > TOTAL_FIELD else ""
    return Entry(
        line, number, segment, fields[1], parse_total(total) if total else None, before, end
    )


def parse_segment(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > LONGEST_ID:
        raise ValueError(f"the id must be a whole number from 0, not {shorten(text)}")
    return int(text)


def parse_total(text: str) -> float:
    total = parse_number(text)
    if not math.isfinite(total):
        raise ValueError(f"the total must be a finite number, not {shorten(text)}")
    return total


def parse_number(text: str) -> float:
    """Parse a number; NaN where ``text`` is none."""
    try:
        return float(text) if is_plain(text) else math.nan
    except ValueError:
        return math.nan


def is_plain(text: str) -> bool:
    """Return whether `float` may be asked: it would take 1_000 and digits of other scripts."""
    return text.isascii() and "_" not in text


def shorten(text: str, longest: int = 40) -> str:
    return repr(text if len(text) <= longest else text[:longest] + "...")


def read_nbest(path: Path) -> Iterator[Entry]:
    """Yield the entries of a list (``-``: stdin); empty lines are skipped.

    Raises:
        UserError: as `parse_entry` and `s2s_cli.files.read_lines`.
    """
    for line, number, before, end in read_nonblank(path):
        yield parse_entry(line, path, number, before, end)


def read_nonblank(path: Path) -> Iterator[tuple[str, int, str, str]]:
    """Yield each line that is not blank, its number, and what stands before and after it."""
    before, line, number, end = "", "", 0, ""
    for place, whole in enumerate(read_lines(path, whole=True), 1):
        mark = whole[: place == 1 and whole.startswith(FILE_MARK)]
        text = whole[len(mark) :].removesuffix("\n").removesuffix("\r")
        if text:
            if line:
                yield line, number, before, end
                before = ""
            before, line, number, end = before + mark, text, place, whole[len(mark + text) :]
        elif line:
            end += whole
        else:
            before += whole
    if line:
        yield line, number, before, end


def read_segments(path: Path, most: int | None = None) -> Iterator[tuple[int, list[Entry]]]:
    """Yield each segment's id and entries, in the order of the list; ids may have gaps.

    Args:
        path: of the list.
        most: entries that come together; a longer segment comes in several runs, each with its id.

    Raises:
        UserError: as `read_nbest`; an id comes back after another one began.
    """
    begun: set[int] = set()
    segment = -1
    entries: list[Entry] = []
    for entry in read_nbest(path):
        if entries and (entry.segment != segment or len(entries) == most):
            yield segment, entries
            entries = []
        if entry.segment != segment and entry.segment in begun:
            raise UserError(
                f"{name_of(path)}:{entry.number}: id {entry.segment} comes back after other ids; "
                "sort the list by id"
            )
        segment = entry.segment
        begun.add(segment)
        entries.append(entry)
    if entries:
        yield segment, entries


def format_entry(
    segment: int,
    hypothesis: str,
    features: Sequence[tuple[str, Sequence[float]]],
    total: float,
    alignment: Sequence[tuple[int, int]] | None = None,
) -> str:
    """Format a line in the new layout of Moses: ``0 ||| le chat ||| S2S0= -1.2 ||| -1.2``.

    With an ``alignment`` it has one more field: ``0-0 1-2``, places of source and target words.
    A bar within the hypothesis is written as ``&#124;&#124;&#124;``; `Entry.words` undoes that.

    Raises:
        ValueError: a value or the total is not finite.
    """
    labelled = " ".join(format_feature(name, values, "= ") for name, values in features)
    fields = [str(segment), escape_bars(hypothesis), labelled, format_number(total)]
    if alignment is not None:
        fields.append(" ".join(f"{source}-{target}" for source, target in alignment))
    return f" {BAR} ".join(fields)


def format_feature(name: str, values: Sequence[float], ending: str) -> str:
    return name + ending + " ".join(format_number(value) for value in values)


def format_number(value: float) -> str:
    """Write seven significant digits: within 1e-6 of ``value``, as long as Moses writes."""
    if not math.isfinite(value):
        raise ValueError(f"a score must be finite, not {value}")
    return f"{value:.7g}"


def label_ending(entries: Iterable[Entry]) -> str:
    """Find the separator of a label and its first value in ``entries``; "" without a label."""
    fields = (entry.line.split(BAR, FEATURES_FIELD + 1) for entry in entries)
    found = (label_end(each[FEATURES_FIELD]) for each in fields if len(each) > FEATURES_FIELD)
    return next(filter(None, found), "")


def label_end(field: str) -> str:
    """Find the same in a field of features."""
    for token in reversed(field.split(" ")):
        if token.endswith(("=", ":")) and len(token) > 1:
            return token[-1] + " "
        label, sign, _ = token.rpartition("=")
        if label and sign:
            return sign
    return ""


def append_feature(field: str, added: str, last: bool) -> str:
    """Add ``added`` after the last token of ``field``; the blanks at its end keep their place."""
    body = field.rstrip(" ")
    blanks = field[len(body) :]
    if body:
        return f"{body} {added}{blanks}"
    # The blanks of an empty field come to stand around the feature.
    return f" {added}{blanks[1:] if last else blanks[1:] or ' '}"
