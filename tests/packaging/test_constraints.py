"""The constraints file names one version of everything that an installation brings in."""

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins() -> dict[str, str]:
    """Name and version of each line of constraints.txt, which may hold ``name==version`` only."""
    found: dict[str, str] = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, equals, pinned = line.partition("==")
            assert equals, f"{line!r} is not an exact pin"
            assert canonicalize_name(name) not in found, f"{name} is pinned twice"
            found[canonicalize_name(name)] = pinned
    return found


def declared() -> list[Requirement]:
    """What pyproject.toml asks for, to run and to develop."""
    texts = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]
    return [Requirement(text) for text in texts]


def needed() -> dict[str, set[str]]:
    """Every package that the installed ones need in turn, with the versions they ask for."""
    asked: dict[str, set[str]] = {}
    queue = [(each.name, str(each.specifier), each.extras) for each in declared()]
    while queue:
        name, wanted, extras = queue.pop()
        known = canonicalize_name(name) in asked
        asked.setdefault(canonicalize_name(name), set()).add(wanted)
        if known and not extras:
            continue
        for requirement in map(Requirement, distribution(name).requires or []):
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": e}) for e in {"", *extras}):
                queue.append((requirement.name, str(requirement.specifier), set()))
    return asked


def test_everything_an_installation_brings_is_pinned() -> None:
    pinned = pins()
    loose = [
        name
        for name, wanted in needed().items()
        if name not in pinned and not any(each.startswith("==") for each in wanted)
    ]
    assert loose == []


def test_every_dependency_has_a_floor_that_its_pin_meets() -> None:
    pinned = pins()
    for requirement in declared():
        assert re.match(r">=\d", str(requirement.specifier)), requirement
        assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])
