"""Chunks hold every line once, whatever the files look like at their ends."""

import gzip
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.preparation import chunks as module
from s2s_cli.preparation.chunks import cut_chunks, scan_split


@pytest.mark.parametrize("block", [1, 7, 1 << 20])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("end", ["\n", "", "\r\n", "\r", "\r\r"])
def test_chunks_together_are_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, count: int, end: str
) -> None:
    monkeypatch.setattr(module, "PAIRS_PER_CHUNK", 3)
    monkeypatch.setattr(module, "READ_BYTES", block)
    lines = [f"é{number}" for number in range(count)]
    text = ("\ufeff" + "\r\n".join(lines) + end if lines else "").encode()
    (tmp_path / "t.en").write_bytes(text)
    (tmp_path / "t.fr.gz").write_bytes(gzip.compress(text))
    source = scan_split("train", (tmp_path / "t.en", tmp_path / "t.fr"))
    assert source.lines == count
    whole = list(cut_chunks([source]))
    assert [chunk.first for chunk in whole] == list(range(1, count + 1, 3))
    for side in (0, 1):
        texts = [chunk.decode(chunk.read())[side] for chunk in whole]
        # One carriage return belongs to the end of a line, another to the line.
        kept = "\r" if end == "\r\r" and lines else ""
        assert "".join(texts) == "\n".join([*lines, ""]).removesuffix("\n") + (
            f"{kept}\n" if lines else ""
        )


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    paths = (tmp_path / "t.en", tmp_path / "t.fr")
    for path in paths:
        path.write_text("one\ntwo\n")
    (chunk,) = cut_chunks([scan_split("train", paths)])
    paths[1].write_text("one two\n")
    with pytest.raises(UserError, match=r"t\.fr: was changed"):
        chunk.decode(chunk.read())
