"""Files that appear whole or not at all, several of them together."""

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
from s2s_cli.locks import LOCKS_DIE, try_lock

if TYPE_CHECKING:
    from typing_extensions import Buffer

# Errors of writing that the system reports without a file name.
ABOUT_FILES = frozenset(
    getattr(errno, name)
    for name in ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "ESTALE", "ENODEV", "ENXIO")
    if hasattr(errno, name)
)
# Errors of systems on which directories cannot be synced.
NO_SYNC = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EISDIR))
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@contextmanager
def named_errors(name: str) -> Iterator[None]:
    """Add the file name to errors of writing for which the system gives none."""
    try:
        yield
    except OSError as error:
        if error.errno in ABOUT_FILES and error.filename is None:
            error.filename = name
        raise


class AtomicFiles:
    """Files that take their names together, once the last byte of all of them is on the disk.

    Used as ``with AtomicFiles() as files``. Until the block ends, bytes go to temporary files
    beside the final ones, and existing files do not change. Then obsolete files are removed, and
    the new files get their names in the order in which they were opened: the last one may say that
    all of them are there. If the block fails, the temporary files are removed; if the process is
    killed, the next one that writes the same file removes them.

    Raises:
        UserError: a file cannot be made; OSError, which names the file, where writing fails.
    """

    def __init__(self) -> None:
        self._files: list[AtomicFile] = []
        self._obsolete: list[Path] = []
        self._kept: list[tuple[Path, Path]] = []

    def open(self, path: Path) -> BinaryIO:
        """Open a stream for the bytes of ``path``; ``.gz``: they are compressed."""
        return self.new(path).stream

    def new(self, path: Path) -> "AtomicFile":
        """Begin the file that `open` gives a stream of."""
        file = AtomicFile(path)
        self._files.append(file)
        return file

    def write_json(self, path: Path, value: Any) -> None:
        """Write ``value`` to ``path`` as indented JSON."""
        self.open(path).write(json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")

    def remove(self, path: Path) -> None:
        """Remove ``path``, if it exists, before the files get their names."""
        self._obsolete.append(path)

    def keep_as(self, path: Path, name: Path) -> None:
        """Keep the file that is ``path`` so far under another name."""
        self._kept.append((path, name))

    def __enter__(self) -> "AtomicFiles":
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
            keep_as(path, name)
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


class AtomicFile:
    """A temporary file that may take the name of ``path``.

    It is locked while it is written: others see by the lock that its writer is alive.
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
        """Write all bytes to the disk."""
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
        """Close the file, and remove it unless it has its name."""
        for stream in (self.stream, self.raw):
            with suppress(OSError):  # what it still holds finds no room either
                stream.close()
        if not self.moved:
            with suppress(OSError):
                self.temporary.unlink(missing_ok=True)


def make_temporary(path: Path) -> tuple[Path, int]:
    """Make an empty, locked file in the directory of ``path``, which is made if missing.

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
                if try_lock(handle) is not False and os.fstat(handle).st_nlink:
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
                    if try_lock(handle):
                        each.unlink()
                finally:
                    os.close(handle)


def sync(stream: NamedWriter) -> None:
    """Write the bytes of ``stream`` to the disk before going on."""
    stream.flush()
    with named_errors(str(stream.path)):
        os.fsync(stream.fileno())


def move(old: Path, new: Path) -> None:
    """Rename ``old``; errors name ``new``."""
    try:
        old.replace(new)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(new)) from None


def keep_as(path: Path, name: Path) -> None:
    """Give the file ``path``, if it exists, the second name ``name``.

    With two names there is no moment without ``path``. On file systems without hard links it is
    renamed.
    """
    if not path.is_file():
        return
    name.unlink(missing_ok=True)
    try:
        name.hardlink_to(path)
    except OSError:
        move(path, name)


def sync_names(directory: Path) -> None:
    """Write the names of the files in ``directory`` to the disk, where the system allows that."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:  # no directory handles on Windows
        return
    try:
        with named_errors(str(directory)):
            os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(handle)
