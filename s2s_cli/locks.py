"""Locks that die with their owner, however it ends."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from s2s_cli.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
HELD_BY_ANOTHER = errno.EAGAIN, errno.EACCES
LOCKS_DIE = fcntl is not None


def try_lock(handle: int) -> bool | None:
    """Lock an open file until it is closed, at the latest by the end of the process.

    Returns:
        True if it is locked, False if another process has it; None if the file system has no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in HELD_BY_ANOTHER else None
    return True


@contextmanager
def exclusive_lock(directory: Path, what: str) -> Iterator[None]:
    """Lock ``directory``, which is made if missing, for one process at a time.

    The lock file is removed at the end, and so is a new directory that is still empty. Where
    nothing can be written, or the file system has no locks, other processes are not kept out.

    Raises:
        UserError: another process runs ``what`` there.
    """
    made, path = not directory.is_dir(), directory / LOCK
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = acquired(path, f"{directory}: another process is at {what} there")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{directory}: cannot be written ({reason})") from None
    try:
        yield
    finally:
        if handle is not None:
            with suppress(OSError):
                path.unlink()
            os.close(handle)
        if made:
            with suppress(OSError):
                directory.rmdir()


def acquired(path: Path, taken: str) -> int | None:
    """Open and lock the lock file; None where it cannot be made.

    Raises:
        UserError: another process has it; the message begins with ``taken``.
    """
    while (handle := open_lock(path)) is not None:
        got = try_lock(handle)
        # Its owner may have removed the file after it was opened here: that is no lock any more.
        if got is None or (got and is_named(handle, path)):
            return handle
        os.close(handle)
        if got is False:
            raise UserError(f"{taken}; wait for its end")
    return None


def is_named(handle: int, path: Path) -> bool:
    """Check that an open file still has the name ``path``."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def open_lock(path: Path) -> int | None:
    """Open or make the file; None where that is not allowed."""
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):  # reading is enough on a local disk
        try:
            return os.open(path, flags, 0o666)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT):
                raise
    return None
