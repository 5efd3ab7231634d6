"""The command that each command suggests at its end: it parses, and means the same files."""

import shlex
import shutil
from pathlib import Path

import pytest
from odd_models import Done, s2s_here

LINES = {"en": "one two\nthree\n", "fr": "un deux\ntrois\n"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a corpus."""
    monkeypatch.chdir(tmp_path)
    Path("corpus").mkdir()
    for split in ("train", "valid", "test"):
        for language, lines in LINES.items():
            Path(f"corpus/{split}.{language}").write_text(lines, "utf-8")
    return tmp_path


def suggested(done: Done) -> str:
    """The command in the last line of what was printed; it is one that s2s takes."""
    assert done.code == 0, done.told
    line = done.told.splitlines()[-1].removeprefix("next: ")
    assert line.startswith("s2s "), done.told
    parsed = s2s_here(*shlex.split(line)[1:], "--dump-config")
    assert parsed.code == 0, parsed.told
    return line


def follow(line: str) -> Done:
    return s2s_here(*shlex.split(line)[1:])


@pytest.mark.usefixtures("here")
def test_from_settings_to_training() -> None:
    line = suggested(s2s_here("init", "--preset", "toy"))
    for expected in ("s2s prep", "s2s vocab", "s2s train"):
        assert line == expected
        line = suggested(follow(line)) if expected != "s2s train" else ""


@pytest.mark.usefixtures("here")
def test_other_directories_and_settings_are_in_the_line() -> None:
    line = suggested(s2s_here("init", "--preset", "toy", "--output", "my settings.toml"))
    assert line == "s2s --config 'my settings.toml' prep"
    line = suggested(follow(f"{line} --output 'my data'"))
    assert line == "s2s --config 'my settings.toml' vocab --data 'my data'"
    assert suggested(follow(line)) == "s2s --config 'my settings.toml' train --data 'my data'"
    line = suggested(s2s_here("prep", "--output=-x"))
    assert line == "s2s vocab --data ./-x"


@pytest.mark.usefixtures("here")
def test_what_the_settings_file_says_is_left_out() -> None:
    Path("s2s.toml").write_text('[prep]\noutput = "d"\n[vocab]\ndata = "d"\n', "utf-8")
    line = suggested(s2s_here("prep"))
    assert line == "s2s vocab"
    assert suggested(follow(line)) == "s2s train --data d"


def test_translations_are_scored_against_the_text_beside_the_source(
    here: Path, tiny_experiment: Path
) -> None:
    shutil.copytree(tiny_experiment / "model", here / "m")
    decode = ["decode", "--model", "m", "--threads", "1", "--input"]
    for settings in ("", '[score]\nreference = "corpus/test.fr"\n'):
        Path("s2s.toml").write_text(settings, "utf-8")
        line = suggested(s2s_here(*decode, "corpus/test.en", "--output", "out.fr"))
        assert line == "s2s score corpus/test.fr out.fr"
        assert follow(line).out.startswith("BLEU")
    Path("in.en").write_text("one\n", "utf-8")
    done = s2s_here(*decode, "in.en", "--output", "out.fr")
    assert done.told.endswith("\nwrote out.fr\n"), "no reference is known"
    Path("in.fr.gz").touch()
    line = suggested(s2s_here(*decode, "in.en", "--tokenised", "--output", "out.fr"))
    assert "in.fr" in line and "--tokenised" in line


def test_an_own_list_is_rescored(here: Path, tiny_experiment: Path) -> None:
    shutil.copytree(tiny_experiment / "model", here / "model")
    arguments = ["--input", "corpus/valid.en", "--output", "my.nbest", "--nbest", "2"]
    line = suggested(s2s_here("decode", *arguments, "--threads", "1"))
    assert line == "s2s rescore my.nbest --source corpus/valid.en"
    done = follow(f"{line} --detokenise --output best.fr --threads 1")
    assert "2 segments, 4 hypotheses in " in done.told and "wrote best.fr\n" in done.told
    assert follow(suggested(done)).out.startswith("BLEU")


def test_a_model_of_other_data_is_not_trained_into(here: Path, tiny_experiment: Path) -> None:
    for name in ("data", "model"):
        shutil.copytree(tiny_experiment / name, here / name)
    assert suggested(s2s_here("vocab")) == "s2s train", "it was trained on these very words"
    done = s2s_here("vocab", "--source-size", "8")
    assert "model: was made from other data and stays as it is\n" in done.told
    assert suggested(done) == "s2s train --model model-2"
    (here / "model-2").touch()
    Path("s2s.toml").write_text('[train]\nmodel = "model-3"\n', "utf-8")
    assert suggested(s2s_here("vocab", "--source-size", "8")) == "s2s train"
