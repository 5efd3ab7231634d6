"""Locks that die with their owner, however it ends."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s2s_cli.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
HELD_BY_ANOTHER = errno.EAGAIN, errno.EACCES
LOCKS_DIE = fcntl is not None


def hold(handle: int) -> bool | None:
    """Lock an open file until it is closed, by the end of the process if not before.

    Returns:
        Whether it could be had; None where the file system has no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in HELD_BY_ANOTHER else None
    return True


@contextmanager
def alone_in(directory: Path, what: str) -> Iterator[None]:
    """Keep other processes that ask for the same out of ``directory``, which is made if missing.

    Where nothing can be written there, or the file system has no locks, nobody is kept out.

    Raises:
        UserError: another process is at ``what`` there.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        handle = open_lock(directory / LOCK)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{directory}: cannot be written ({reason})") from None
    if handle is None:
        yield
        return
    try:
        if hold(handle) is False:
            raise UserError(f"{directory}: another process is at {what} there; wait for its end")
        yield
    finally:
        os.close(handle)


def open_lock(path: Path) -> int | None:
    """Open or make the file; None where that is not allowed."""
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):  # reading is enough on a local disk
        try:
            return os.open(path, flags, 0o666)
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT):
                raise
    return None
