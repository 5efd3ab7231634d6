"""Locks: who has one is named, and what is no lock file is neither followed nor waited for."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.locks import LOCK, exclusive_lock

HOLDER = """
import sys
from pathlib import Path
from s2s_cli.locks import exclusive_lock
with exclusive_lock(Path(sys.argv[1]), "`s2s prep`"):
    print(flush=True)
    sys.stdin.read()
"""


def test_the_message_names_the_process_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        process.stdout.readline()
        told = rf"another process is at `s2s prep` there \(process {process.pid} on .+\); wait"
        with pytest.raises(UserError, match=told), exclusive_lock(tmp_path, "`s2s prep`"):
            pass
        process.kill()
    assert (tmp_path / LOCK).exists()
    with exclusive_lock(tmp_path, "`s2s prep`"):
        found = (tmp_path / LOCK).read_text()
        assert re.match(rf"{os.getpid()} \S+\n", found)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path.with_name("elsewhere"))]
)
def test_what_is_no_lock_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "model.lock")
    (tmp_path / "model").mkdir()
    (tmp_path / "model.lock").rename(tmp_path / "model" / LOCK)
    with (
        pytest.raises(UserError, match=r"\.lock: is not a plain file; remove it"),
        exclusive_lock(tmp_path / "model", "`s2s train`"),
    ):
        pass
    assert [each.name for each in tmp_path.iterdir()] == ["model"]
    assert [each.name for each in (tmp_path / "model").iterdir()] == [LOCK]


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
@pytest.mark.parametrize("mode", [0o444, 0o000])
def test_a_lock_file_with_few_permissions(tmp_path: Path, mode: int) -> None:
    """One that cannot be opened may be locked, by another user."""
    (tmp_path / LOCK).touch(mode)
    (tmp_path / LOCK).chmod(mode)
    if mode:
        with exclusive_lock(tmp_path, "`s2s train`"):
            pass
        assert not (tmp_path / LOCK).exists()
        return
    with pytest.raises(UserError, match="another user"), exclusive_lock(tmp_path, "`s2s train`"):
        pass
