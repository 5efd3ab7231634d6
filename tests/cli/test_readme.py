"""What README.md says is so: its commands parse, its tour runs, its names and defaults exist."""

import json
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

from s2s_cli.commands.app import known_options, root_command
from s2s_cli.commands.settings_file import read_settings
from s2s_cli.model.onnx_export import NEXT, decoder_graph, encoder_graph
from s2s_cli.model.seq2seq import Seq2Seq

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROSE = FENCE.sub("", README)
GROUP: Any = root_command()
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# What makes the tour's model small enough for a test.
TINY = {"hidden-size": "16", "embedding-size": "16", "epochs": "2"}


def section(title: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", blank_comments(), re.M | re.S)
    assert found, f"README has no section {title!r}"
    return README[found.start(1) : found.end(1)]


def blank_comments() -> str:
    """README, of the same length, without what looks like a heading in its code."""
    return FENCE.sub(lambda block: block[0].replace("#", " "), README)


def blocks(text: str, language: str) -> list[str]:
    return [code for name, code in FENCE.findall(text) if name == language]


def table(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first column has ``heading``, without its head."""
    found = re.search(rf"^\| {heading} \|.*\n\|[-| :]+\n((?:\|.*\n)+)", text, re.M)
    assert found, f"no table with {heading!r}"
    rows = found[1].removesuffix("\n").split("\n")
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def code(cell: str) -> str:
    """What stands in the first pair of backquotes of a cell."""
    found = re.search(r"`([^`]+)`", cell)
    assert found, cell
    return found[1]


def shell_commands() -> Iterator[list[str]]:
    """The words of every `s2s` command in a block of shell or between backquotes."""
    inline = [span for span in re.findall(r"`(s2s [^`\n]+)`", PROSE) if "COMMAND" not in span]
    for line in "\n".join([*blocks(README, "sh"), *inline]).replace("\\\n", "").split("\n"):
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
    kept, files = [], {index + 1 for index, word in enumerate(words) if word in ("<", ">")}
    for index, word in enumerate(words):
        if index not in files and word not in ("<", ">"):
            kept.append(word)
    return kept


def parse(words: list[str]) -> None:
    """Parse a command line as `s2s` would, and run nothing."""
    while words[0] in ("--config", "--version"):
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
    command.make_context(name, arguments)


def every_command(command: Any) -> Iterator[Any]:
    """``command`` and all below it."""
    yield command
    for each in getattr(command, "commands", {}).values():
        yield from every_command(each)


@pytest.mark.parametrize("words", list(shell_commands()), ids=" ".join)
def test_a_command_parses(words: list[str]) -> None:
    parse(words)


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    assert ["train", "--max-minutes", "30"] in list(shell_commands())
    with pytest.raises(Exception, match="No such option"):
        parse(["train", "--learning-rates", "1"])


def test_every_option_in_the_text_exists() -> None:
    known = {
        name
        for command in every_command(GROUP)
        for each in command.params
        for name in (*each.opts, *each.secondary_opts)
    }
    # of every command; of pip; of sbatch; of pytest; of a recipe
    others = {"--help", "--constraint", "--signal", "--hypothesis-profile", "--moses"}
    assert set(OPTION.findall(PROSE)) - known - others == set()


def test_the_table_of_commands_has_all_in_their_order() -> None:
    names = [code(row[0]) for row in table(section("Commands"), "command")]
    assert names == [f"s2s {name}" for name in GROUP.commands]


def test_the_defaults_are_those_of_the_table() -> None:
    rows = table(section("The paper's defaults"), "what")
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
    found = blocks(README, "toml")
    assert len(found) >= 2
    for text in found:
        path = tmp_path / "s2s.toml"
        path.write_text(text, "utf-8")
        assert set(read_settings(path, known_options())) == set(tomllib.loads(text))


def test_linked_files_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    missing = [link for link in links if "://" not in link and not (ROOT / link).exists()]
    assert not missing


def test_make_targets_and_scripts_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.M))
    assert {"demo", "test"} <= named <= targets
    scripts = set(re.findall(r"recipes/[\w/]+\.(?:sh|py)", README))
    assert scripts and all((ROOT / script).is_file() for script in scripts)


@pytest.fixture(scope="module")
def toured(fast_s2s: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which every shell block of the tour was run, with a tiny corpus and model."""
    directory = tmp_path_factory.mktemp("tour")
    numbers = ROOT / "recipes/numbers_en_fr/number_phrases.py"
    sizes = ["--train", "300", "--valid", "20", "--test", "10"]
    subprocess.run([sys.executable, numbers, "corpus", *sizes], cwd=directory, check=True)
    tour = section("A tour on your own text")
    export = section("Without PyTorch")
    start, *rest = blocks(tour, "sh")
    shell = rest + blocks(section("Beyond the paper"), "sh") + blocks(export, "sh")
    (program,) = blocks(export, "python")
    (directory / "greedy.py").write_text(program, "utf-8")
    subprocess.run(["bash", "-euc", start], cwd=directory, check=True)
    settings = (directory / "s2s.toml").read_text("utf-8")
    assert_has(tomllib.loads(settings), tomllib.loads(*blocks(tour, "toml")))
    (directory / "s2s.toml").write_text(tiny_settings(settings), "utf-8")
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(shell)],
        cwd=directory,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (directory / "stdout").write_text(run.stdout, "utf-8")
    (directory / "stderr").write_text(run.stderr, "utf-8")
    return directory


def assert_has(settings: dict[str, Any], part: dict[str, Any]) -> None:
    for name, values in part.items():
        assert settings[name] | values == settings[name]


def tiny_settings(text: str) -> str:
    """The tour's s2s.toml with a model of a few cells, and every update logged."""
    for key, value in TINY.items():
        text, count = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.M)
        assert count == 1, key
    text = text.replace("[train]\n", '[train]\nlog-every = 1\ndevice = "cpu"\n')
    return re.sub(r"(\[(?:train|decode|rescore)\]\n)", r"\1threads = 1\n", text)


def lines(path: Path) -> list[str]:
    return path.read_bytes().decode().removesuffix("\n").split("\n")


def test_the_tour_gives_a_line_for_each_line(toured: Path) -> None:
    assert [
        len(lines(toured / name)) for name in ("out.fr", "ensemble.fr", "best.fr", "attentive.fr")
    ] == [10] * 4


def test_the_tour_trains_on_where_it_stopped(toured: Path) -> None:
    assert "model: already finished" in (toured / "stderr").read_text("utf-8")


def test_the_tour_prints_scores_an_interval_a_perplexity_and_a_bare_number(toured: Path) -> None:
    printed = (toured / "stdout").read_text("utf-8")
    (value,) = set(re.findall(r"^BLEU \(tokenised\) = ([\d.]+) ", printed, re.M))
    assert re.search(r"^BLEU \(tokenised\) = [\d.]+ \[-?[\d.]+, [\d.]+\] ", printed, re.M)
    assert re.search(r"^perplexity = ", printed, re.M)
    assert value in printed.split("\n")


def test_the_tour_scores_lines_as_the_example_says(toured: Path) -> None:
    (example,) = (each for each in blocks(README, "text") if "\t" in each)
    assert example in (toured / "stdout").read_text("utf-8")
    numbers = [line.split("\t") for line in lines(toured / "worst-first.tsv")]
    assert [len(row) for row in numbers] == [6] * 10
    assert len(lines(toured / "log-probabilities.txt")) == 10


def test_the_tour_combines_what_it_kept(toured: Path) -> None:
    assert lines(toured / "tuned.fr") == lines(toured / "weighted.fr")
    assert "lstm already; no model is loaded" in (toured / "stderr").read_text("utf-8")
    printed = (toured / "stdout").read_text("utf-8")
    assert re.search(r"^BLEU \(tokenised\), oracle by .* = [\d.]+ ", printed, re.M)
    assert re.search(r"^BLEU \(tokenised\), difference .* paired bootstrap", printed, re.M)


def test_the_tour_adds_a_feature_to_every_line_of_the_list(toured: Path) -> None:
    before, after = lines(toured / "nbest.txt"), lines(toured / "nbest.lstm.txt")
    without = [re.sub(r" lstm= -[\d.]+", "", line) for line in after]
    assert without == before != after
    assert all(re.fullmatch(r"\d \|{3} .* \|{3} S2S0= \S+ \|{3} \S+", line) for line in before)


def test_the_program_without_pytorch_translates_as_decode_does(toured: Path) -> None:
    assert lines(toured / "greedy.fr") == lines(toured / "same.fr")
    assert len(set(lines(toured / "same.fr"))) > 1
    names = {path.name for path in (toured / "exported").iterdir()}
    rows = table(section("Without PyTorch"), "file")
    assert names == {
        code(row[0]).replace("LANGUAGE", each) for row in rows for each in ("en", "fr")
    }


def test_the_example_in_python_runs(
    toured: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(toured)
    (program,) = blocks(section("From Python"), "python")
    exec(compile(program, "example.py", "exec"), {})
    printed = capsys.readouterr().out.split("\n")
    assert len(printed) > 7
    assert printed[6].startswith("torch.Size([2, ")


def test_what_is_exported_has_the_names_of_the_table() -> None:
    told = re.findall(
        r"`(\w+)`", " ".join(row[0] for row in table(section("Without PyTorch"), "name"))
    )
    graphs = [
        make(Seq2Seq(variants.shape(each)))
        for each in variants.OPTIONS
        for make in (encoder_graph, decoder_graph)
    ]
    values = [each for graph in graphs for each in (*graph.inputs, *graph.outputs)]
    assert set(told) == {each.name.removeprefix(NEXT) for each in values}


def test_the_data_directory_holds_the_files_of_the_table(toured: Path) -> None:
    splits = {"{train,valid,test}": ("train", "valid", "test"), "{train,valid}": ("train", "valid")}
    names = set()
    for row in table(section("Data directory"), "file"):
        name = code(row[0])
        group = next((each for each in splits if name.startswith(each)), "")
        for split in splits.get(group, ("",)):
            for language in ("en", "fr"):
                names.add(split + name.removeprefix(group).replace("LANGUAGE", language))
    assert names == {path.name for path in (toured / "data").iterdir()}


def test_the_model_directory_holds_the_files_of_the_table(toured: Path) -> None:
    rows = table(section("Model directory"), "file")
    names = {code(row[0]).replace("LANGUAGE", each) for row in rows for each in ("en", "fr")}
    assert names == {path.name for path in (toured / "model").iterdir()}


def test_the_metrics_have_the_fields_of_the_table(toured: Path) -> None:
    told = {code(row[0]) for row in table(section("Model directory"), "field")}
    fields = [set(json.loads(line)) for line in lines(toured / "model" / "metrics.jsonl")]
    assert set().union(*fields) == told
