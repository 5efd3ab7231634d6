"""GPUs for tests of commands: pretend ones in the memory of the host, and the machine's own.

The pretend CUDA is a library for one version of torch's build for CPUs, whose sources
``S2S_MOCK_CUDA`` names. It has the real autograd engine and checks of devices, limits of memory and
counts of operations; it has no streams and no time.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

# The CUDA_VISIBLE_DEVICES of before: conftest.py hides all GPUs, so that `auto` is the CPU.
VISIBLE, ALL = "S2S_TESTS_VISIBLE_DEVICES", "all"
VERSION = "2.13."
BUILT = Path(__file__).parents[1] / "build" / "mock-cuda"


@dataclass(frozen=True)
class Gpus:
    """GPUs that commands are run with, each command as a process."""

    environment: dict[str, str] = field(default_factory=dict)

    def s2s(
        self, *arguments: str | Path, cwd: Path, **variables: str
    ) -> "subprocess.CompletedProcess[bytes]":
        """Run ``s2s ARGUMENTS``, or ``python ARGUMENTS`` with ``-c``, with GPUs."""
        words = [str(each) for each in arguments]
        module = [] if "-c" in words else ["-m", "s2s_cli"]
        if not module:  # leaves at once: autograd's threads of GPUs may abort an exit that waits
            words[-1] += "\nimport os\nos._exit(0)\n"
        environment = {**os.environ, **self.environment, **variables}
        environment["CUDA_VISIBLE_DEVICES"] = environment[VISIBLE]
        if environment[VISIBLE] == ALL:
            del environment["CUDA_VISIBLE_DEVICES"]
        return subprocess.run(
            [sys.executable, *module, *words],
            cwd=cwd,
            env=environment,
            capture_output=True,
            timeout=240,
            check=False,
        )


def pretend() -> Gpus:
    """The pretend GPUs; the test is skipped where they cannot be."""
    import torch

    folder = os.environ.get("S2S_MOCK_CUDA")
    if not folder:
        pytest.skip("needs a pretend CUDA: set S2S_MOCK_CUDA to its folder (see CONTRIBUTING.md)")
    suits = torch.__version__.startswith(VERSION) and torch.version.cuda is None
    if not (suits and sys.platform == "linux" and shutil.which("g++")):
        pytest.skip(f"the pretend CUDA needs Linux, g++ and torch {VERSION}x for CPUs")
    source = Path(folder).resolve()
    python = os.pathsep.join(filter(None, [str(source), os.environ.get("PYTHONPATH")]))
    variables = {
        VISIBLE: ALL,
        "MOCK_CUDA_DEVICES": "8",
        "MOCK_CUDA_LIB": str(library(source)),
        "PYTHONPATH": python,
        "OMP_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return Gpus(variables)


def library(source: Path) -> Path:
    """The library that is built from ``source``, once for all processes and sessions."""
    import torch

    content = b"".join(path.read_bytes() for path in sorted(source.glob("*.*")))
    digest = hashlib.sha256(content + torch.__version__.encode()).hexdigest()[:16]
    built = BUILT / digest / "libmockcuda.so"
    built.parent.mkdir(parents=True, exist_ok=True)
    with (built.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not built.exists():
            new = built.with_suffix(".new")
            environment = {**os.environ, "PYTHON": sys.executable, "MOCK_CUDA_LIB": str(new)}
            subprocess.run([str(source / "build.sh")], env=environment, check=True)
            new.rename(built)
    return built


def real() -> Gpus:
    """The GPUs of this machine; the test is skipped where there is none."""
    import torch

    # Products are the same twice, as on a CPU.
    gpus = Gpus({"CUBLAS_WORKSPACE_CONFIG": ":4096:8"})
    seen = torch.version.cuda and gpus.s2s(
        "-c", "import torch; raise SystemExit(not torch.cuda.is_available())", cwd=Path()
    )
    if not seen or seen.returncode:
        pytest.skip("needs a GPU")
    return gpus


def counts(prefix: Path) -> "Counter[str]":
    """What was done on pretend GPUs, as the processes told whose ``MOCK_CUDA_STATS`` it was."""
    found = Counter[str]()
    for path in prefix.parent.glob(f"{prefix.name}.*"):
        for line in path.read_text("utf-8").splitlines():
            if "|" in line:
                _, _, *operation, count = line.split("|")
                found["|".join(operation)] += int(count)
    return found
