"""Lines of files are counted before they are read."""

import gzip
import os
import pty
import sys
from pathlib import Path

import pytest

from s2s_cli.files import STDIO, count_lines, is_typed, read_lines


@pytest.mark.parametrize(("text", "lines"), [(b"", 0), (b"a\n\nb\n", 3), (b"a\n\nb", 3)])
def test_lines_of_a_file_compressed_or_not(tmp_path: Path, text: bytes, lines: int) -> None:
    (tmp_path / "plain").write_bytes(text)
    (tmp_path / "packed.gz").write_bytes(gzip.compress(text))
    assert count_lines(tmp_path / "plain") == count_lines(tmp_path / "packed") == lines


def test_what_cannot_be_known_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "damaged.gz").write_bytes(gzip.compress(b"a\n" * 99)[:-9])
    for name in ("missing", "pipe", "damaged.gz", "."):
        assert count_lines(tmp_path / name) is None
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin, os.fdopen(writer, "w"):
        monkeypatch.setattr(sys, "stdin", stdin)
        assert count_lines(STDIO) is None


def test_an_endless_device_on_stdin_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/zero").open("rb") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert count_lines(STDIO) is None


def test_stdin_that_is_a_file_is_counted_from_where_it_is_and_left_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "text").write_bytes(b"one\ntwo\nthree")
    with (tmp_path / "text").open("rb", buffering=0) as stdin:
        assert stdin.read(4) == b"one\n"
        monkeypatch.setattr(sys, "stdin", stdin)
        assert count_lines(STDIO) == 2
        assert stdin.read() == b"two\nthree"


def test_who_has_to_type_is_told_so_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    person, program = pty.openpty()
    (tmp_path / "text").write_bytes(b"a line\n")
    for stdin, prompted in ((os.fdopen(program), True), ((tmp_path / "text").open(), False)):
        with stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            os.write(person, b"a line\n\x04")
            assert list(read_lines(STDIO)) == ["a line"]
            assert is_typed(STDIO) == prompted and not is_typed(tmp_path / "text")
            assert ("Ctrl-D ends" in capsys.readouterr().err) == prompted
    os.close(person)
