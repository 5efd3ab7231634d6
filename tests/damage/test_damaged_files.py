"""Damage of any kind to any file is told in a sentence, or changes nothing.

A part of the damaged files, drawn by a seed. To try all of them: ``python damaged.py DIRECTORY``
with the directory of an experiment.
"""

import os
import random
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from conftest import Popen, Run
from damaged import FORMATS, Format, complete, flips, sweep, truncations

SAMPLE = 150


@pytest.fixture(scope="session")
def whole_experiment(tiny_experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole") / "experiment"
    shutil.copytree(tiny_experiment, directory)
    complete(directory)
    return directory


def boundaries(path: Path) -> list[int]:
    """Where records of an archive begin, and its directory."""
    with zipfile.ZipFile(path) as archive:
        return [*(each.header_offset for each in archive.infolist()), archive.start_dir]


def some_damage(kind: Format, path: Path) -> Iterator[tuple[str, bytes]]:
    """At the ends of the file and of its parts, and at places drawn."""
    content, draw = path.read_bytes(), random.Random(kind.file)
    parts = boundaries(path) if path.suffix == ".pt" else [len(content) // 2]
    lengths = {0, 1, len(content) - 1, *parts, *(each - 1 for each in parts if each)}
    lengths |= {draw.randrange(len(content)) for _ in range(SAMPLE // 5)}
    places = sorted({*parts, *(draw.randrange(len(content)) for _ in range(SAMPLE))})
    of_bytes = (list(flips(content, [place])) for place in places)
    return chain(truncations(content, sorted(lengths)), (draw.choice(each) for each in of_bytes))


@pytest.mark.parametrize("name", FORMATS)
def test_damage_is_told_or_changes_nothing(name: str, whole_experiment: Path) -> None:
    kind = FORMATS[name]
    outcomes = sweep(kind, whole_experiment, some_damage(kind, whole_experiment / kind.file))
    if name != "metrics.jsonl":  # which is written, and never read
        assert outcomes["told"] > 10


@pytest.mark.parametrize("name", ["best.pt", "last.pt", "last.pt resumed", "ids", "idx"])
def test_no_bit_of_a_number_is_wrong_and_nobody_notices(name: str, whole_experiment: Path) -> None:
    kind = FORMATS[name]
    path = whole_experiment / kind.file
    content, draw = path.read_bytes(), random.Random(name)
    places = list(range(len(content)))
    if path.suffix == ".pt":
        with zipfile.ZipFile(path) as archive:
            tables = [each for each in archive.infolist() if "/data/" in each.filename]
        # The bytes of a record end where the mark of its checksum stands.
        ends = [content.index(b"PK\x07\x08", each.header_offset) for each in tables]
        places = [
            place
            for end, each in zip(ends, tables, strict=True)
            for place in range(end - each.file_size, end)
        ]
    damaged = (draw.choice(list(flips(content, [place]))) for place in draw.sample(places, SAMPLE))
    assert set(sweep(kind, whole_experiment, damaged)) == {"told"}


def test_commands_tell_damage_in_one_sentence(
    s2s: Run, whole_experiment: Path, tmp_path: Path
) -> None:
    own = shutil.copytree(whole_experiment, tmp_path / "own")
    (own / "model/last.previous.pt").unlink(missing_ok=True)
    for path, command in (
        ("model/best.pt", ["decode"]),
        ("model/last.pt", ["train"]),
        ("data/train.fr.ids", ["train", "--model", "other"]),
        ("nbest.txt.gz", ["rescore", "nbest.txt.gz"]),
        ("s2s.toml", ["vocab"]),
    ):
        content = (own / path).read_bytes()
        damaged = bytearray(content)
        # In the middle of the last numbers, or of what is there instead.
        at = content.rfind(b"PK\x07\x08") - 4 if path.endswith(".pt") else len(content) // 2
        damaged[at] ^= 0x80
        (own / path).write_bytes(damaged)
        run = s2s(*command, cwd=own, input=b"one\n")
        (own / path).write_bytes(content)
        assert run.returncode in (1, 2)
        assert run.stdout == b""
        *_, last = run.stderr.decode().splitlines()
        assert last.startswith("s2s: ") and path in last
        assert "Traceback" not in run.stderr.decode()


def test_a_corpus_that_shrinks_while_it_is_trained_on_is_told(
    whole_experiment: Path, tmp_path: Path, s2s: Run, popen: Popen
) -> None:
    """In place: the file that is open gets shorter, as by ``cp`` or a disk that fails."""
    shutil.copytree(whole_experiment / "data", tmp_path / "data")
    shutil.copy(whole_experiment / "s2s.toml", tmp_path)
    ids, last = tmp_path / "data/train.fr.ids", tmp_path / "model/last.pt"
    content = ids.read_bytes()
    training = ["train", "--epochs", "100000", "--save-every", "10", "--log-every", "5"]
    with popen(training, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for _ in process.stderr:
            if last.is_file():
                os.truncate(ids, 8)
                break
        *_, line = process.stderr
    assert process.returncode == 1
    assert line.startswith("s2s: data/train.fr.ids: has become shorter")
    ids.write_bytes(content)
    again = s2s(*training, "--max-minutes", "0.0001", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert b"resumed after update" in again.stderr


def test_all_damage_to_all_formats_was_tried_and_the_result_is_kept() -> None:
    table = Path(__file__).with_name("damaged.txt").read_text().split("\n\n")[1].splitlines()[1:]
    rows = [line.rsplit(maxsplit=4) for line in table]
    counts = {name: [int(each.replace(",", "")) for each in row] for name, *row in rows}
    assert list(counts) == list(FORMATS)
    for name, (versions, *outcomes) in counts.items():
        assert versions == sum(outcomes)
        assert FORMATS[name].told or outcomes[-1] == 0
