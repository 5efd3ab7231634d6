"""Where bytes go: links that were named, pipes, devices and streams of the process; plain files."""

import errno
import io
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from s2s_cli.errors import UserError

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Errors of writing that the system reports without a file name.
ABOUT_FILES = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "ESTALE", "ENODEV", "ENXIO")
    if hasattr(errno, name)
)
# A stream of this process: opened by its name it would be begun anew, over what is there.
OWN_STREAM = re.compile(r"/(?:dev|proc/(?:self|thread-self|\d+))/fd/(\d{1,9})")
MOST_LINKS = 40
# A link is not followed, and nobody waits for the other end of a pipe.
AS_IT_IS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Add the file name to errors of writing for which the system gives none."""
    try:
        yield
    except OSError as error:
        if error.errno in ABOUT_FILES and error.filename is None:
            error.filename = name
        raise


@contextmanager
def cannot_be_written(path: Path) -> Iterator[None]:
    """Raise a `UserError` where ``path`` cannot be opened for writing."""
    try:
        yield
    except OSError as error:
        raise not_writable(path, (error.strerror or str(error)).lower()) from None


def not_writable(path: Path, reason: str) -> UserError:
    """Make the error for a path that cannot be written."""
    return UserError(f"{path}: cannot be written ({reason})")


class NamedWriter(io.BufferedWriter):
    """A stream whose errors name the file that it is for.

    Attributes:
        error: the last error, for callers of libraries that raise another one in its place.
    """

    def __init__(self, raw: io.FileIO, path: Path) -> None:
        super().__init__(raw)
        self.path = path
        self.error: OSError | None = None

    def write(self, data: "Buffer") -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise self.named(error) from None

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise self.named(error) from None

    def named(self, error: OSError) -> OSError:
        self.error = OSError(error.errno, error.strerror, str(self.path))
        return self.error


def link_target(path: Path) -> Path:
    """The file that is meant by ``path``, which may be a link to it, or to where it is to be.

    Raises:
        UserError: links that lead to themselves; a directory.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    if target.is_symlink():
        raise not_writable(path, os.strerror(errno.ELOOP).lower())
    if target.is_dir():
        raise UserError(f"{path}: is a directory, expected a file")
    return target


def open_straight(path: Path) -> NamedWriter | None:
    """Open a pipe, a device or a stream of this process; None for any other path.

    What is written there cannot be taken back: it is no file that could be replaced.

    Raises:
        UserError: it cannot be opened.
    """
    with cannot_be_written(path):
        number = own_stream(path)
        if number is not None:
            with suppress(AttributeError, ValueError):  # none, or one of a test
                sys.stdout.flush()
            return NamedWriter(open(os.dup(number), "wb", buffering=0), path)  # noqa: PTH123
        if not path.exists() or path.is_file() or path.is_dir():
            return None
        return NamedWriter(path.open("wb", buffering=0), path)


def would_be_replaced(path: Path) -> bool:
    """Check for a file or directory under this name, or that it leads to; no pipe or device."""
    return (path.is_file() or path.is_dir()) and own_stream(path) is None


def own_stream(path: Path) -> int | None:
    """The number of the stream that ``/dev/stdout``, or a link to it, stands for; else None."""
    where = os.path.abspath(path)  # noqa: PTH100 - it follows no link, and neither must we
    for _ in range(MOST_LINKS):
        if found := OWN_STREAM.fullmatch(where):
            return int(found[1])
        if not os.path.islink(where):  # noqa: PTH114
            return None
        parent = os.path.dirname(where)  # noqa: PTH120
        where = os.path.abspath(os.path.join(parent, os.readlink(where)))  # noqa: PTH100, PTH115, PTH118
    return None


def status_of_plain(path: Path) -> os.stat_result | None:
    """Status of the plain file that ``path`` is; None where there is none, or a link.

    Raises:
        UserError: a directory, a pipe or a device, which no file of ours may replace.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return None
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{path}: is not a plain file, and is in the way of one; remove it")
    return found


def own_file(path: Path) -> None:
    """Refuse what is no plain file in a directory of ours, where one is to be changed in place.

    Raises:
        UserError: a link, which may lead to a file of someone else; a directory, pipe or device.
    """
    if path.is_symlink():
        raise UserError(
            f"{path}: is a link, and what it leads to may not be ours to change; remove it"
        )
    status_of_plain(path)


def open_in_place(path: Path) -> NamedWriter:
    """Open a plain file of ours to go on with, at its end; it is made if missing.

    Raises:
        UserError: as `own_file`; it cannot be written.
    """
    own_file(path)
    with cannot_be_written(path):
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | AS_IT_IS, 0o666)
    return NamedWriter(open(handle, "ab", buffering=0), path)  # noqa: PTH123


def make_directory(path: Path) -> None:
    """Make ``path`` if it is missing; where it is a link, what that leads to."""
    if not path.is_dir():
        os.makedirs(os.path.realpath(path), exist_ok=True)  # noqa: PTH103
