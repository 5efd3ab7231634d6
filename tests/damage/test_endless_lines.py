"""A small compressed file may hold a line of any length; it is never read whole."""

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run

from s2s_cli import files
from s2s_cli.errors import UserError
from s2s_cli.files import read_lines
from s2s_cli.preparation import chunks
from s2s_cli.preparation.chunks import scan_split

ENDLESS = "0" * (40 << 20)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A line of 40 MiB between two others, in some 40 kB."""
    path = tmp_path / "packed.gz"
    path.write_bytes(gzip.compress(f"one\n{ENDLESS}\ntwo\n".encode()))
    assert path.stat().st_size < 1 << 17
    return path


@pytest.mark.parametrize("longest", [1, 5, 6, 7, 8, 100])
def test_lines_up_to_the_limit_are_read_and_no_others(
    longest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", longest)
    lines = ["a" * size for size in (0, 1, 5, 6, 7)]
    path = tmp_path / "text"
    for end in ("\n", ""):
        path.write_text("\n".join(lines) + end)
        if longest >= 7:
            assert list(read_lines(path)) == lines
            continue
        with pytest.raises(UserError, match=r"text:\d: a line of more than \d bytes") as told:
            list(read_lines(path))
        number = int(str(told.value).partition("text:")[2][0])
        assert len(lines[number - 1]) > longest
        assert all(len(line) <= longest for line in lines[: number - 1])


def test_a_line_that_is_cut_keeps_whole_characters(tmp_path: Path) -> None:
    path = tmp_path / "text"
    line = "aé€😀" * 3
    path.write_text(f"{line}\nb\n")
    for longest in range(4, 40):
        first, second = read_lines(path, cut_at=longest)
        assert second == "b"
        size = len(line.encode())
        if size <= longest:
            assert first == line
        else:
            assert line.startswith(first)
            assert longest - 4 < len(first.encode()) <= longest


def test_what_is_no_text_is_told_though_it_is_cut(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"\x80" * 100)
    with pytest.raises(UserError, match="invalid UTF-8"):
        list(read_lines(tmp_path / "text", cut_at=10))


@pytest.mark.parametrize("block", [1, 3, 64])
@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_prep_finds_the_line_before_it_reads_one(
    block: int, pack: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "READ_BYTES", block)
    monkeypatch.setattr(chunks, "MAX_LINE_BYTES", 9)
    names = [tmp_path / f"t.{each}{'.gz' * (pack is not bytes)}" for each in ("en", "fr")]
    paths = tmp_path / "t.en", tmp_path / "t.fr"
    for size in range(20):
        for name in names:
            name.write_bytes(pack(b"a\nbb\n" + b"c" * size + b"\nd\n"))
        # A line that ends within its first block was in memory before it was looked at.
        if size <= 9:
            assert scan_split("train", paths).lines == 4
        elif size >= block:
            with pytest.raises(UserError, match=r"t\.en:3: a line of more than"):
                scan_split("train", paths)


def test_decoding_cuts_it_and_gives_a_line(s2s: Run, tiny_experiment: Path, packed: Path) -> None:
    run = s2s("decode", "--input", packed, cwd=tiny_experiment)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.count(b"\n") == 3
    assert b"1 line cut" in run.stderr
    alone = s2s("decode", cwd=tiny_experiment, input=b"one\ntwo\n")
    lines = io.BytesIO(run.stdout).readlines()
    assert lines[::2] == io.BytesIO(alone.stdout).readlines()


def test_the_other_commands_refuse_it(
    s2s: Run, tiny_experiment: Path, packed: Path, tmp_path: Path
) -> None:
    told = f"s2s: {packed}:2: a line of more than 16,777,216 bytes is no sentence; "
    for arguments in (["rescore", packed], ["score", packed]):
        run = s2s(*arguments, cwd=tiny_experiment, input=b"x\n")
        assert run.returncode == 1
        assert run.stdout == b""
        # (The list's first line is none of a list.)
        assert run.stderr.decode().startswith((told, f"s2s: {packed}:1: no |||"))
    run = s2s("prep", "--filter", "en", input=f"one\n{ENDLESS}\n".encode(), cwd=tmp_path)
    assert (run.returncode, run.stdout) == (1, b"one\n")
    assert run.stderr.decode().startswith("s2s: stdin:2: a line of more than")
