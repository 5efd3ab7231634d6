"""Limits that the system itself sets, also to calls that no Python function makes."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import Popen, Run

LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # write(2) then fails with EFBIG
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
from s2s_cli.__main__ import main
main()
"""


def limited(s2s: Run, arguments: list[str], directory: Path, size: int) -> tuple[int, str]:
    """``s2s ARGUMENTS`` where a file may have so many bytes, as on a disk that fills up.

    Its exit code and what it says. That goes to a file, too, but a short one.
    """
    done = s2s("-c", LIMITED.format(size=size), *arguments, cwd=directory)
    return done.returncode, done.stderr.decode()


def contents(directory: Path) -> dict[Path, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("arguments", "size", "told"),
    [
        (["prep", "--output", "new"], 1000, "new/train.en: file too large"),
        (["vocab", "--data", "own"], 1000, "own/train.en.ids: file too large"),
        (["train", "--model", "new"], 10_000, "new/last.pt: file too large"),
        (["decode", "--input", "corpus/train.en", "--output", "new"], 1000, "new: file too large"),
    ],
)
def test_a_file_that_may_not_grow_is_named_and_nothing_is_left(
    s2s: Run, tiny_experiment: Path, tmp_path: Path, arguments: list[str], size: int, told: str
) -> None:
    """Nothing is left of a file, that is; a training leaves its description and its course."""
    directory = tmp_path / "experiment"
    shutil.copytree(tiny_experiment, directory)
    shutil.copytree(directory / "data", directory / "own")
    before = contents(directory)
    code, said = limited(s2s, arguments, directory, size)
    assert code == 1, said
    assert said.endswith(f"s2s: {told}\n")
    assert "Traceback" not in said
    left = contents(directory)
    new = {str(path.relative_to(directory)) for path in left.keys() - before.keys()}
    described = ("model.json", "training.json", "vocab.en", "vocab.fr", "metrics.jsonl")
    assert new <= {f"new/{name}" for name in described}
    assert {path: left[path] for path in before} == before


def test_a_path_through_a_file_is_told_of(s2s: Run, tiny_experiment: Path, tmp_path: Path) -> None:
    """Nobody can write there, root neither."""
    shutil.copytree(tiny_experiment, tmp_path / "experiment")
    for arguments in (
        ["prep", "--output", "s2s.toml/data"],
        ["train", "--model", "s2s.toml/model"],
        ["decode", "--input", "corpus/test.en", "--output", "s2s.toml/out.fr"],
    ):
        done = s2s(*arguments, cwd=tmp_path / "experiment")
        said = done.stderr.decode()
        assert done.returncode == 1
        assert said.splitlines()[-1].startswith("s2s: s2s.toml/")
        assert re.search(r"cannot be written \((not a directory|file exists)\)\n$", said)


def test_a_directory_that_goes_while_a_training_runs(popen: Popen, experiment: Path) -> None:
    with popen(
        ["train", "--epochs", "1000", "--log-every", "1"],
        cwd=experiment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "update 40 " in line:  # the first checkpoint is after 10
                break
        gone = experiment / "gone"
        os.rename(experiment / "model", gone)  # noqa: PTH104
        (experiment / "model").write_text("in its place")
        rest = process.stderr.read()
    assert process.returncode == 1
    assert rest.splitlines()[-1].startswith("s2s: model/")
    assert "Traceback" not in rest
    assert (gone / "last.pt").is_file()
