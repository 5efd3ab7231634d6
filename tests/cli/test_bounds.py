"""Numbers out of range: every numeric option of every command refuses them, wherever they stand."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s2s_cli.commands.app import COMMANDS, FIGURES, known_options, load_command
from s2s_cli.commands.settings_file import Kind, read_settings
from s2s_cli.errors import UsageError

KNOWN = known_options()


def numeric_options() -> Iterator[tuple[str, str, Kind]]:
    """The section, key and kind of each option that is a number."""
    for section in KNOWN:
        for key, kind in KNOWN[section].items():
            if kind.type in (int, float):
                yield section, key, kind


def out_of_range(kind: Kind) -> Iterator[str]:
    """Values that are no value of the option, as they are typed."""
    assert kind.bounds
    low, high = kind.bounds.low, kind.bounds.high
    yield from (str(high + 1), str(low - 1), str(2**31), str(2**63), str(2**64), str(10**400))
    yield from ("-" + str(10**400), "nan", "inf", "-inf", "1e-310", "1e308")
    if kind.type is int:
        yield "1.5"


@pytest.fixture(scope="module")
def parse() -> Callable[[str, str, str], Any]:
    """Read ``--key value`` as the command of a section does, which is not run."""
    every = {**COMMANDS, **{f"show.{name}": listed for name, listed in FIGURES.items()}}
    made = {each: load_command(each.rpartition(".")[2], every[each]) for each in KNOWN}

    def run(section: str, key: str, value: str) -> Any:
        command = made[section]
        needed = ["x" for each in command.params if each.required]
        return command.make_context(section, [*needed, f"--{key}={value}"]).params

    return run


def told(read: Callable[[], Any]) -> str:
    with pytest.raises(UsageError) as error:
        read()
    assert error.value.exit_code == 2
    return str(error.value)


def test_every_number_has_a_range_and_refuses_what_is_outside(
    parse: Callable[[str, str, str], Any], tmp_path: Path
) -> None:
    path = tmp_path / "s2s.toml"
    found = list(numeric_options())
    assert len(found) > 50
    for section, key, kind in found:
        assert kind.min is not None, f"{section} --{key} has no lower bound"
        assert kind.max is not None and kind.max < 2**31, f"{section} --{key} has no upper bound"
        for value in out_of_range(kind):
            path.write_text(f"[{section}]\n{key} = {value}\n", "utf-8")
            for sentence in (
                told(lambda s=section, k=key, v=value: parse(s, k, v)),  # type: ignore[misc]
                told(lambda: read_settings(path, KNOWN)),
            ):
                assert f"at most {kind.max:,}" in sentence
                assert key in sentence and "\n" not in sentence and len(sentence) < 250, sentence


def test_the_bounds_themselves_are_taken(parse: Callable[[str, str, str], Any]) -> None:
    for section, key, kind in numeric_options():
        assert kind.min is not None and kind.max is not None
        for value in (kind.min, kind.max):
            params = parse(section, key, str(value))
            assert params[key.replace("-", "_")] == value
            assert type(params[key.replace("-", "_")]) is kind.type
