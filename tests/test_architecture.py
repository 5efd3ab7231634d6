"""The house stands as it was drawn: imports point down, and never to the room next door."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import s2s_cli

PACKAGE = Path(s2s_cli.__file__).parent
GROUND = "ground"
LEVELS = {
    GROUND: 0,
    "text": 1,
    "preparation": 2,
    "data": 2,
    "model": 2,
    "inference": 3,
    "distributed": 3,
    "training": 4,
    "decoding": 4,
    "rescoring": 4,
    "scoring": 4,
    "planning": 5,
    "info": 5,
    "report": 5,
    "validation": 5,
    "api": 5,
    "commands": 6,
}
GROUND_NAMES = {
    *("__init__", "__version__", "errors", "files", "atomic_files", "locks", "console", "parallel"),
    *("interrupts", "processes", "destinations", "installation", "openmp"),
    *("settings", "json_fields", "toml"),
}
LONGEST_FILE = 400


@dataclass(frozen=True)
class Import:
    """One imported module; ``at_once``: when the file is imported, not when a function runs."""

    file: str
    line: int
    module: str
    at_once: bool

    @property
    def library(self) -> str:
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of_file(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    # The package itself hands out the Python interface, and its ground is none the wiser.
    own = {"__main__": "commands", "__init__": "api"}
    module = ".".join(parts)
    return own.get(module) or room_of_module(module)


def room_of_module(name: str) -> str:
    """The room of a module named without the package: ``text.facts``."""
    first = name.partition(".")[0]
    return GROUND if first in GROUND_NAMES else first


def imports(path: Path) -> Iterator[Import]:
    """Every import of a file, those within functions and for type checkers too."""
    tree = ast.parse(path.read_text("utf-8"))
    later = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef)
        or (isinstance(outer, ast.If) and ast.unparse(outer.test) == "TYPE_CHECKING")
        for inner in ast.walk(outer)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                modules = [alias.name for alias in node.names]
            case ast.ImportFrom(module=str(module), level=0):
                # `from s2s_cli import files` names a module, `from s2s_cli.files import STDIO` not.
                ours = module == PACKAGE.name
                modules = [f"{module}.{each.name}" for each in node.names] if ours else [module]
            case ast.ImportFrom():
                modules = ["a relative name"]
            case _:
                continue
        for module in modules:
            yield Import(path.name, node.lineno, module, node not in later)


def all_imports() -> list[tuple[str, Import]]:
    """Each import of the package, with the room that it is made in."""
    return [(room_of_file(path), each) for path in sources() for each in imports(path)]


def test_every_room_is_in_the_plan() -> None:
    assert {room_of_file(path) for path in sources()} == set(LEVELS)


def test_imports_point_down() -> None:
    ours = [
        (room, room_of_module(each.module.removeprefix(f"{PACKAGE.name}.")), each)
        for room, each in all_imports()
        if each.library == PACKAGE.name
    ]
    wrong = [
        f"{each}: {room} must not know {other}"
        for room, other, each in ours
        if room != other and LEVELS[other] >= LEVELS[room]
    ]
    assert ours
    assert not wrong, "\n".join(wrong)


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def cycles(imported: dict[str, set[str]]) -> set[str]:
    """The modules from which a circle of imports is reached."""
    left = dict(imported)
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    return set(left)


def test_no_modules_import_each_other() -> None:
    modules = {module_of(path): path for path in sources()}
    imported = {
        module: {each.module for each in imports(path)} & modules.keys()
        for module, path in modules.items()
    }
    assert sum(map(len, imported.values())) > len(modules)
    assert not cycles(imported)
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == {"a", "b", "c"}


def test_libraries_are_imported_only_where_they_belong() -> None:
    def belongs(room: str, each: Import) -> bool:
        match each.library:
            # typer carries a click of its own; the other one's exceptions would not be its own.
            case "click" | "pydantic" | "numpy" | "onnxruntime" | "a relative name":
                return False
            case "typer":
                return room == "commands"
            case "torch":
                return LEVELS[room] in (2, 3) or room in {
                    "training",
                    "planning",
                    "decoding",
                    "rescoring",
                    "validation",
                    "api",
                }
            case "matplotlib":
                return room == "scoring" and not each.at_once
            case "onnx":
                return room == "model" and not each.at_once
            case "sentencepiece":
                return room == "text" and not each.at_once
            case "rich" | "sacremoses" | "sacrebleu":
                return not each.at_once
            case _:
                return True

    wrong = [str(each) for room, each in all_imports() if not belongs(room, each)]
    assert not wrong, "\n".join(wrong)


def test_no_file_is_too_long_to_read() -> None:
    lengths = {path.name: path.read_text("utf-8").count("\n") for path in sources()}
    assert not {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE}


def test_imports_are_seen_wherever_they_stand(tmp_path: Path) -> None:
    """A walk that overlooked some would let anything pass."""
    example = tmp_path / "example.py"
    example.write_text(
        "from typing import TYPE_CHECKING\n"
        "from s2s_cli import console, files\n"
        "if TYPE_CHECKING:\n"
        "    import torch.nn\n"
        "class A:\n"
        "    def f():\n"
        "        from s2s_cli.model.seq2seq import Seq2Seq\n",
        "utf-8",
    )
    found = {(each.line, each.module, each.at_once) for each in imports(example)}
    assert found == {
        (1, "typing", True),
        (2, "s2s_cli.console", True),
        (2, "s2s_cli.files", True),
        (4, "torch.nn", False),
        (7, "s2s_cli.model.seq2seq", False),
    }


def public_names(tree: ast.Module) -> set[str]:
    """Names that the statements of a module define: functions, classes, constants, types."""
    found = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Assign(targets=targets):
                found |= {each.id for each in targets if isinstance(each, ast.Name)}
    return {name for name in found if not name.startswith("_")}


def test_a_public_name_stands_in_one_file() -> None:
    """A reader who meets it knows which one it is, without looking at the imports."""
    files: dict[str, list[str]] = {}
    for path in sources():
        for name in public_names(ast.parse(path.read_text("utf-8"))):
            files.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    assert len(files) > 1000
    assert not {name: paths for name, paths in files.items() if len(paths) > 1}


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    words = {"What", "Whether", "Of", "As", "How", "Likewise,"}
    wrong = [
        f"{path.name}:{node.lineno}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and (ast.get_docstring(node) or "").partition(" ")[0] in words
    ]
    assert not wrong
