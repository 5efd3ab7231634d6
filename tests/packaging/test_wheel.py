"""What ``pip install .`` brings onto a machine."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy because building leaves files beside the source."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(
        ROOT / "s2s_cli", copy / "s2s_cli", ignore=shutil.ignore_patterns("__pycache__")
    )
    done = subprocess.run(
        [sys.executable, "-c", BUILD, "dist"], cwd=copy, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = (copy / "dist").glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_every_module_and_the_mark_of_typed_code(wheel: zipfile.ZipFile) -> None:
    source = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "s2s_cli").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == source


def test_it_holds_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    names = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "s2s = s2s_cli" in wheel.read(names["entry_points.txt"]).decode()
    assert "LICENSE" in names
