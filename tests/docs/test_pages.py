"""What README.md and docs/ say is so: commands parse, links lead somewhere, defaults are right."""

import contextlib
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import variants
from doc_pages import PAGES, README, ROOT, TEXTS, blocks, code, prose, section, table

from s2s_cli.commands.app import known_options, root_command
from s2s_cli.commands.settings_file import read_settings
from s2s_cli.model.onnx_export import NEXT, decoder_graph, encoder_graph
from s2s_cli.model.seq2seq import Seq2Seq

GROUP: Any = root_command()
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# of other toolkits; of every command; of pip; of docker; of sbatch; of recipes
OTHER_OPTIONS = {
    *("--lr", "--help", "--constraint", "--editable", "--extra-index-url"),
    *("--interactive", "--tty", "--user", "--signal", "--moses", "--digits", "--smoke"),
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def shell_lines(text: str) -> Iterator[str]:
    """The lines of shell in a page: blocks, what follows `$ ` in sessions, and backquotes."""
    yield from whole_commands("".join(blocks(text, "sh")).replace("\\\n", "").split("\n"))
    for session in blocks(text, "text") + blocks(text, "console"):
        yield from re.findall(r"^\$ (.*)$", session.replace("\\\n", ""), re.M)
    spans = re.findall(r"`(s2s [^`\n]+)`", prose(text))
    yield from (span for span in spans if "COMMAND" not in span)


def whole_commands(lines: list[str]) -> Iterator[str]:
    """Join the lines of which an argument between quotes has several."""
    command = ""
    for line in lines:
        command += line + "\n"
        with contextlib.suppress(ValueError):  # no closing quotation yet
            shlex.split(command, comments=True)
            yield command
            command = ""
    assert not command, command


def s2s_commands(text: str) -> Iterator[list[str]]:
    """The words of every `s2s` command of a page."""
    for line in shell_lines(text):
        line = re.sub(r" 2>(?:&1| ?\S+)", "", line)
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        words: list[str] = []
        for word in [*lexer, "|"]:
            if set(word) <= set("|&;"):
                if words[:1] == ["s2s"]:
                    yield without_redirections(words[1:])
                words = []
            else:
                words.append(word)


def without_redirections(words: list[str]) -> list[str]:
    files = {index + 1 for index, word in enumerate(words) if word in ("<", ">")}
    return [
        word for index, word in enumerate(words) if index not in files and word not in ("<", ">")
    ]


def parse(words: list[str]) -> None:
    """Parse a command line as `s2s` would, and run nothing."""
    while words[0] in ("--config", "--version", "--quiet", "-q", "help"):
        words = words[2:] if words[0] == "--config" else words[1:]
        if not words:
            return
    name, *arguments = words
    command = GROUP.commands[name]
    if hasattr(command, "commands"):
        if not arguments:
            return
        name, *arguments = arguments
        command = command.commands[name]
        if not arguments:  # named, not used
            return
    command.make_context(name, arguments)


def every_command(command: Any) -> Iterator[Any]:
    """``command`` and all below it."""
    yield command
    for each in getattr(command, "commands", {}).values():
        yield from every_command(each)


@pytest.mark.parametrize("name", TEXTS)
def test_commands_parse(name: str) -> None:
    for words in s2s_commands(TEXTS[name]):
        try:
            parse(words)
        except Exception as error:
            pytest.fail(f"{shlex.join(['s2s', *words])}: {error}")


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    assert ["train", "--max-minutes", "30"] in list(s2s_commands(PAGES["tour"]))
    assert sum(1 for text in TEXTS.values() for _ in s2s_commands(text)) > 50
    with pytest.raises(Exception, match="has no option"):
        parse(["train", "--learning-rates", "1"])


@pytest.mark.parametrize("name", TEXTS)
def test_every_option_in_the_text_exists(name: str) -> None:
    known = {
        name
        for command in every_command(GROUP)
        for each in command.params
        for name in (*each.opts, *each.secondary_opts)
    }
    assert set(OPTION.findall(prose(TEXTS[name]))) - known - OTHER_OPTIONS == set()


def test_the_table_of_commands_has_all_in_their_order() -> None:
    names = [code(row[0]) for row in table(section("index", "Commands"), "command")]
    assert names == [f"s2s {name}" for name in GROUP.commands]


def test_the_defaults_are_those_of_the_table() -> None:
    rows = table(PAGES["paper-defaults"], "what")
    assert len(rows) >= 15
    for what, value, option, _ in rows:
        command, name = code(option).split(" ")
        (parameter,) = (each for each in GROUP.commands[command].params if name in each.opts)
        default = parameter.default
        if isinstance(default, bool):
            assert f"{name}`, off unless given" in option and not default, what
        else:
            told = value.strip("`").replace(",", "")
            assert (told if isinstance(default, str) else float(told)) == default, what


def test_settings_in_the_text_are_settings(tmp_path: Path) -> None:
    found = [block for text in TEXTS.values() for block in blocks(text, "toml")]
    assert len(found) >= 2
    for text in found:
        path = tmp_path / "s2s.toml"
        path.write_text(text, "utf-8")
        assert set(read_settings(path, known_options())) == set(tomllib.loads(text))


def test_links_to_files_of_the_project_lead_to_files() -> None:
    """Links between pages are checked by mkdocs. Others are absolute, also for package indices."""
    source = re.escape(PROJECT["urls"]["Source"])
    links = re.findall(rf"{source}/(?:blob|tree)/main/([^)#\s]*)", "\n".join(TEXTS.values()))
    name = PROJECT["urls"]["Source"].removeprefix("https://github.com/")
    raw = f"https://raw.githubusercontent.com/{re.escape(name)}/main/"
    links += re.findall(rf"{raw}([^)#\s]*)", "\n".join(TEXTS.values()))
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link] == []


def test_the_readme_is_short() -> None:
    assert len(README.encode()) <= 9000, "what only some readers need belongs in docs/"


def test_make_targets_and_scripts_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    text = "\n".join(TEXTS.values())
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", text, re.M))
    assert {"demo", "test"} <= named <= targets
    assert {"demo", "test"} <= set(re.findall(r"^make ([a-z]+)", README, re.M))
    scripts = set(re.findall(r"recipes/[\w/]+\.(?:sh|py)", text))
    assert scripts and all((ROOT / script).is_file() for script in scripts)


def test_what_is_exported_has_the_names_of_the_table() -> None:
    cells = " ".join(row[0] for row in table(PAGES["onnx"], "name"))
    graphs = [
        make(Seq2Seq(variants.shape(each)))
        for each in variants.OPTIONS
        for make in (encoder_graph, decoder_graph)
    ]
    values = [each for graph in graphs for each in (*graph.inputs, *graph.outputs)]
    assert set(re.findall(r"`(\w+)`", cells)) == {each.name.removeprefix(NEXT) for each in values}


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Among them: links and anchors that lead nowhere, and pages that the navigation lacks."""
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir"]
    run = subprocess.run(
        [*build, tmp_path / "site"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert {path.name for path in (tmp_path / "site").iterdir()} > set(PAGES) - {"index"}
