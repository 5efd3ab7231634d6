r"""Reading and writing files: lines are split on ``\n`` alone, writers replace a file whole."""

import errno
import gzip
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from s2s_cli.errors import UserError

STDIO = Path("-")
BOM = b"\xef\xbb\xbf"


def existing(path: Path) -> Path:
    """``path``, or ``path`` with ``.gz`` added where only that exists.

    Raises:
        UserError: neither exists, or it is a directory.
    """
    if path == STDIO:
        return path
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_dir():
            raise UserError(f"{candidate}: is a directory, expected a file")
        if candidate.exists():
            return candidate
    raise UserError(f"{path}: no such file (nor {path.name}.gz)")


def name_of(path: Path) -> str:
    """What messages call the file that is read."""
    return "stdin" if path == STDIO else str(path)


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open ``path`` (``-``: stdin; ``.gz``: decompressed) for reading bytes."""
    if path == STDIO:
        # Not sys.stdin.buffer: a thread may still wait in it when the program ends, and Python
        # would wait for its lock and abort.
        with open(sys.stdin.fileno(), "rb", closefd=False) as stream:
            yield stream
        return
    found = existing(path)
    try:
        with gzip.open(found, "rb") if found.suffix == ".gz" else found.open("rb") as stream:
            yield cast(BinaryIO, stream)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{found}: damaged or truncated gzip file ({error})") from None


def read_lines(path: Path) -> Iterator[str]:
    r"""The lines of ``path``, without their ends, one at a time.

    Lines end at ``\n`` alone: no-break spaces, U+2028, form feeds and lone ``\r`` stay inside.
    One ``\r`` before the ``\n`` and a byte-order mark at the start of the file are dropped; a file
    of nothing but the mark has no line.

    Raises:
        UserError: missing, unreadable or damaged file; invalid UTF-8 (names file and line).
    """
    with reading(path) as stream:
        for number, raw in enumerate(stream, 1):
            if number == 1 and raw == BOM:
                return
            yield decode_line(raw, path, number)


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


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write ``path`` (``-``: stdout; ``.gz``: compressed) whole or not at all.

    Bytes go to a temporary file in the same directory, which takes the name of ``path`` when the
    block ends without an exception and is removed otherwise.
    """
    with naming("stdout" if path == STDIO else str(path)):
        if path == STDIO:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif path.exists() and not path.is_file():  # /dev/stdout, a named pipe: not to be replaced
            with path.open("wb") as stream:
                yield cast(BinaryIO, stream)
        else:
            with written_beside(path) as stream:
                yield stream


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Say which file it is that there is no room for: the system does not."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) and error.filename is None:
            error.filename = name
        raise


@contextmanager
def written_beside(path: Path) -> Iterator[BinaryIO]:
    """A temporary file that takes the name of ``path`` at the end of the block."""
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as raw:
            if path.suffix == ".gz":
                # No name and no time in the header: the same text gives the same bytes.
                with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield cast(BinaryIO, raw)
            sync(raw)
        move_into_place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def temporary_beside(path: Path) -> Path:
    """A new empty file in the directory of ``path``, which is made where it is missing.

    Raises:
        UserError: nothing can be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{path}: cannot be written ({reason})") from None
    umask = os.umask(0)
    os.umask(umask)
    if hasattr(os, "fchmod"):
        os.fchmod(handle, 0o666 & ~umask)
    os.close(handle)
    return Path(name)


def sync(stream: IO[bytes]) -> None:
    """Have the bytes of ``stream`` on the disk before going on."""
    stream.flush()
    os.fsync(stream.fileno())


def move_into_place(temporary: Path, path: Path) -> None:
    """Give the finished file its name, and have the name itself on the disk."""
    temporary.replace(path)
    with suppress(OSError, AttributeError):  # no directory handles on Windows
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    with replacing(path) as stream:
        stream.write(json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        UserError: missing file, or not a JSON object.
    """
    try:
        value = json.loads(existing(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object")
    return value
