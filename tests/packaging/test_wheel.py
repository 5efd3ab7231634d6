"""What ``pip install .`` brings onto a machine, and what a release holds."""

import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from s2s_cli import __version__

ROOT = Path(__file__).parents[2]
BUILD = "import sys; from setuptools import build_meta; build_meta.build_{}('dist')"


def build(kind: str, copy: Path) -> Path:
    """Build a ``wheel`` or an ``sdist`` in a copy, because building leaves files beside it."""
    command = [sys.executable, "-c", BUILD.format(kind)]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (copy / "dist").iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(
        ROOT / "s2s_cli", copy / "s2s_cli", ignore=shutil.ignore_patterns("__pycache__")
    )
    return zipfile.ZipFile(build("wheel", copy))


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = (each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
    return Parser().parsestr(wheel.read(name).decode())


def test_it_holds_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    source = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "s2s_cli").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == source


def test_it_holds_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    names = {Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name}
    assert "s2s = s2s_cli" in wheel.read(names["entry_points.txt"]).decode()
    assert "LICENSE" in names


def test_it_says_whose_it_is_and_where_it_lives(wheel: zipfile.ZipFile) -> None:
    told = metadata(wheel)
    assert told["Version"] == __version__
    assert (told["Author"], told["License-Expression"]) == ("s2s contributors", "MIT")
    names = {each.partition(", ")[0] for each in told.get_all("Project-URL", [])}
    assert names == {"Homepage", "Documentation", "Source", "Changelog", "Issues"}


def test_an_sdist_is_the_clone(tmp_path: Path) -> None:
    """Who builds from it, a distribution for one, can run the tests."""
    if not (ROOT / ".git").exists():
        pytest.skip("no clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    with tarfile.open(build("sdist", tmp_path)) as archive:
        packed = {each.name.partition("/")[2] for each in archive if each.isfile()}
    made = {name for name in packed if ".egg-info/" in name} | {"PKG-INFO", "setup.cfg"}
    assert packed - made == files
