"""Help, version, and what must answer without loading torch."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import s2s_cli

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
COMMANDS = [
    *(
        "init",
        "prep",
        "vocab",
        "train",
        "average",
        "decode",
        "rescore",
        "score",
        "export",
        "info",
        "show",
    ),
]
FIGURES = ["lengths", "rarity", "longest", "states", "attention", "beam", "curves", "report"]

# An entry of None makes Python refuse the import, with a traceback that names the importer. Nor is
# there matplotlib, which only pictures need.
WITHOUT_TORCH = """
import sys
sys.modules["torch"] = sys.modules["matplotlib"] = None
from s2s_cli.__main__ import main
main()
"""


def without_torch(
    *arguments: str, cwd: Path, input: bytes = b"", columns: int = 80
) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments],
        cwd=cwd,
        input=input,
        env={**os.environ, "COLUMNS": str(columns)},
        capture_output=True,
        check=False,
    )


def test_version(s2s: Run, tmp_path: Path) -> None:
    (tmp_path / "s2s.toml").write_text("[nonsense]", "utf-8")
    run = s2s("--version", cwd=tmp_path)
    assert (run.returncode, run.stdout, run.stderr) == (
        0,
        f"s2s {s2s_cli.__version__}\n".encode(),
        b"",
    )
    assert without_torch("--version", cwd=tmp_path).returncode == 0


def test_help_names_the_commands_in_the_order_of_their_use(tmp_path: Path) -> None:
    asked, bare = without_torch("--help", cwd=tmp_path), without_torch(cwd=tmp_path)
    assert (asked.returncode, asked.stderr) == (0, b"")
    assert bare.stdout + bare.stderr == asked.stdout
    assert bare.returncode == 2, "a script that forgot the command must notice"
    listed = re.findall(r"^  ([a-z]\w*)  ", asked.stdout.decode(), re.M)
    assert listed == COMMANDS


@pytest.mark.parametrize("command", [*COMMANDS, *(f"show {name}" for name in FIGURES)])
def test_help_of_a_command_fits_on_a_few_screens(command: str, tmp_path: Path) -> None:
    run = without_torch(*command.split(" "), "--help", cwd=tmp_path)
    lines = run.stdout.decode().splitlines()
    assert (run.returncode, run.stderr) == (0, b"")
    assert lines[0].startswith(f"Usage: s2s {command} ")
    screens = 4 if command == "train" else 3
    assert len(lines) <= screens * 30


MODULES = """
import sys
from s2s_cli.__main__ import main
try:
    main()
finally:
    print(*(name for name in sys.modules if name.startswith("s2s_cli.")))
"""


def modules_loaded(stdout: bytes) -> set[str]:
    """What `MODULES` printed last."""
    last = stdout.decode().split("\n")[-2]
    return {name.removeprefix("s2s_cli.") for name in last.split()}


@pytest.mark.parametrize(
    ("arguments", "foreign"),
    [
        (["decode", "--help"], {"commands.prep", "commands.score", "text", "scoring", "training"}),
        (["prep", "--help"], {"commands.decode", "decoding", "scoring", "training"}),
        (["score", "--help"], {"commands.show", "scoring.plots", "text.prepare", "training"}),
        (["decode", "--dump-config"], {"commands.train", "text", "scoring", "training"}),
    ],
)
def test_a_command_loads_no_other(arguments: list[str], foreign: set[str], tmp_path: Path) -> None:
    (tmp_path / "s2s.toml").write_text(f"[{arguments[0]}]\n", "utf-8")
    run = subprocess.run(
        [sys.executable, "-c", MODULES, *arguments], cwd=tmp_path, capture_output=True, check=True
    )
    loaded = modules_loaded(run.stdout)
    assert f"commands.{arguments[0]}" in loaded
    assert not loaded & foreign


def test_the_list_of_commands_loads_none_of_them(tmp_path: Path) -> None:
    for arguments in (["--help"], ["show", "--help"], ["trian"]):
        run = subprocess.run(
            [sys.executable, "-c", MODULES, *arguments], cwd=tmp_path, capture_output=True
        )
        parts = {name.partition(".")[2] for name in modules_loaded(run.stdout)}
        assert not parts & {*COMMANDS, "show_models", "options"}


def test_plain_decoding_loads_nothing_of_attention(tiny_experiment: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", MODULES, "decode", "--device", "cpu"],
        cwd=tiny_experiment,
        input=b"one\n",
        capture_output=True,
        check=True,
    )
    loaded = modules_loaded(run.stdout)
    assert "decoding.beam" in loaded
    assert not loaded & {"decoding.alignment", "text.dictionary"}


def test_a_line_is_decoded_and_a_training_begun_without_slow_libraries(
    tiny_experiment: Path, tmp_path: Path
) -> None:
    """Each took a good part of the time in which torch itself is imported."""
    slow = ["sacremoses.tokenize", "langcodes", "sacrebleu", "matplotlib"]
    slow += ["torch._dynamo", "torch._inductor"]
    modules = MODULES.replace('name.startswith("s2s_cli.")', f"name in {slow}")
    training = ["train", "--model", str(tmp_path / "model"), "--epochs", "0.1"]
    for arguments in (["decode", "--device", "cpu"], training):
        run = subprocess.run(
            [sys.executable, "-c", modules, *arguments],
            cwd=tiny_experiment,
            input=b"one\n",
            capture_output=True,
            check=True,
        )
        assert not modules_loaded(run.stdout) - {""}, arguments


def test_what_uses_no_model_does_without_torch(tiny_experiment: Path, tmp_path: Path) -> None:
    def figure(name: str) -> list[str]:
        texts = [str(reference), str(reference), "--source", f"{corpus}/test.en"]
        return [name.removesuffix(".tsv"), *texts, "--output", name]

    corpus = str(tiny_experiment / "corpus")
    reference = tiny_experiment / "corpus" / "test.fr"
    for arguments, text in (
        (["prep", "--corpus", corpus], b""),
        (["prep", "--filter", "en"], b"word\n"),
        (["vocab"], b""),
        (["score", str(reference), "--bootstrap", "100"], reference.read_bytes()),
        (["show", *figure("lengths.tsv")], b""),
        (["show", *figure("rarity.tsv"), "--data", "data"], b""),
        (["show", *figure("report")[:-1], "report.html"], b""),
        (["show", "curves", str(tiny_experiment / "model"), "--output", "curves.tsv"], b""),
        (["info", str(tiny_experiment / "model"), "data"], b""),
    ):
        run = without_torch(*arguments, cwd=tmp_path, input=text)
        assert run.returncode == 0, run.stderr.decode()
    # Otherwise the block above would block nothing.
    assert b"torch" in without_torch("train", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["decoed"], "decoed"),
        (["decode", "--baem", "3"], "--baem"),
        (["train", "stray"], "stray"),
        (["decode", "--beam", "three"], "--beam"),
        (["decode", "--beam"], "--beam"),
    ],
)
def test_a_slip_of_the_pen_is_a_usage_error(
    arguments: list[str], named: str, s2s: Run, tmp_path: Path
) -> None:
    run = s2s(*arguments, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, b"")
    assert named in run.stderr.decode().splitlines()[-1]


def test_a_likely_name_is_suggested(s2s: Run, tmp_path: Path) -> None:
    assert b"'decode'" in s2s("decoed", cwd=tmp_path).stderr
    assert b"--beam" in s2s("decode", "--baem", "3", cwd=tmp_path).stderr
