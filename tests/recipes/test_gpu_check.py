"""The check of a machine's GPUs: its page, and that its checks find what they look for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from gpus import Gpus

RECIPE = Path(__file__).parents[2] / "recipes/gpu_check"
CHECK = [sys.executable, str(RECIPE / "check.py")]


def run(*options: str, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*CHECK, *options],
        cwd=cwd,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_without_a_gpu_it_says_so(tmp_path: Path) -> None:
    done = run(cwd=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 1
    assert done.stderr.startswith("run.sh: torch sees 0 GPUs here, and 1 are to be checked; ")
    assert not list(tmp_path.iterdir())


def test_the_page_of_no_run_has_all_checks(tmp_path: Path) -> None:
    page = RECIPE / "RESULTS.md"
    if "nobody has run it yet" not in page.read_text():
        pytest.skip("somebody has run it")
    assert run("--not-run", "--page", "page.md", cwd=tmp_path).returncode == 0
    assert (tmp_path / "page.md").read_text() == page.read_text()


@pytest.mark.mock_cuda
def test_a_check_compares_the_gpu_with_the_cpu(pretend_gpus: Gpus, tmp_path: Path) -> None:
    only = ["--only", "log probabilities, fp32"]
    variables = {**pretend_gpus.environment, "CUDA_VISIBLE_DEVICES": "0"}
    done = run("1", "--quick", "--page", "page.md", *only, cwd=tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("passed  log probabilities, fp32: ")
    assert "| log probabilities, fp32 | passed |" in (tmp_path / "page.md").read_text()
