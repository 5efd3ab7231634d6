"""The soak in short: real processes, killed at moments that a seed decides."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).resolve().parent.parent / "faults"


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
def test_a_training_killed_again_and_again_ends_as_one_left_alone(tmp_path: Path) -> None:
    result = tmp_path / "soak.txt"
    run = subprocess.run(
        [sys.executable, FAULTS / "soak.py", "--kills", "6", "--seed", "3", "--result", result],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.endswith(result.read_text())
    assert re.search(r"^kills: 6 \(SIG", result.read_text(), re.MULTILINE)


def test_the_long_run_is_kept_with_all_kinds_of_kills() -> None:
    kept = (FAULTS / "soak.txt").read_text()
    found = {
        name: int(number) for name, number in re.findall(r"(SIG\w+|call|clock|writing) (\d+)", kept)
    }
    kinds = ("SIGINT", "SIGKILL", "SIGTERM", "SIGUSR1")
    assert sum(found[kind] for kind in kinds) >= 200
    assert min(found.values()) >= 20
    assert set(found) == {*kinds, "call", "clock", "writing"}
    assert "the same to the bit" in " ".join(kept.split())
