"""Command lines: the settings file before or after the command, short options, likely mistakes."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from s2s_cli import console
from s2s_cli.commands.app import COMMANDS, known_options, root_command
from s2s_cli.commands.command import report_user_errors
from s2s_cli.commands.mistakes import COMMAND_SYNONYMS, OPTION_SYNONYMS, SWITCHES, meant_options

Ended = tuple[int, str, str]


@pytest.fixture
def line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Ended]:
    """Run a command line in an empty directory, in this process; exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "quiet", False)

    def run(text: str) -> Ended:
        code: object = 0
        try:
            with report_user_errors():
                root_command()(shlex.split(text), prog_name="s2s")
        except SystemExit as end:
            code = end.code
        output = capsys.readouterr()
        assert isinstance(code, int)
        return code, output.out, output.err

    return run


# What is typed, and parts of the one sentence that answers it.
MISTAKES = {
    "trian": ["no command 'trian'; did you mean 'train'?"],
    "translate": ["did you mean 'decode'?"],
    "lengths a b": ["did you mean 'show lengths'?"],
    "show lengthes": ["no command show 'lengthes'; did you mean 'lengths'"],
    "frobnicate": ["no command 'frobnicate'; there are init, prep"],
    "version": ["s2s --version"],
    "help trian": ["did you mean 'train'?"],
    "train --lr 1": ["train has no option --lr; did you mean --learning-rate?"],
    "train --lr=1": ["did you mean --learning-rate?"],
    "train -lr 1": ["-lr: long options have two dashes; did you mean --learning-rate?"],
    "train --batch_size 1": ["did you mean --batch-size?"],
    "train --optimizer adam": ["did you mean --optimiser?"],
    "train --fp16": ["did you mean --precision bf16?"],
    "train --resume": ["the same `s2s train` command resumes"],
    "train --beam 3": ["train has no option --beam; --beam is an option of decode"],
    "train --halve 3": ["did you mean --halve-after or --halve-every?"],
    "train --frobnicate": ["train has no option --frobnicate; s2s train --help"],
    "decode -model m": ["-model: long options have two dashes; did you mean --model?"],
    "decode --src in.en": ["the file is an argument: s2s decode INPUT"],
    "decode --length-normalization 1": ["did you mean --normalise?"],
    "decode --cuda": ["did you mean --device cuda?"],
    "decode --beam": ["--beam needs a value: --beam N"],
    "decode --tokenised true": ["--tokenised is a switch and takes no value; leave out true"],
    "decode --tokenised=true": ["--tokenised is a switch and takes no value"],
    "decode --model a b in.en": [
        "--model takes one value; repeat it for each: --model a --model b"
    ],
    "decode a.en b.en": ["decode takes no more than INPUT: did you mean --output b.en?"],
    "decode a.en -o b.en c.en": ["decode takes no more than INPUT: what is 'c.en'?"],
    "decode a.en --input b.en": ["--input b.en and the argument a.en are the same"],
    "decode --input a --input b": ["--input is given twice", "cat a b | s2s decode"],
    "score r --hypothesis a --hypothesis b": ["twice", "s2s score REFERENCE TRANSLATION..."],
    "train data": ["train takes no argument", "'data'"],
    "train --optimiser adagrad": ["--optimiser adagrad: must be one of sgd, adam"],
    "train ''": ["train takes no argument", "''"],
    "show lengths": ["show lengths needs REFERENCE", "REFERENCE TRANSLATION..."],
    "--beam 3 decode": ["options of a command stand after it: s2s COMMAND --beam"],
    "--config a.toml train --config b.toml": ["--config is given twice (a.toml, b.toml)"],
    "train --config a.toml --config b.toml": ["--config is given twice"],
    "--config a.toml --config b.toml train": ["--config is given twice"],
    "train --seed ''": ["--seed '': must be a whole number"],
    "prep --train corpus/train.en": [
        "--train corpus/train, for corpus/train.en and corpus/train.fr"
    ],
    "prep --train dev.fr.gz": ["--train dev, for dev.en and dev.fr"],
    "prep --train .": ["--train .: is a directory", "--train train"],
    "train --config missing.toml": ["missing.toml: no such settings file"],
    "train --config ''": ["--config is empty"],
    "--quiet": ["a command is missing; s2s --help lists them"],
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_likely_mistake_is_answered_with_what_was_meant(
    typed: str, line: Callable[[str], Ended]
) -> None:
    code, stdout, stderr = line(typed)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("s2s: ") and stderr.count("\n") == 1
    assert all(part in stderr for part in MISTAKES[typed]), stderr


def test_a_model_among_the_texts_is_meant_for_the_ensemble(
    line: Callable[[str], Ended], tiny_experiment: Path
) -> None:
    model = shlex.quote(str(tiny_experiment / "model"))
    for command in (f"decode --model a {model}", f"rescore --model a {model} list"):
        code, _, stderr = line(command)
        assert code == 2
        assert f"repeat it for each: --model a --model {model}" in stderr
    code, _, stderr = line(f"decode {model}")
    assert (code, f"name it with --model {model}" in stderr) == (2, True)
    assert line(f"export {model} --dump-config")[0] == 0


def test_a_text_after_a_model_is_no_model(line: Callable[[str], Ended]) -> None:
    Path("in.en").write_text("a\n", "utf-8")
    assert "did you mean --output out.fr?" in line("decode --model a in.en out.fr")[2]


def test_synonyms_stand_for_what_there_is() -> None:
    keys = {key for options in known_options().values() for key in options}
    keys |= {"config", "quiet"}
    for ours in (*OPTION_SYNONYMS, *SWITCHES):
        assert ours.partition(" ")[0] in keys
    for ours, others in OPTION_SYNONYMS.items():
        for name in others.split():
            assert ours in meant_options(f"--{name}", [ours]), name
    assert set(COMMANDS) <= set(COMMAND_SYNONYMS)


@pytest.mark.parametrize(
    "typed", ["--config my.toml decode", "decode --config my.toml", "decode --config=my.toml"]
)
def test_the_settings_file_may_be_named_before_or_after_the_command(
    typed: str, line: Callable[[str], Ended]
) -> None:
    Path("my.toml").write_text("[decode]\nbeam = 3\nnbest = 2\n", "utf-8")
    Path("s2s.toml").write_text("[broken", "utf-8")
    code, stdout, stderr = line(f"{typed} -b 4 --dump-config")
    assert (code, stderr) == (0, "")
    assert "beam = 4\n" in stdout and "nbest = 2\n" in stdout
    code, stdout, _ = line(f"{typed} --help")
    assert "[default: 3, from my.toml]" in " ".join(stdout.split())


def test_settings_of_a_figure_may_be_named_after_it(line: Callable[[str], Ended]) -> None:
    Path("my.toml").write_text("[show.curves]\noutput = 'c.png'\n", "utf-8")
    code, stdout, _ = line("show curves --config my.toml --dump-config")
    assert code == 0
    assert 'output = "c.png"' in stdout


def test_short_options_are_those_of_every_command(line: Callable[[str], Ended]) -> None:
    code, stdout, stderr = line("decode in.en -m one -m two -o out -b5 -q --dump-config")
    assert (code, stderr) == (0, "")
    for setting in ('model = ["one", "two"]', 'output = "out"', "beam = 5", 'input = "in.en"'):
        assert setting in stdout
    for command in ("init", "prep", "rescore", "show states text", "show curves"):
        assert 'output = "x"' in line(f"{command} -o x --dump-config")[1]
    for command in ("train", "rescore", "export", "show states text", "show attention text"):
        code, stdout, _ = line(f"{command} -m x --dump-config")
        assert 'model = "x"' in stdout or 'model = ["x"]' in stdout


def test_what_is_an_argument_now_may_be_given_as_an_option(line: Callable[[str], Ended]) -> None:
    for typed in ("decode --input in.en", "decode in.en", "decode --input=in.en"):
        assert 'input = "in.en"' in line(f"{typed} --dump-config")[1]
    Path("s2s.toml").write_text('[decode]\ninput = "there.en"\n', "utf-8")
    assert 'input = "there.en"' in line("decode --dump-config")[1]
    assert 'input = "in.en"' in line("decode --input in.en --dump-config")[1]


def test_the_last_value_of_an_option_counts(line: Callable[[str], Ended]) -> None:
    """A script can append to a command line what differs from it."""
    stdout = line("train --seed 1 --model a --seed 2 --model b --dump-config")[1]
    assert "seed = 2\n" in stdout and 'model = "b"\n' in stdout


def test_help_is_a_command_too(line: Callable[[str], Ended]) -> None:
    for asked in ("help", "help --help", "help -h", "help help"):
        assert line(asked) == line("--help")
    assert line("help train") == line("train --help")
    for asked in ("help show lengths", "show help lengths"):
        assert line(asked) == line("show lengths --help")
    assert line("show help") == line("show --help")


def test_quiet_leaves_warnings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "quiet", False)
    console.head("settings from s2s.toml")
    console.be_quiet()
    console.say("a message")
    console.warn("a warning")
    console.say_head()
    assert capsys.readouterr().err == "warning: a warning\n"


def test_quiet_may_stand_before_or_after_the_command(line: Callable[[str], Ended]) -> None:
    for typed in ("-q init -o a.toml", "init --quiet -o b.toml"):
        assert line(typed) == (0, "", "")
    assert line("init -q -o a.toml")[0] == 1, "an error is printed"
