"""Real text and real lists through the commands: nothing is lost, whatever the batch."""

from pathlib import Path

import pytest
from conftest import Run


def translate(s2s: Run, experiment: Path, text: bytes, batch_size: int) -> list[bytes]:
    done = s2s(
        *("decode", "--beam", "2", "--max-length", "6", "--batch-size", batch_size),
        cwd=experiment,
        input=text,
    )
    assert done.returncode == 0, done.stderr.decode()
    *lines, rest = done.stdout.split(b"\n")
    assert rest == b""
    return lines


def test_newstest_line_by_line(s2s: Run, tiny_experiment: Path, real_data: Path) -> None:
    text = (real_data / "wmt_news" / "newstest2014.en").read_bytes()
    whole = translate(s2s, tiny_experiment, text, 0)
    assert len(whole) == text.count(b"\n") == 3003
    assert translate(s2s, tiny_experiment, text, 37) == whole
    head = b"".join(text.splitlines(keepends=True)[:100])
    assert translate(s2s, tiny_experiment, head, 1) == whole[:100]


@pytest.mark.parametrize(
    ("name", "sources"),
    [
        ("moses-old-d-lm-tm-w.nbest.1.txt", 10),
        ("moses-old-nospace-dups.nbest.txt", 1),
        ("moses-new-labels-alignment.nbest.txt", 1),
        ("moses-chart-empty-alignment.nbest.txt", 6),
        ("moses-lattice-ids-noscore.nbest.txt", 7),
        ("qe-fren-lexreordering-alignment.nbest.txt", 1),
    ],
)
def test_every_layout_of_list_is_rescored(
    s2s: Run, tiny_experiment: Path, real_data: Path, tmp_path: Path, name: str, sources: int
) -> None:
    path = real_data / "nbest" / name
    (tmp_path / "source").write_bytes(b"one two three\n" * sources)
    options = ("--source", tmp_path / "source", "--model", tiny_experiment / "model")
    winners = s2s("rescore", path, *options)
    assert winners.returncode == 0, winners.stderr.decode()
    lines = winners.stdout.decode().split("\n")[:-1]
    assert len(lines) == sources
    entries = [line for line in path.read_text("utf-8").split("\n") if line]
    for number, line in enumerate(lines):
        ours = [
            each.split("|||") for each in entries if each.split("|||")[0].strip() == str(number)
        ]
        hypotheses = {" ".join(each[1].split()) for each in ours} or {""}
        assert line in hypotheses
    enriched = s2s("rescore", path, "--add-feature", *options)
    assert enriched.returncode == 0, enriched.stderr.decode()
    added = enriched.stdout.decode().split("\n")[:-1]
    assert len(added) == len(entries)
    for before, after in zip(entries, added, strict=True):
        assert "s2s" in after
        fields = after.split("|||")
        assert [*fields[:2], *fields[3:]] == [*before.split("|||")[:2], *before.split("|||")[3:]]
        assert fields[2].startswith(before.split("|||")[2].rstrip())
