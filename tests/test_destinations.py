"""Where bytes go: through links that were named, never through those in a directory of ours."""

import gzip
import os
import stat
import threading
from pathlib import Path

import pytest

from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.errors import UserError
from s2s_cli.files import replacing
from s2s_cli.locks import LOCK, exclusive_lock
from s2s_cli.training.metrics import METRICS, MetricsFile


def write(path: Path, content: bytes = b"new\n") -> None:
    with replacing(path) as stream:
        stream.write(content)


def write_ours(path: Path) -> None:
    with AtomicFiles() as files:
        files.open(path).write(b"new\n")


def test_a_link_that_was_named_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "target"
    target.parent.mkdir()
    (tmp_path / "inner").symlink_to("elsewhere/target")
    (tmp_path / "link").symlink_to(tmp_path / "inner")
    for _ in range(2):  # it dangles the first time
        write(tmp_path / "link")
        assert (tmp_path / "link").is_symlink() and (tmp_path / "inner").is_symlink()
        assert target.read_bytes() == b"new\n"
        target.write_bytes(b"old\n")
    assert os.listdir(target.parent) == ["target"]  # noqa: PTH208


def test_a_link_to_a_missing_directory_is_made_there(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("disk/here")
    with exclusive_lock(tmp_path / "link", "work"):
        write_ours(tmp_path / "link" / "file")
    assert (tmp_path / "disk/here/file").read_bytes() == b"new\n"


def test_whether_a_file_is_compressed_follows_the_name_that_was_given(tmp_path: Path) -> None:
    (tmp_path / "list.gz").symlink_to("plain")
    (tmp_path / "list").symlink_to("packed.gz")
    write(tmp_path / "list.gz")
    write(tmp_path / "list")
    assert gzip.decompress((tmp_path / "plain").read_bytes()) == b"new\n"
    assert (tmp_path / "packed.gz").read_bytes() == b"new\n"


def test_links_in_a_circle_and_links_to_a_directory_are_told(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    (tmp_path / "folder").symlink_to(".")
    with pytest.raises(UserError, match=r"one: cannot be written \(too many levels"):
        write(tmp_path / "one")
    with pytest.raises(UserError, match="folder: is a directory"):
        write(tmp_path / "folder")
    for path in (Path("."), Path("/"), Path("..")):  # noqa: PTH201
        with pytest.raises(UserError, match="is a directory"):
            write(path)
    assert (tmp_path / "one").is_symlink() and (tmp_path / "folder").is_symlink()


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755, 0o400])
def test_a_file_keeps_its_mode_and_is_never_open_to_more(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old\n")
    path.chmod(mode)
    if not os.access(path, os.W_OK):  # root may write everywhere
        with pytest.raises(UserError, match=r"cannot be written \(permission denied\)"):
            write(path)
        return
    with replacing(path):
        (temporary,) = (each for each in tmp_path.iterdir() if each != path)
        assert stat.S_IMODE(temporary.stat().st_mode) == mode
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b""


def test_a_link_in_a_directory_of_ours_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"of someone else\n")
    (tmp_path / "file").symlink_to("target")
    write_ours(tmp_path / "file")
    assert not (tmp_path / "file").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new\n"
    assert (tmp_path / "target").read_bytes() == b"of someone else\n"


@pytest.mark.parametrize("kind", ["pipe", "directory", "socket"])
def test_what_is_no_plain_file_in_a_directory_of_ours_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / METRICS
    if kind == "directory":
        path.mkdir()
    else:
        os.mknod(path, 0o600 | (stat.S_IFIFO if kind == "pipe" else stat.S_IFSOCK))
    for attempt in (lambda: write_ours(path), lambda: MetricsFile(tmp_path, 0)):
        with pytest.raises(UserError, match="is not a plain file"):
            attempt()
    assert os.listdir(tmp_path) == [METRICS]  # noqa: PTH208


def test_metrics_are_neither_written_through_a_link_nor_over_another_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_bytes(b"of someone else\n")
    (tmp_path / METRICS).symlink_to(mine)
    with pytest.raises(UserError, match=r"metrics\.jsonl: is a link"):
        MetricsFile(tmp_path, 0)
    (tmp_path / METRICS).unlink()
    mine.rename(tmp_path / METRICS)
    with pytest.raises(UserError, match="no training wrote this file"):
        MetricsFile(tmp_path, 0)
    assert (tmp_path / METRICS).read_bytes() == b"of someone else\n"
    for half_written in (b"", b'{"upd', b'{"update": 7, "epoch'):
        (tmp_path / METRICS).write_bytes(half_written)
        with MetricsFile(tmp_path, 0):
            assert (tmp_path / METRICS).read_bytes() == b""


def test_a_lock_file_of_someone_else_stays(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_bytes(b"pid 7\n")
    with (
        pytest.raises(UserError, match="is not a lock file of ours"),
        exclusive_lock(tmp_path, "work"),
    ):
        pass
    assert (tmp_path / LOCK).read_bytes() == b"pid 7\n"


def test_temporary_files_of_other_programs_stay(tmp_path: Path) -> None:
    others = [tmp_path / name for name in (".file.20261130.tmp", ".file.0ab123cd.s2s.tmp")]
    others[0].touch()
    os.mkfifo(others[1])
    abandoned = tmp_path / ".file.1ab123cd.s2s.tmp"
    abandoned.touch()
    write(tmp_path / "file")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "file"])


@pytest.mark.parametrize("length", [201, 255])
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path, length: int) -> None:
    path = tmp_path / ("é" * (length // 2) + "x" * (length % 2))
    write(path)
    assert path.read_bytes() == b"new\n"
    with pytest.raises(UserError, match="too long"):
        write(tmp_path / ("x" * 256))


def test_pipes_devices_and_own_streams_are_written_as_they_are(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    write(pipe)
    reader.join()
    assert received == [b"new\n"] and pipe.is_fifo()
    write(Path(os.devnull))

    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    link = tmp_path / "link"
    with path.open("ab") as log:
        link.symlink_to(f"/dev/fd/{log.fileno()}")
        write(link)
        write(Path(f"/dev/fd/{log.fileno()}"), b"and more\n")
    assert path.read_bytes() == b"before\nnew\nand more\n"
    with pytest.raises(UserError, match=r"cannot be written \(bad file descriptor\)"):
        write(Path("/dev/fd/987654"))
