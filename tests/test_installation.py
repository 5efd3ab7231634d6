"""The command that adds an optional library names what is installed, and where it came from."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from s2s_cli import installation
from s2s_cli.installation import install_extra


class Installed:
    """A distribution with this direct_url.json, or with none."""

    def __init__(self, origin: str | None) -> None:
        self.origin = origin

    def read_text(self, name: str) -> str | None:
        return self.origin if name == "direct_url.json" else None


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone in a directory with a space, beside the one in which commands run."""
    made = tmp_path / "my clone"
    made.mkdir()
    (made / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)
    own = Path(sys.executable).parent / "pip"
    monkeypatch.setattr("shutil.which", lambda name: str(own))
    return made


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, "pip install 's2s-cli[plot]'"),
        ('{{"url": "{0}", "dir_info": {{"editable": true}}}}', "pip install -e '{1}[plot]'"),
        ('{{"url": "{0}", "dir_info": {{}}}}', "pip install '{1}[plot]'"),
        ('{{"url": "{0}-gone", "dir_info": {{}}}}', "pip install 's2s-cli[plot]'"),
        ('{{"url": "{0}/s2s.whl", "archive_info": {{}}}}', "pip install 's2s-cli[plot]'"),
        ('{{"url": "https://x/s2s", "vcs_info": {{}}}}', "pip install 's2s-cli[plot]'"),
        ("no JSON", "pip install 's2s-cli[plot]'"),
    ],
)
def test_an_index_and_a_clone(
    clone: Path, monkeypatch: pytest.MonkeyPatch, origin: str | None, expected: str
) -> None:
    text = origin and origin.format(clone.as_uri(), "")
    monkeypatch.setattr(metadata, "distribution", lambda name: Installed(text))
    assert install_extra("plot") == expected.format("", clone)


def test_a_clone_that_is_not_installed_in_its_own_directory(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    monkeypatch.setattr(installation, "PACKAGE", clone / "s2s_cli")
    monkeypatch.chdir(clone)
    assert install_extra("plot") == "pip install -e '.[plot]'"
    (clone / "pyproject.toml").unlink()
    assert install_extra("plot") == "pip install 's2s-cli[plot]'"


@pytest.mark.usefixtures("clone")
@pytest.mark.parametrize("found", [None, "/usr/bin/pip"])
def test_another_environment_s_pip_is_not_named(
    found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: found)
    monkeypatch.setattr(sys, "executable", "/my env/bin/python")
    assert install_extra("onnx").startswith("'/my env/bin/python' -m pip install ")
