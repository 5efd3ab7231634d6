"""s2s.toml gives defaults, flags win, and what it says is checked like a flag."""

import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def resolved(s2s: Run, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Settings of a command in a directory with the given s2s.toml."""

    def dump(toml: str, command: str, *arguments: str) -> dict[str, Any]:
        (tmp_path / "s2s.toml").write_text(toml, "utf-8")
        run = s2s(command, *arguments, "--dump-config", cwd=tmp_path)
        assert (run.returncode, run.stderr) == (0, b""), run.stderr.decode()
        settings: dict[str, Any] = tomllib.loads(run.stdout.decode())[command]
        return settings

    return dump


def test_the_file_gives_defaults_and_flags_win(resolved: Callable[..., dict[str, Any]]) -> None:
    toml = '[decode]\nbeam = 5\nforbid-unk = true\nmodel = ["a", "b"]\n[train]\nseed = 9\n'
    from_file = resolved(toml, "decode")
    assert (from_file["beam"], from_file["forbid-unk"]) == (5, True)
    assert from_file["model"] == ["a", "b"]
    flags = resolved(toml, "decode", "--beam", "7", "--no-forbid-unk", "--model", "c")
    assert (flags["beam"], flags["forbid-unk"], flags["model"]) == (7, False, ["c"])
    assert resolved("", "decode")["forbid-unk"] is False
    assert resolved(toml, "train")["seed"] == 9


def test_the_paper_is_the_default(resolved: Callable[..., dict[str, Any]]) -> None:
    train, vocab = resolved("", "train"), resolved("", "vocab")
    paper: dict[str, object] = {
        "layers": 4,
        "hidden-size": 1000,
        "embedding-size": 1000,
        "initial-range": 0.08,
    }
    paper |= {"optimiser": "sgd", "learning-rate": 0.7, "halve-after": 5.0, "halve-every": 0.5}
    paper |= {"epochs": 7.5, "batch-size": 128, "clip-norm": 5.0, "dropout": 0.0}
    assert {key: train[key] for key in paper} == paper
    assert (vocab["source-size"], vocab["target-size"]) == (160_000, 80_000)
    assert (resolved("", "decode")["normalise"], resolved("", "rescore")["weight"]) == (0, 0.5)


# Values that differ from every default, quotes and all; each command's options once.
ALL_SETTINGS = r"""
[prep]
corpus = "a \"b\" \\ é"
train = "t\u007fab\there"
max-ratio = 1e-0
reverse-source = true
max-length = 7

[vocab]
data = "-"
source-size = 1_000

[train]
model = "m/ü"
learning-rate = 1e-05
optimiser = "adam"
epochs = 3

[decode]
model = ["one", "t,w]o"]
tokenised = true
normalise = 0.1

[rescore]
nbest = "list.gz"
weight = 1
add-feature = true

[score]
references = ["r1", "r2"]
json = true
model = "alone"
"""


@pytest.mark.parametrize("command", ["prep", "vocab", "train", "decode", "rescore", "score"])
def test_dumped_settings_read_back_the_same(
    command: str, s2s: Run, resolved: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    first = resolved(ALL_SETTINGS, command)
    for key, value in tomllib.loads(ALL_SETTINGS)[command].items():
        assert first[key] in (value, [value])  # one of what may be several
    (tmp_path / "s2s.toml").unlink()
    dump = s2s("--config", "all.toml", command, "--dump-config", cwd=tmp_path)
    assert dump.returncode == 2, "a settings file that is asked for must be there"
    (tmp_path / "all.toml").write_text(ALL_SETTINGS, "utf-8")
    dump = s2s("--config", "all.toml", command, "--dump-config", cwd=tmp_path)
    assert resolved(dump.stdout.decode(), command) == first


REFUSED = {
    "unknown command": ("[decod]\nbeam = 1", "'decod'", "did you mean 'decode'?"),
    "unknown key": ("[decode]\nbaem = 1", "'baem'", "did you mean 'beam'?"),
    "key of another command": ("[decode]\nepochs = 1", "'epochs'", "known are"),
    "underscore": ("[train]\nbatch_size = 1", "'batch_size'", "did you mean 'batch-size'?"),
    "no option at all": ("[decode]\ndump-config = true", "'dump-config'", "known are"),
    "no section": ("beam = 3", "'beam'", "[COMMAND]"),
    "text for a number": ('[decode]\nbeam = "3"', 'beam = "3"', "a whole number"),
    "fraction for a whole": ("[decode]\nbeam = 1.5", "beam = 1.5", "a whole number"),
    "truth for a number": ("[decode]\nbeam = true", "beam = true", "a whole number"),
    "number for truth": ("[decode]\ntokenised = 1", "tokenised = 1", "true or false"),
    "number for a path": ("[decode]\nmodel = 3", "model = 3", "text"),
    "list for one": ("[decode]\nbeam = [3]", "beam = [3]", "a whole number"),
    "wrong in a list": ('[decode]\nmodel = ["a", 3]', "model", "text"),
    "empty list": ("[decode]\nmodel = []", "model = []", "names nothing"),
    "too small": ("[decode]\nbeam = 0", "beam = 0", "at least 1"),
    "too large": ("[train]\ndropout = 1.0", "dropout = 1.0", "at most 0.99"),
    "not a number": ("[rescore]\nweight = nan", "weight = nan", "at least 0"),
    "no such choice": ('[train]\noptimiser = "adagrad"', '"adagrad"', "sgd, adam"),
    "broken": ("[decode\nbeam = 1", "not valid TOML", "line 1"),
    "twice": ("[decode]\nbeam = 1\nbeam = 2", "s2s.toml", "not valid TOML"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_flag_could_say_is_refused(case: str, s2s: Run, tmp_path: Path) -> None:
    toml, *parts = REFUSED[case]
    (tmp_path / "s2s.toml").write_text(toml, "utf-8")
    run = s2s("vocab", cwd=tmp_path)
    told = run.stderr.decode()
    assert (run.returncode, run.stdout) == (2, b"")
    assert told.startswith("s2s: s2s.toml: ")
    assert told.count("\n") == 1
    assert all(part in told for part in parts), told


def test_a_flag_out_of_bounds_is_refused_too(s2s: Run, tmp_path: Path) -> None:
    for arguments in (["decode", "--beam", "0"], ["rescore", "--weight", "nan"]):
        run = s2s(*arguments, "--dump-config", cwd=tmp_path)
        assert (run.returncode, run.stdout) == (2, b"")
        assert arguments[1].encode() in run.stderr


def test_a_file_in_another_encoding_is_refused(s2s: Run, tmp_path: Path) -> None:
    (tmp_path / "s2s.toml").write_bytes('[prep]\ncorpus = "é"'.encode("latin-1"))
    run = s2s("prep", cwd=tmp_path)
    assert run.returncode == 2
    assert b"s2s.toml: not valid TOML" in run.stderr


def test_settings_elsewhere_take_the_place_of_those_here(s2s: Run, tmp_path: Path) -> None:
    (tmp_path / "s2s.toml").write_text("[decode]\nbeam = 2\nnbest = 2", "utf-8")
    (tmp_path / "other.toml").write_text("[decode]\nbeam = 4", "utf-8")
    run = s2s("--config", "other.toml", "decode", "--dump-config", cwd=tmp_path)
    settings = tomllib.loads(run.stdout.decode())["decode"]
    assert (settings["beam"], settings["nbest"]) == (4, 0)


def test_help_is_there_when_the_settings_are_broken(s2s: Run, tmp_path: Path) -> None:
    (tmp_path / "s2s.toml").write_text("[train", "utf-8")
    run = s2s("train", "--help", cwd=tmp_path)
    assert run.returncode == 0
    assert b"--learning-rate" in run.stdout
    assert b"s2s.toml" in run.stderr


def test_a_path_that_toml_cannot_hold_is_refused(s2s: Run, tmp_path: Path) -> None:
    run = s2s("vocab", "--data", b"a\xff".decode("utf-8", "surrogateescape"), "--dump-config")
    assert (run.returncode, run.stdout) == (1, b"")
    assert b"UTF-8" in run.stderr


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[[str], Path]:
    """A directory with a corpus and this s2s.toml, in one that is not to change."""

    def make(toml: str) -> Path:
        home = tmp_path / "downloaded"
        (home / "corpus").mkdir(parents=True)
        for language in ("en", "fr"):
            (home / "corpus" / f"train.{language}").write_text("one\n", "utf-8")
        (home / "s2s.toml").write_text(toml, "utf-8")
        return home

    return make


@pytest.mark.parametrize("output", ["ABSOLUTE", "../out", "link/out", "corpus/../../out"])
def test_a_file_that_lies_there_has_nothing_written_outside_its_directory(
    s2s: Run, prepared: Callable[[str], Path], tmp_path: Path, output: str
) -> None:
    output = output.replace("ABSOLUTE", str(tmp_path / "out"))
    home = prepared(f'[prep]\noutput = "{output}"\n')
    (home / "link").symlink_to(tmp_path)
    run = s2s("prep", cwd=home)
    assert (run.returncode, run.stdout) == (2, b"")
    (told,) = run.stderr.decode().splitlines()
    assert told.startswith(f's2s: s2s.toml: output = "{output}" in [prep] would write outside')
    assert "--config s2s.toml" in told
    assert not (tmp_path / "out").exists()
    assert s2s("--config", "s2s.toml", "prep", cwd=home).returncode == 0, "it was named"
    assert (tmp_path / "out" / "train.en").is_file()
    assert s2s("prep", "--output", "../flag", cwd=home).returncode == 0, "a flag wins"


def test_which_file_settings_come_from_is_said_where_there_are_some(
    s2s: Run, prepared: Callable[[str], Path]
) -> None:
    home = prepared('[prep]\noutput = "./in/side"\n[train]\nmodel = "/nowhere"\n')
    run = s2s("prep", cwd=home)
    assert run.returncode == 0, run.stderr
    assert run.stderr.startswith(b"settings from s2s.toml\n")
    assert (home / "in/side/train.en").is_file()
    assert b"settings" not in s2s("prep", "--dump-config", cwd=home).stderr
    assert b"settings" not in s2s("vocab", "--data", "in/side", cwd=home).stderr
    other = s2s("--config", "s2s.toml", "prep", cwd=home)
    assert other.stderr.startswith(b"settings from s2s.toml\n")


def test_weights_that_are_only_read_may_lie_anywhere(s2s: Run, tmp_path: Path) -> None:
    home, weights = tmp_path / "home", tmp_path / "weights.toml"
    home.mkdir()
    (home / "s2s.toml").write_text(f'[rescore]\nweights = "{weights}"\n', "utf-8")
    weights.write_text("[weights]\ntotal = 1\n", "utf-8")
    (home / "list").write_text("0 ||| un ||| s2s= -1 ||| -1\n", "utf-8")
    (home / "text").write_text("one\n", "utf-8")
    rescoring = ["rescore", "list", "--source", "text", "--tokenised"]
    run = s2s(*rescoring, cwd=home)
    assert (run.returncode, run.stdout) == (0, b"un\n"), run.stderr
    tuned = s2s(*rescoring, "--tune", "text", cwd=home)
    assert tuned.returncode == 2
    assert b"would write outside" in tuned.stderr
    assert weights.read_text("utf-8") == "[weights]\ntotal = 1\n"


@pytest.mark.parametrize("value", ['""', r'"a\u0000b"'])
def test_a_path_that_is_none_is_refused(s2s: Run, tmp_path: Path, value: str) -> None:
    (tmp_path / "s2s.toml").write_text(f"[decode]\noutput = {value}\n", "utf-8")
    run = s2s("vocab", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stderr.startswith(b"s2s: s2s.toml: output = ") and run.stderr.count(b"\n") == 1
