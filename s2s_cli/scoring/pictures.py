"""A figure as a file: the picture by its suffix, and its data as a table beside it."""

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.console import warn
from s2s_cli.errors import UsageError, UserError
from s2s_cli.installation import install_extra
from s2s_cli.scoring.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[], "Figure"]
DATA = ".tsv"
PICTURES = (".svg", ".png", ".pdf")
NO_GLYPH = re.compile(r"Glyph (\d+) .*missing from")
# Nothing of the day, the machine or the version: the same data give the same bytes.
METADATA = {
    ".svg": {"Date": None, "Creator": None},
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
# matplotlib brings the first font. It draws all that this one has, and measures texts by it, so the
# same data give the same bytes on all machines. The second is as wide, for programs that show an
# SVG without the first one. The others have what the first one lacks, where they are installed.
FONTS = [
    "DejaVu Sans", "Verdana", "Noto Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC",
    "Noto Sans JP", "Noto Sans KR", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei",
    "Droid Sans Fallback", "IPAGothic", "PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo",
    "Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Arial Unicode MS", "Noto Sans Arabic",
    "Noto Sans Hebrew", "Noto Sans Devanagari", "Noto Sans Thai", "FreeSans", "Segoe UI",
]  # fmt: skip
SVG_FONTS = (
    "'DejaVu Sans', Verdana, sans-serif"  # a program that shows text finds the others itself
)
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "s2s",
    "svg.fonttype": "none",  # text is text: it can be searched, copied and read aloud
    "pdf.fonttype": 42,  # TrueType: likewise, and publishers take it
    "text.hinting": "none",
    "text.parse_math": False,
    "savefig.dpi": 200,
    "figure.dpi": 72,
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.labelcolor": "#222222",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.8,
    "xtick.color": "#666666",
    "ytick.color": "#666666",
    "xtick.labelcolor": "#222222",
    "ytick.labelcolor": "#222222",
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.frameon": False,
}


def check_output(output: Path) -> None:
    """Refuse what cannot be written, before anything is computed.

    Raises:
        UserError: a suffix that is none of ours (exit code 2); a picture, without matplotlib.
    """
    suffix = output.suffix.lower()
    if suffix not in (*PICTURES, DATA):
        raise UsageError(
            f"--output {output}: the name must end in {', '.join(PICTURES)} (a picture with its "
            f"data beside it) or {DATA} (the data alone)"
        )
    if suffix != DATA:
        require_matplotlib()


def require_matplotlib() -> None:
    # It tells of caches that it builds, and stderr is ours.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise UserError(
            f"a picture needs matplotlib: {install_extra('plot')}; "
            f"an --output that ends in {DATA} works without it"
        ) from None


def write_figure(output: Path, table: Table, draw: Draw) -> list[Path]:
    """Write the picture that ``draw`` makes, and ``table`` beside it; the files written.

    The picture is made before either is written, and both get their names together.
    """
    data = output.with_suffix(DATA)
    if output.suffix.lower() == DATA:
        data, picture = output, None
    else:
        picture = rendered(output.suffix.lower(), draw)
    with AtomicFiles() as files:
        if picture is None:
            files.open_named(output).write(table.tsv())
        else:  # the user named the picture: only that may be a link
            files.open(data).write(table.tsv())
            files.open_named(output).write(picture)
    return [data] if picture is None else [output, data]


def rendered(suffix: str, draw: Draw) -> bytes:
    """The bytes of a picture, which no settings of the user's matplotlib change."""
    buffer = io.BytesIO()
    with house_style(), one_word_of_glyphs(suffix):
        draw().savefig(
            buffer,
            format=suffix.removeprefix("."),
            metadata=METADATA[suffix],
            bbox_inches="tight",
            pad_inches=0.08,
        )
    picture = buffer.getvalue()
    return with_short_font_lists(picture) if suffix == ".svg" else picture


def with_short_font_lists(svg: bytes) -> bytes:
    """Name a few fonts with each text of ``svg``, not all of those that were looked for."""
    # Not what looks like a list in a text: a text has no "<".
    list_of_fonts = rb"(<text style=\"[^\"]*?font(?:-family)?: [^';\"]*)'[^;\"]*"
    return re.sub(list_of_fonts, rb"\1" + SVG_FONTS.encode(), svg)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in our style, whatever the user's settings of matplotlib are."""
    import matplotlib
    from matplotlib.font_manager import fontManager

    installed = {each.name for each in fontManager.ttflist}
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        matplotlib.rcParams["font.family"] = [each for each in FONTS if each in installed]
        yield


@contextmanager
def one_word_of_glyphs(suffix: str) -> Iterator[None]:
    """Warn once of what all fonts lack; matplotlib warns of each character, with a line of code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    lacking = []
    for each in caught:
        if found := NO_GLYPH.match(str(each.message)):
            lacking.append(chr(int(found[1])))
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    if lacking:
        what = f"no font here has {lacking[0]!r}" + ", or others of the characters" * (
            len(set(lacking)) > 1
        )
        if suffix == ".svg":
            warn(f"{what}: the room for such labels is a guess, and they may overlap")
        else:
            warn(f"{what}: boxes are drawn; install one (Noto Sans has all scripts), or write .svg")
