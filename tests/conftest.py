"""Fixtures that every room's tests share."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def s2s() -> Run:
    """Run ``s2s ARGUMENTS`` as a real process: ``s2s("vocab", cwd=..., input=b"...")``."""

    def run(
        *arguments: str | Path, cwd: Path | None = None, input: bytes = b"", timeout: float = 240
    ) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(
            [sys.executable, "-m", "s2s_cli", *map(str, arguments)],
            cwd=cwd,
            input=input,
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real text; the tests that need it say so where it is missing."""
    folder = os.environ.get("S2S_DATA")
    if not folder:
        pytest.skip("needs real text: set S2S_DATA to the folder that has it (see README)")
    return Path(folder).resolve()
