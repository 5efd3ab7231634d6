r"""Reading and writing files: lines are split on ``\n`` alone, writers replace a file whole."""

import gzip
import json
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from s2s_cli import __version__
from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.console import CONTROLS, say
from s2s_cli.destinations import named_errors
from s2s_cli.errors import UserError

STDIO = Path("-")
BOM = b"\xef\xbb\xbf"
# Bytes of a line that is read into memory; a small compressed file may hold a line of any length.
MAX_LINE_BYTES = 1 << 24
BLOCK_BYTES = 1 << 20
MOST_BYTES = 1 << 24  # of a file that a person writes
# Printed where a command waits for a person and would seem to hang.
TYPE_LINES = "reading the terminal: type or paste lines, Ctrl-D ends; or add `< FILE`"


def existing(path: Path) -> Path:
    """Return ``path``, or ``path`` with ``.gz`` added where only that exists.

    Raises:
        UserError: neither exists, or it is a directory.
    """
    if path == STDIO:
        return path
    for candidate in (path, Path(f"{path}.gz")):  # also of "/", which has no name
        if candidate.is_dir():
            raise UserError(f"{candidate}: is a directory, expected a file")
        if candidate.exists():
            return candidate
    nor = "" if path.suffix == ".gz" else f" (nor {path.name}.gz)"
    raise UserError(f"{path}: no such file{nor}")


def name_of(path: Path) -> str:
    """Name a file that is read, in text: bytes of its name that are no UTF-8 are written out."""
    return "stdin" if path == STDIO else as_text(path)


def is_utf8(text: str) -> bool:
    """Check that ``text`` is no file name, or option, with bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(path: Path) -> str:
    """Write a path as one line of text that is UTF-8, whatever bytes its name has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace").translate(CONTROLS)


def regular(path: Path) -> None:
    """Refuse pipes and devices in a stranger's directory: they may block, or never end.

    Raises:
        UserError: not a plain file, nor a link to one.
    """
    if not path.is_file():
        what = "is not a plain file" if path.exists() else "no such file"
        raise UserError(f"{path}: {what}")


def refuse_pipe(path: Path) -> None:
    """Refuse a pipe or device where a file is read more than once: the second time it is empty.

    Raises:
        UserError: it is one; ``path`` is missing, or a directory.
    """
    found = existing(path)
    if not found.is_file():
        raise UserError(
            f"{found}: is a pipe or a device, and is read more than once; write it to a file first"
        )


def read_bounded(path: Path) -> bytes:
    """Read a file that people write: no more than `MOST_BYTES`, whatever comes.

    Raises:
        UserError: there is more.
    """
    with path.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise UserError(f"{path}: has more than {MOST_BYTES:,} bytes, which is no such file")
    return content


def is_typed(path: Path) -> bool:
    """Check for stdin at a terminal, where a person has to type."""
    return path == STDIO and sys.stdin.isatty()


@contextmanager
def reading(path: Path, prompt: str = TYPE_LINES) -> Iterator[BinaryIO]:
    """Open ``path`` (``-``: stdin; ``.gz``: decompressed) for reading bytes.

    The ``prompt`` is printed on stderr if a person has to type.
    """
    if is_typed(path):
        say(prompt)
    if path == STDIO:
        # Not sys.stdin.buffer: a thread may still wait in it when the program ends, and Python
        # would wait for its lock and abort.
        with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
            yield stream
        return
    found = existing(path)
    if found.suffix == ".gz" and found.is_file() and not found.stat().st_size:
        raise UserError(f"{found}: damaged or truncated gzip file (it is empty)")
    try:
        with gzip.open(found, "rb") if found.suffix == ".gz" else found.open("rb") as stream:
            yield cast(BinaryIO, stream)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{found}: damaged or truncated gzip file ({error})") from None


def read_lines(
    path: Path, *, cut_at: int | None = None, whole: bool = False, prompt: str = TYPE_LINES
) -> Iterator[str]:
    r"""Read the lines of ``path``, without their ends, one at a time.

    Lines end at ``\n`` alone: no-break spaces, U+2028, form feeds and lone ``\r`` stay inside.
    One ``\r`` before the ``\n`` and a byte-order mark at the start of the file are dropped; a file
    of nothing but the mark has no line.

    Args:
        path: the file.
        cut_at: of a line with more bytes than this, give the beginning instead of refusing lines
            beyond `MAX_LINE_BYTES`.
        whole: drop nothing, so that the lines together are the file.
        prompt: see `reading`.

    Raises:
        UserError: missing, unreadable or damaged file; invalid UTF-8 or an endless line (names file
            and line).
    """
    with reading(path, prompt) as stream:
        for number, raw in enumerate(bounded_lines(stream, path, cut_at), 1):
            if number == 1 and raw == BOM and not whole:
                return
            line = decode_line(raw, path, number)
            yield with_edges(line, raw, number) if whole else line


def count_lines(path: Path) -> int | None:
    """Count the lines that are still to be read; None if that cannot be known beforehand.

    Nothing is taken from stdin, which may be a file.
    """
    try:
        if path == STDIO:
            return count_line_ends(stdin_left())
        if not existing(path).is_file():
            return None
        with reading(path) as stream:
            return count_line_ends(iter(partial(stream.read, BLOCK_BYTES), b""))
    except (UserError, OSError, ValueError):  # whoever reads it says what is wrong
        return None


def stdin_left() -> Iterator[bytes]:
    """Blocks of what stdin has left, which stays there.

    Raises:
        OSError: it is no file.
    """
    number = sys.stdin.fileno()
    if not stat.S_ISREG(os.fstat(number).st_mode):
        raise OSError("stdin is no file")
    return file_blocks(number, os.lseek(number, 0, os.SEEK_CUR))


def file_blocks(number: int, start: int) -> Iterator[bytes]:
    """Blocks of the open file ``number`` from the byte ``start`` on; its position stays."""
    while block := os.pread(number, BLOCK_BYTES, start):
        yield block
        start += len(block)


def count_line_ends(blocks: Iterable[bytes]) -> int:
    """Count the lines of a text in blocks; the last one may lack its end."""
    count, last = 0, b"\n"
    for block in blocks:
        count += block.count(b"\n")
        last = block[-1:]
    return count + (last != b"\n")


def bounded_lines(stream: BinaryIO, path: Path, cut_at: int | None = None) -> Iterator[bytes]:
    """The lines of ``stream`` as bytes, with their ends; see `read_lines`."""
    longest = MAX_LINE_BYTES if cut_at is None else cut_at
    for number, raw in enumerate(iter(partial(stream.readline, longest + 1), b""), 1):
        if len(raw) <= longest or raw.endswith(b"\n"):
            yield raw
        elif cut_at is None:
            raise endless_line(path, number)
        else:
            pass_over_line(stream)
            yield whole_characters(raw)


def endless_line(path: Path, number: int) -> UserError:
    """Make the error for a line beyond `MAX_LINE_BYTES`."""
    return UserError(
        f"{name_of(path)}:{number}: a line of more than {MAX_LINE_BYTES:,} bytes is no sentence; "
        "remove it, or put line breaks into the text"
    )


def pass_over_line(stream: BinaryIO) -> None:
    """Read to the end of the line and discard it."""
    while (part := stream.readline(1 << 20)) and not part.endswith(b"\n"):
        pass


def whole_characters(raw: bytes) -> bytes:
    """Drop the last character of ``raw``, of which bytes may be missing."""
    end = len(raw) - 1
    while end > len(raw) - 4 and raw[end] & 0xC0 == 0x80:  # a byte that goes on a character
        end -= 1
    return raw[:end]


def decode_line(raw: bytes, path: Path, number: int) -> str:
    """One line of bytes as text (see `read_lines`); ``number`` counts from 1."""
    if number == 1:
        raw = raw.removeprefix(BOM)
    try:
        return raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name_of(path)}:{number}: invalid UTF-8 at byte {error.start + 1} of the line; "
            "convert the file to UTF-8 first"
        ) from None


def with_edges(line: str, raw: bytes, number: int) -> str:
    """Put back what `decode_line` dropped from ``raw``."""
    mark = BOM if number == 1 and raw.startswith(BOM) else b""
    end = raw[len(raw.removesuffix(b"\n").removesuffix(b"\r")) :]
    return mark.decode() + line + end.decode()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that the user named (``-``: stdout), as `AtomicFiles.open_named` does."""
    if path == STDIO:
        with named_errors("stdout"):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
    else:
        with AtomicFiles() as files:
            yield files.open_named(path)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    with AtomicFiles() as files:
        files.write_json(path, value)


def read_json(path: Path) -> dict[str, Any]:
    """Read the JSON object in ``path``.

    Raises:
        UserError: missing file, or not a JSON object.
    """
    regular(path)
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object")
    return value


def check_format(found: object, newest: int, path: Path, remedy: str, oldest: int = 1) -> int:
    """Check the format of a file, from ``oldest`` to ``newest``; others are refused.

    Raises:
        UserError: names the version of s2s that reads it, or the ``remedy``.
    """
    if type(found) is int and oldest <= found <= newest:
        return found
    *older, last = map(str, range(oldest, newest + 1))
    known = f"{', '.join(older)} or {last}" if older else last
    problem = f"{path}: format {found!r:.40} is not the format {known} that s2s {__version__} reads"
    if type(found) is int and found > newest:
        remedy = "it is newer: use the version of s2s that wrote it, or a later one"
    raise UserError(f"{problem}; {remedy}")
