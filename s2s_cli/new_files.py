"""New files appear whole or not at all, several of them together."""

import errno
import gzip
import io
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from s2s_cli.errors import UserError
from s2s_cli.locks import LOCKS_DIE, hold

if TYPE_CHECKING:
    from typing_extensions import Buffer

# What the system says of files without saying which.
ABOUT_FILES = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "ESTALE", "ENODEV", "ENXIO")
    if hasattr(errno, name)
)
# Of a directory handle, where directories cannot be synced.
NO_SYNC = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EISDIR))
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Say which file it is that cannot be written: the system does not."""
    try:
        yield
    except OSError as error:
        if error.errno in ABOUT_FILES and error.filename is None:
            error.filename = name
        raise


class NewFiles:
    """Files that take their names together, once the last byte of all of them is on the disk.

    Used as ``with NewFiles() as files``. Until the block ends, bytes go to temporary files beside
    the files to be, and nothing that was there before changes. Then what is obsolete goes, and the
    files get their names in the order in which they were opened: the last one may say that all of
    them are there. Where the block fails, the temporary files go; where the process is killed, the
    next one that writes the same file removes them.

    Raises:
        UserError: a file cannot be made; OSError, which names the file, where writing fails.
    """

    def __init__(self) -> None:
        self._files: list[NewFile] = []
        self._obsolete: list[Path] = []
        self._kept: list[tuple[Path, Path]] = []

    def open(self, path: Path) -> BinaryIO:
        """A stream for the bytes of ``path``; ``.gz``: they are compressed."""
        return self.new(path).stream

    def new(self, path: Path) -> "NewFile":
        """The file that `open` opens."""
        file = NewFile(path)
        self._files.append(file)
        return file

    def write_json(self, path: Path, value: Any) -> None:
        """Make ``path`` of ``value``, indented."""
        self.open(path).write(json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")

    def remove(self, path: Path) -> None:
        """Have ``path`` go, if it is there, before the files get their names."""
        self._obsolete.append(path)

    def keep(self, path: Path, name: Path) -> None:
        """Have the file that is ``path`` so far stay under another name."""
        self._kept.append((path, name))

    def __enter__(self) -> "NewFiles":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._put_in_place()
        finally:
            for file in self._files:
                file.discard()

    def _put_in_place(self) -> None:
        for file in self._files:
            file.finish()
        for path in self._obsolete:
            path.unlink(missing_ok=True)
        for path, name in self._kept:
            keep(path, name)
        *others, last = self._files
        directories = dict.fromkeys(file.path.parent for file in self._files)
        for file in others:
            file.move()
        if others or self._obsolete:
            for directory in directories:
                sync_names(directory)
        last.move()
        for directory in directories:
            sync_names(directory)


class NamedWriter(io.BufferedWriter):
    """A stream whose errors name the file that it is for.

    Attributes:
        error: the last one, for callers of what makes other errors of it.
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


class NewFile:
    """A temporary file that may take the name of ``path``.

    It is locked while it is written, so that others see whether its writer lives.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moved = False
        self.temporary, handle = make_temporary(path)
        self.raw = NamedWriter(open(handle, "wb", buffering=0), path)  # noqa: SIM115, PTH123
        self.stream: BinaryIO = self.raw
        if path.suffix == ".gz":
            # No name and no time in the header: the same text gives the same bytes.
            self.stream = cast(BinaryIO, gzip.GzipFile("", "wb", 6, self.raw, mtime=0))

    def finish(self) -> None:
        """Have all bytes on the disk."""
        if self.stream is not self.raw:
            self.stream.close()
        sync(self.raw)
        if not LOCKS_DIE:  # where an open file cannot be renamed either
            self.raw.close()

    def move(self) -> None:
        """Give the file its name."""
        move(self.temporary, self.path)
        self.moved = True
        self.raw.close()

    def discard(self) -> None:
        """Remove what has no name."""
        for stream in (self.stream, self.raw):
            with suppress(OSError):  # what it still holds finds no room either
                stream.close()
        if not self.moved:
            with suppress(OSError):
                self.temporary.unlink(missing_ok=True)


def make_temporary(path: Path) -> tuple[Path, int]:
    """A new empty file in the directory of ``path``, which is made where it is missing, and locked.

    Raises:
        UserError: nothing can be written there.
    """
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path)
        while True:
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
            with suppress(FileExistsError):
                handle = os.open(temporary, NEW, 0o666)
                # Someone who clears up may have been quicker.
                if hold(handle) is not False and os.fstat(handle).st_nlink:
                    return temporary, handle
                os.close(handle)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{path}: cannot be written ({reason})") from None


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files of ``path`` whose writers were killed."""
    kind = re.compile(rf"\.{re.escape(path.name)}\.[a-z0-9_]{{8}}\.tmp")
    for each in path.parent.iterdir() if path.parent.is_dir() else ():
        if kind.fullmatch(each.name):
            with suppress(OSError):
                handle = os.open(each, os.O_RDWR)
                try:
                    if hold(handle):
                        each.unlink()
                finally:
                    os.close(handle)


def sync(stream: NamedWriter) -> None:
    """Have the bytes of ``stream`` on the disk before going on."""
    stream.flush()
    with naming(str(stream.path)):
        os.fsync(stream.fileno())


def move(old: Path, new: Path) -> None:
    """Rename ``old``; errors are told of ``new``."""
    try:
        old.replace(new)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(new)) from None


def keep(path: Path, name: Path) -> None:
    """Have the file ``path``, if there is one, as ``name``, too, or where that cannot be, instead.

    With two names there is no moment without ``path``.
    """
    if not path.is_file():
        return
    name.unlink(missing_ok=True)
    try:
        name.hardlink_to(path)
    except OSError:
        move(path, name)


def sync_names(directory: Path) -> None:
    """Have the names of the files in ``directory`` on the disk, where that can be asked for."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:  # no directory handles on Windows
        return
    try:
        with naming(str(directory)):
            os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(handle)
