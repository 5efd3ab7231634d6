"""Files that appear whole or not at all, several of them together."""

import errno
import gzip
import hashlib
import json
import os
import re
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, cast

from s2s_cli.destinations import (
    AS_IT_IS,
    NamedWriter,
    cannot_be_written,
    link_target,
    make_directory,
    named_errors,
    open_straight,
    status_of_plain,
)
from s2s_cli.interrupts import held
from s2s_cli.locks import LOCKS_DIE, try_lock

# Errors of systems on which directories cannot be synced.
NO_SYNC = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EISDIR))
# No other program names its files so.
TEMPORARY = ".s2s.tmp"
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
# Bytes of a name; with what a temporary file adds to it, a longer one might be too long.
LONGEST_STEM = 200


class AtomicFiles:
    """Files that take their names together, once the last byte of all of them is on the disk.

    Used as ``with AtomicFiles() as files``. Until the block ends, bytes go to temporary files
    beside the final ones, and existing files do not change. Then obsolete files are removed, and
    the new files get their names in the order in which they were opened: the last one may say that
    all of them are there. A signal waits for the last one. If the block fails, the temporary files
    are removed; if the process is killed, the next one that writes the same file removes them. A
    file keeps the mode of the one that it replaces, and its owner where the system allows that.

    Files in a directory of ours (`open`) are not written through links: a link is replaced. One
    that the user named (`open_named`) is: it stays, and what it leads to is replaced.

    Raises:
        UserError: a file cannot be made; OSError, which names the file, where writing fails.
    """

    def __init__(self) -> None:
        self._files: list[AtomicFile] = []
        self._straight: list[BinaryIO] = []
        self._obsolete: list[Path] = []
        self._kept: list[tuple[Path, Path]] = []

    def open(self, path: Path) -> BinaryIO:
        """Open a stream for the bytes of ``path``; ``.gz``: they are compressed."""
        return self.new(path).stream

    def open_named(self, path: Path) -> BinaryIO:
        """Open ``path`` as the user named it: pipes and devices as they are, files through links.

        ``.gz``: what is written is compressed.
        """
        if (straight := open_straight(path)) is None:
            return self.new(link_target(path), packed=is_packed(path)).stream
        self._straight.append(straight)
        if is_packed(path):
            self._straight.append(gzip_stream(straight))
        return self._straight[-1]

    def new(self, path: Path, *, packed: bool | None = None) -> "AtomicFile":
        """Begin the file that `open` gives a stream of."""
        file = AtomicFile(path, is_packed(path) if packed is None else packed)
        self._files.append(file)
        return file

    def write_json(self, path: Path, value: Any) -> None:
        """Write ``value`` to ``path`` as indented JSON."""
        self.open(path).write(json_bytes(value))

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
            for stream in reversed(self._straight):
                with suppress(OSError):
                    stream.close()
            for file in self._files:
                file.discard()

    def _put_in_place(self) -> None:
        for stream in reversed(self._straight):
            stream.close()
        for file in self._files:
            file.finish()
        with held():
            self._rename()

    def _rename(self) -> None:
        for path in self._obsolete:
            path.unlink(missing_ok=True)
        for path, name in self._kept:
            keep_as(path, name)
        if not self._files:
            return
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


class AtomicFile:
    """A temporary file that may take the name of ``path``.

    It is locked while it is written: others see by the lock that its writer is alive.
    """

    def __init__(self, path: Path, packed: bool) -> None:
        self.path = path
        self.moved = False
        self.temporary, handle = make_temporary(path)
        self.raw = NamedWriter(open(handle, "wb", buffering=0), path)  # noqa: SIM115, PTH123
        self.stream = gzip_stream(self.raw) if packed else cast(BinaryIO, self.raw)

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


def json_bytes(value: Any) -> bytes:
    """Write ``value`` as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"


def is_packed(path: Path) -> bool:
    return path.suffix == ".gz"


def gzip_stream(raw: BinaryIO) -> BinaryIO:
    """Compress what goes to ``raw``; the same text gives the same bytes (no name, no time)."""
    return cast(BinaryIO, gzip.GzipFile("", "wb", 6, raw, mtime=0))


def make_temporary(path: Path) -> tuple[Path, int]:
    """Make an empty, locked file in the directory of ``path``, which is made if missing.

    Raises:
        UserError: nothing can be written there.
    """
    with cannot_be_written(path):
        make_directory(path.parent)
        before = status_of_plain(path)
        if before and not os.access(path, os.W_OK):  # a rename would ask nobody
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        remove_abandoned(path)
        while True:
            temporary = path.parent / f".{stem(path)}.{secrets.token_hex(4)}{TEMPORARY}"
            with suppress(FileExistsError):
                handle = os.open(temporary, NEW, stat.S_IMODE(before.st_mode) if before else 0o666)
                # Someone who clears up may have been quicker.
                if try_lock(handle) is not False and os.fstat(handle).st_nlink:
                    if before:
                        keep_owner_and_mode(handle, before)
                    return temporary, handle
                os.close(handle)


def stem(path: Path) -> str:
    """Begin the name of a temporary file of ``path`` so that it is not too long."""
    name = os.fsencode(path.name)
    return path.name if len(name) <= LONGEST_STEM else hashlib.sha256(name).hexdigest()


def keep_owner_and_mode(handle: int, before: os.stat_result) -> None:
    """Give an open file the owner, as far as we may, and the mode of the one that it replaces."""
    made = os.fstat(handle)
    if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid) and hasattr(os, "fchown"):
        with suppress(OSError):
            os.fchown(handle, before.st_uid, before.st_gid)
    if stat.S_IMODE(os.fstat(handle).st_mode) != (mode := stat.S_IMODE(before.st_mode)):
        with suppress(OSError):  # on file systems that have no modes
            os.fchmod(handle, mode)


def remove_abandoned(path: Path) -> None:
    """Remove the temporary files of ``path`` whose writers were killed."""
    kind = re.compile(rf"\.{re.escape(stem(path))}\.[0-9a-f]{{8}}{re.escape(TEMPORARY)}")
    for each in path.parent.iterdir() if path.parent.is_dir() else ():
        if kind.fullmatch(each.name):
            with suppress(OSError):
                handle = os.open(each, os.O_RDWR | AS_IT_IS)
                try:
                    if stat.S_ISREG(os.fstat(handle).st_mode) and try_lock(handle):
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
