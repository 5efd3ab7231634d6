"""What CONTRIBUTING.md says of the code is so."""

import ast
import re
from pathlib import Path

import pytest
from test_architecture import LEVELS

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PLACES = CONTRIBUTING.partition("## Where to add")[2].partition("\n## ")[0]


def test_the_rooms_are_on_the_levels_that_the_tests_hold_them_to() -> None:
    rows = re.findall(r"^\| (\d) \| `(\w+)` \|", CONTRIBUTING, re.M)
    assert {room: int(level) for level, room in rows} == LEVELS


def test_files_to_touch_are_there() -> None:
    """Paths are those under s2s_cli/, or of the whole."""
    paths = set(re.findall(r"`([\w/.-]+/[\w.-]+\.\w+)`", PLACES))
    assert len(paths) > 15
    assert [
        each for each in paths if not any((ROOT / top / each).exists() for top in ("s2s_cli", "."))
    ] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_linked_files_exist(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text("utf-8"))
    assert links
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_commands_to_run_name_files_that_exist() -> None:
    scripts = re.findall(r"(?:tests|recipes)/[\w/]+(?:\.\w+)*", CONTRIBUTING)
    assert scripts
    assert [each for each in scripts if not (ROOT / each).exists()] == []


def defined(path: str) -> dict[str, ast.AST]:
    """The names of a module under s2s_cli/ and of methods in it, with what defines them."""
    names: dict[str, ast.AST] = {}
    for node in ast.walk(ast.parse((ROOT / "s2s_cli" / path).read_text("utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names[name] = node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                names[name] = node
    return names


def test_names_in_the_table_are_defined_where_it_says() -> None:
    """Also that cases are closed: mypy then names the function in which a new kind is forgotten."""
    rows = [row.strip("| ").split(" | ") for row in re.findall(r"^\|.*`.*$", PLACES, re.M)]
    assert len(rows) >= 10
    for row in rows:
        for column, cell in enumerate(row):
            for names, path in re.findall(r"(`\w+`(?:(?:, | and )`\w+`)*) in `([\w/]+\.py)`", cell):
                for name in re.findall(r"`(\w+)`", names):
                    node = defined(path).get(name)
                    assert node is not None, f"{name} is not in {path}"
                    if column == 2 and isinstance(node, ast.FunctionDef):
                        assert "assert_never(" in ast.unparse(node), f"{name} in {path} is open"
