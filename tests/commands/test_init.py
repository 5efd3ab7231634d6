"""Settings to start from: all of them are settings, and a training with them runs."""

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import pytest
from odd_models import s2s_here

from s2s_cli.commands.app import known_options
from s2s_cli.commands.settings_file import read_settings
from s2s_cli.data.numericalise import VocabConfig
from s2s_cli.model.config import ModelConfig, Preset
from s2s_cli.training.config import TrainingConfig

PRESETS = get_args(Preset)
ENGLISH = ["one two three", "two", "three one", "one"] * 10
GERMAN = ["eins zwei drei", "zwei", "drei eins", "eins"] * 10


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(*arguments: str) -> dict[str, Any]:
    done = s2s_here("init", *arguments)
    assert done.code == 0, done.told
    read_settings(Path("s2s.toml"), known_options())
    return tomllib.loads(Path("s2s.toml").read_text("utf-8"))


@pytest.mark.parametrize("preset", PRESETS)
def test_every_setting_has_a_comment_also_one_that_is_off(preset: str) -> None:
    written("--preset", preset)
    settings = [line for line in Path("s2s.toml").read_text("utf-8").split("\n") if " = " in line]
    assert all("  # " in line for line in settings)
    switched_on = [line.removeprefix("# ") for line in settings]
    heads = [line for line in Path("s2s.toml").read_text("utf-8").split("\n") if line[:1] == "["]
    assert len(switched_on) > len(heads)
    text = "\n".join(
        line.removeprefix("# ") if " = " in line else line
        for line in Path("s2s.toml").read_text("utf-8").split("\n")
    )
    Path("all.toml").write_text(text, "utf-8")
    read_settings(Path("all.toml"), known_options())


def test_the_paper_s_preset_is_what_the_commands_do_by_themselves() -> None:
    settings = written("--preset", "paper")
    defaults = {
        each.name.replace("_", "-"): each.default
        for group in (TrainingConfig, ModelConfig, VocabConfig)
        for each in fields(group)
    }
    for section in ("train", "vocab"):
        assert settings[section].items() <= defaults.items()


def test_a_file_that_is_there_stays() -> None:
    Path("s2s.toml").write_text("mine", "utf-8")
    done = s2s_here("--config", "/dev/null", "init")
    assert (done.code, "s2s.toml: exists already" in done.told) == (1, True)
    assert Path("s2s.toml").read_text("utf-8") == "mine"


def test_what_to_do_next_is_told() -> None:
    told = s2s_here("init", "--source-language", "en", "--target-language", "de").told
    assert "\n  corpus/train.en  corpus/train.de\n  corpus/valid.en" in told
    Path("corpus").mkdir()
    for split in ("train", "valid", "test"):
        Path(f"corpus/{split}.en.gz").touch()
        Path(f"corpus/{split}.de").touch()
    Path("s2s.toml").unlink()
    told = s2s_here("init", "--target-language", "de").told
    assert told.split("\n")[1] == "next: s2s prep"


def test_a_toy_trains_and_is_scored_with_nothing_but_the_names_of_the_commands() -> None:
    Path("corpus").mkdir()
    for split in ("train", "valid", "test"):
        for language, lines in (("en", ENGLISH), ("de", GERMAN)):
            Path(f"corpus/{split}.{language}").write_text("\n".join(lines) + "\n", "utf-8")
    written("--preset", "toy", "--target-language", "de")
    commands = [
        *(["prep"], ["vocab"], ["train", "--max-updates", "2", "--threads", "1"]),
        *(["decode", "--input", "corpus/test.en", "--output", "out", "--nbest", "2"],),
        *(["rescore", "out", "--output", "best"], ["score", "--hypothesis", "best"]),
    ]
    for each in commands:
        done = s2s_here(*each)
        assert done.code == 0, done.told
    assert Path("best").read_text("utf-8").count("\n") == len(ENGLISH)
