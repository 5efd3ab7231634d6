"""Locks that die with their owner, however it ends."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_ISREG

from s2s_cli.destinations import AS_IT_IS, make_directory
from s2s_cli.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
HELD_BY_ANOTHER = errno.EAGAIN, errno.EACCES
LOCKS_DIE = fcntl is not None
SIGNATURE = re.compile(rb"(\d{1,10}) ([\w.-]{1,255})\n")  # of the process that has the lock


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
        make_directory(directory)
        handle = acquired(path, what)
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


def acquired(path: Path, what: str) -> int | None:
    """Open and lock the lock file, and write there who has it; None where it cannot be made.

    Raises:
        UserError: another process has it, at ``what``; it is no file of ours.
    """
    while (handle := open_lock(path)) is not None:
        got = try_lock(handle)
        # Its owner may have removed the file after it was opened here: that is no lock any more.
        if got is None or (got and is_named(handle, path)):
            if got:
                sign(handle, path)
            return handle
        who = signer(handle) if got is False else ""
        os.close(handle)
        if got is False:
            raise UserError(
                f"{path.parent}: another process is at {what} there{who}; wait for its end"
            )
    return None


def sign(handle: int, path: Path) -> None:
    """Write into the lock file which process to end, and where it is.

    Raises:
        UserError: the file holds something else, and is somebody else's.
    """
    from multiprocessing import parent_process  # not needed by --help
    from platform import node

    parent = parent_process()  # a replica's: its launcher ends it
    number = os.getpid() if parent is None else parent.pid
    with suppress(OSError):  # read-only, a full disk: the lock is as good
        if (before := os.pread(handle, 300, 0)) and not SIGNATURE.match(before):
            os.close(handle)
            raise UserError(f"{path}: is not a lock file of ours; move it away")
        os.pwrite(handle, f"{number} {node()}\n".encode(), 0)


def signer(handle: int) -> str:
    """Read who wrote the first line of the lock file; empty where that is not known."""
    with suppress(OSError):
        found = SIGNATURE.match(os.pread(handle, 300, 0))
        if found:
            return f" (process {found[1].decode()} on {found[2].decode()})"
    return ""


def is_named(handle: int, path: Path) -> bool:
    """Check that an open file still has the name ``path``."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def open_lock(path: Path) -> int | None:
    """Open or make the file; None where none can be made.

    Raises:
        UserError: something is there that cannot be a lock file of ours, or is another user's.
    """
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):  # reading is enough on a local disk
        try:
            handle = os.open(path, flags | AS_IT_IS, 0o666)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
                raise no_lock_file(path) from None
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT):
                raise
        else:
            if S_ISREG(os.fstat(handle).st_mode):
                return handle
            os.close(handle)
            raise no_lock_file(path)
    if os.path.lexists(path):
        raise UserError(
            f"{path}: belongs to another user, who may be at work there; remove it if not"
        )
    return None


def no_lock_file(path: Path) -> UserError:
    return UserError(f"{path}: is not a plain file; remove it")
