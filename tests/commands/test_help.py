"""Help of each command: plain text that fits a terminal, under headings, with examples."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from odd_models import s2s_here

from s2s_cli.commands.app import COMMANDS, FIGURES, root_command
from s2s_cli.commands.help import EVERY, split_examples

NAMES = [*COMMANDS, *(f"show {name}" for name in FIGURES)]


def headings(text: str) -> list[str]:
    return re.findall(r"^([A-Z][^:\n]*):$", text, re.M)


@pytest.mark.parametrize("name", NAMES)
def test_help_is_plain_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = s2s_here(*name.split(), "--help").out
    lines = text.splitlines()
    assert lines[0].startswith(f"Usage: s2s {name} ")
    assert max(map(len, lines)) <= 80
    assert not re.search(r"<=|\bNone\b|\N{NO-BREAK SPACE}|--no-(?!nfc)", text)
    assert headings(text)[-2:] == [EVERY, "Examples"]


def examples(name: str) -> Iterator[list[str]]:
    """The words after ``s2s`` in the examples of a command, without files that are piped."""
    command: Any = root_command()
    for each in name.split():
        command = command.commands[each]
    for line in split_examples(command.help)[1]:
        for part in line.split(" | "):
            words = shlex.split(re.sub(r" [<>] \S+", "", part))
            if words[0] == "s2s":
                yield words[1:]


@pytest.mark.parametrize("name", NAMES)
def test_examples_parse(name: str) -> None:
    found = list(examples(name))
    assert name.split() in [words[: len(name.split())] for words in found]
    for words in found:
        parsed = s2s_here(*words, "--dump-config")
        assert (parsed.code, parsed.told) == (0, ""), parsed.told


def test_options_of_train_are_under_headings() -> None:
    assert headings(s2s_here("train", "--help").out) == [
        "Data and model",
        "Beyond the paper",
        "Optimisation",
        "Stopping",
        "Validation, saving and logging",
        "Hardware",
        EVERY,
        "Examples",
    ]


def test_only_ranges_that_say_something_are_shown() -> None:
    train, score = (" ".join(s2s_here(name, "--help").out.split()) for name in ("train", "score"))
    assert "[between 0 and 0.99, default: 0]" in train
    assert "Size of the word embeddings. [default: 1000]" in train
    assert "[at least 100, default: 10000]" in score


def test_what_must_be_given_is_marked() -> None:
    text = s2s_here("show", "lengths", "--help").out
    assert text.startswith("Usage: s2s show lengths [OPTIONS] REFERENCE TRANSLATION...\n")
    assert text.count("[required]") == 2
    assert "[OPTIONS] [INPUT]\n" in s2s_here("decode", "--help").out


def test_a_switch_that_is_on_shows_how_to_switch_it_off() -> None:
    assert "--nfc / --no-nfc " in s2s_here("prep", "--help").out
    assert "--no-bidirectional" not in s2s_here("train", "--help").out
