"""Limits that the system itself sets, also to calls that no Python function makes."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest


def limited(arguments: list[str], directory: Path, size: int) -> "subprocess.CompletedProcess[str]":
    """``s2s ARGUMENTS`` where a file may have so many bytes, as on a disk that fills up."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # write(2) then fails with EFBIG
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return subprocess.run(
        [sys.executable, "-m", "s2s_cli", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )


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
    tiny_experiment: Path, tmp_path: Path, arguments: list[str], size: int, told: str
) -> None:
    """Nothing is left of a file, that is; a training leaves its description and its course."""
    directory = tmp_path / "experiment"
    shutil.copytree(tiny_experiment, directory)
    shutil.copytree(directory / "data", directory / "own")
    before = contents(directory)
    result = limited(arguments, directory, size)
    assert result.returncode == 1, result.stderr
    assert result.stderr.endswith(f"s2s: {told}\n")
    assert "Traceback" not in result.stderr
    left = contents(directory)
    new = {str(path.relative_to(directory)) for path in left.keys() - before.keys()}
    assert new <= {
        f"new/{name}" for name in ("model.json", "vocab.en", "vocab.fr", "metrics.jsonl")
    }
    assert {path: left[path] for path in before} == before


def test_a_path_through_a_file_is_told_of(tiny_experiment: Path, tmp_path: Path) -> None:
    """Nobody can write there, root neither."""
    shutil.copytree(tiny_experiment, tmp_path / "experiment")
    for arguments in (
        ["prep", "--output", "s2s.toml/data"],
        ["train", "--model", "s2s.toml/model"],
        ["decode", "--input", "corpus/test.en", "--output", "s2s.toml/out.fr"],
    ):
        result = limited(arguments, tmp_path / "experiment", resource.RLIM_INFINITY)
        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith("s2s: s2s.toml/")
        assert re.search(r"cannot be written \((not a directory|file exists)\)\n$", result.stderr)


def test_a_directory_that_goes_while_a_training_runs(experiment: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "s2s_cli", "train", "--epochs", "1000", "--log-every", "1"],
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
