"""CHANGELOG.md, the version and the formats of files say the same."""

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.version import Version

from s2s_cli import __version__
from s2s_cli.model import description, directory
from s2s_cli.text import facts

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text("utf-8")
SOURCE = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]["Source"]
UNRELEASED = "Unreleased"
# Newest format of each kind of file; the code reads all from 1 on.
NEWEST_FORMATS = {
    "data": facts.FACTS_FORMAT,
    "model": facts.FACTS_FORMAT,
    "weights": directory.WEIGHTS_FORMAT,
    "export": description.EXPORT_FORMAT,
}


@dataclass(frozen=True)
class Section:
    """One section of the changelog; ``day`` is empty for what is not released."""

    name: str
    day: str
    text: str

    @property
    def formats(self) -> dict[str, list[int]]:
        """All numbers in the line ``Formats: data 1 and 2; model 1.``, by the kind of file."""
        (line,) = re.findall(r"^Formats: (.+)\.$", self.text, re.M)
        kinds = [part.partition(" ") for part in line.split("; ")]
        return {kind: [int(each) for each in numbers.split(" and ")] for kind, _, numbers in kinds}


def read_sections(text: str) -> list[Section]:
    """All sections, the newest first."""
    heading = r"^## \[(.+?)\](?: - (\S+))?\n(.*?)(?=^## |^\[|\Z)"
    return [Section(*found) for found in re.findall(heading, text, re.M | re.S)]


SECTIONS = read_sections(CHANGELOG)
RELEASES = [each for each in SECTIONS if each.name != UNRELEASED]


def check_version(version: str, sections: list[Section]) -> None:
    """Hold a version against the newest section: a release has its own, all else is .dev0."""
    newest = sections[0]
    if newest.name == UNRELEASED:
        assert version.endswith(".dev0"), "there is an [Unreleased] section: the version is .dev0"
        assert Version(version) > Version(sections[1].name)
    else:
        assert version == newest.name


def test_the_version_is_that_of_the_newest_section() -> None:
    check_version(__version__, SECTIONS)


@pytest.mark.parametrize(
    ("version", "headings"),
    [
        ("0.2.0", "## [Unreleased]\n## [0.2.0] - 2026-11-30\n"),
        ("0.2.0.dev0", "## [Unreleased]\n## [0.2.0] - 2026-11-30\n"),
        ("0.3.0.dev0", "## [0.2.0] - 2026-11-30\n"),
    ],
)
def test_two_programs_do_not_get_one_version(version: str, headings: str) -> None:
    with pytest.raises(AssertionError):
        check_version(version, read_sections(headings))


def test_a_version_between_releases_is_newer_than_the_last() -> None:
    check_version("0.3.0.dev0", read_sections("## [Unreleased]\n## [0.2.0] - 2026-11-30\n"))


def test_releases_stand_in_their_order_with_their_days() -> None:
    for newer, older in pairwise(RELEASES):
        assert Version(newer.name) > Version(older.name)
        assert date.fromisoformat(newer.day) >= date.fromisoformat(older.day)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", each.name) for each in RELEASES)


def test_each_section_links_to_what_changed() -> None:
    links = dict(re.findall(r"^\[(.+)\]: (\S+)$", CHANGELOG, re.M))
    tags = ["HEAD" if each.name == UNRELEASED else f"v{each.name}" for each in SECTIONS]
    wanted = [f"compare/{older}...{newer}" for newer, older in pairwise(tags)]
    wanted.append(f"releases/tag/{tags[-1]}")
    names = [each.name for each in SECTIONS]
    assert links == dict(zip(names, [f"{SOURCE}/{each}" for each in wanted], strict=True))


def test_the_newest_section_names_the_formats_that_the_code_has() -> None:
    assert SECTIONS[0].formats == {
        kind: list(range(1, newest + 1)) for kind, newest in NEWEST_FORMATS.items()
    }


def test_each_format_of_a_directory_has_one_in_the_golden_tests() -> None:
    golden = ROOT / "tests" / "golden"
    for kind in ("data", "model"):
        for number in SECTIONS[0].formats[kind]:
            assert any(golden.glob(f"{kind}-{number}*")), f"no {kind} directory of format {number}"


def test_a_patch_changes_no_format() -> None:
    for newer, older in pairwise(RELEASES):
        if Version(newer.name).release[:2] == Version(older.name).release[:2]:
            assert newer.formats == older.formats


def test_the_citation_is_of_the_newest_release() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    told = dict(re.findall(r"^(version|date-released): \"?([^\"\n]+)\"?$", citation, re.M))
    assert told == {"version": RELEASES[0].name, "date-released": RELEASES[0].day}
