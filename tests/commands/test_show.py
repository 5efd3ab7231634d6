"""``s2s show`` as a process."""

import csv
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]

WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None
from s2s_cli.__main__ import main
main()
"""


@pytest.fixture
def folder(tiny_experiment: Path, tmp_path: Path) -> Path:
    """An experiment with two translations of its test text, good.fr and bad.fr, and phrases."""
    directory = Path(shutil.copytree(tiny_experiment, tmp_path / "experiment"))
    reference = (directory / "corpus" / "test.fr").read_text("utf-8")
    (directory / "good.fr").write_text(reference, "utf-8")
    (directory / "bad.fr").write_text(reference.replace("quatre", "dix"), "utf-8")
    (directory / "phrases.en").write_text("one two\ntwo one\n \n\nsix\nsix six\n", "utf-8")
    return directory


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


def names(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*")}


def test_lengths_of_two_systems_in_one_picture(s2s: Run, folder: Path) -> None:
    command = ["show", "lengths", "corpus/test.fr", "good.fr", "bad.fr", "--bins", "3"]
    command += ["--min-sentences", "1"]
    run = s2s(*command, "--name", "Good", "--name", "Bad", cwd=folder)
    assert (run.returncode, run.stdout) == (0, b""), run.stderr.decode()
    assert run.stderr == b"wrote lengths.svg, lengths.tsv\n"
    entries = rows(folder / "lengths.tsv")
    assert {entry["system"] for entry in entries} == {"Good", "Bad"}
    good, bad = (
        [entry for entry in entries if entry["system"] == name] for name in ("Good", "Bad")
    )
    assert sum(int(entry["sentences"]) for entry in good) == 10
    assert [entry["from"] for entry in good] == [entry["from"] for entry in bad]
    counts = [len(line.split()) for line in (folder / "corpus/test.en").read_text().splitlines()]
    assert (good[0]["from"], good[-1]["to"]) == (str(min(counts)), str(max(counts)))
    for entry in good:
        assert float(entry["bleu"]) == 100  # smoothed where no text has four words in a row
        assert entry["signature"].startswith("nrefs:1|")
    assert ">Good</text>" in (folder / "lengths.svg").read_text("utf-8")


def test_a_text_too_small_for_the_bins_is_warned_of(s2s: Run, folder: Path) -> None:
    run = s2s("show", "lengths", "corpus/test.fr", "good.fr", "--output", "a.tsv", cwd=folder)
    assert (run.returncode, len(rows(folder / "a.tsv"))) == (0, 1)
    assert b"too few sentences, 10, for 10 bins of 30 or more (--min-sentences)" in run.stderr


def test_ranks_are_those_of_the_model_or_of_the_data_it_was_trained_on(
    s2s: Run, folder: Path
) -> None:
    command = ["show", "rarity", "corpus/test.fr", "bad.fr", "--bins", "4", "--min-sentences", "1"]
    for arguments in (["--output", "model.tsv"], ["--output", "data.tsv", "--data", "data"]):
        run = s2s(*command, *arguments, cwd=folder)
        assert (run.returncode, run.stdout) == (0, b""), run.stderr.decode()
    entries = rows(folder / "model.tsv")
    assert entries == rows(folder / "data.tsv")
    counted = (folder / "data/vocab.en").read_text("utf-8").splitlines()
    vocabulary = [line.split("\t")[0] for line in counted]
    ranks = []
    for line in (folder / "corpus/test.en").read_text("utf-8").splitlines():
        places = [1 + vocabulary.index(word) for word in line.split(" ")]
        ranks.append(sum(places) / len(places))
    assert entries[0]["from"] == f"{min(ranks):.1f}" and entries[-1]["to"] == f"{max(ranks):.1f}"


def test_states_are_the_same_picture_each_time(s2s: Run, folder: Path) -> None:
    pictures = []
    for name in ("one.svg", "two.svg"):
        run = s2s("show", "states", "phrases.en", "--output", name, cwd=folder)
        assert (run.returncode, run.stdout) == (0, b""), run.stderr.decode()
        pictures.append((folder / name).read_bytes())
    assert pictures[0] == pictures[1]
    entries = rows(folder / "one.tsv")
    assert [(entry["group"], entry["phrase"]) for entry in entries] == [
        ("1", "one two"),
        ("1", "two one"),
        ("2", "six"),
        ("2", "six six"),
    ]
    for column in ("first_component", "second_component"):
        assert sum(float(entry[column]) for entry in entries) == pytest.approx(0, abs=1e-4)


def test_unknown_words_of_phrases_are_remarked(s2s: Run, folder: Path) -> None:
    (folder / "phrases.en").write_text("one two\none zebra\n", "utf-8")
    run = s2s("show", "states", "phrases.en", "--output", "s.tsv", cwd=folder)
    assert run.returncode == 0 and b"1 phrases" in run.stderr and b"'one zebra'" in run.stderr


def test_a_search_is_that_of_decode(s2s: Run, folder: Path) -> None:
    options = ["--beam", "3", "--nbest", "3"]
    run = s2s("show", "beam", "corpus/test.en", "--line", "2", *options, cwd=folder)
    assert (run.returncode, run.stderr) == (0, b"wrote beam.svg, beam.tsv\n")
    line = (folder / "corpus/test.en").read_text("utf-8").splitlines()[1]
    listed = s2s("decode", *options, cwd=folder, input=f"{line}\n".encode()).stdout.decode()
    results = {each["result"]: each for each in rows(folder / "beam.tsv") if each["result"]}
    for rank, entry in enumerate(listed.splitlines(), 1):
        _, _, _, total = entry.split(" ||| ")
        assert float(results[str(rank)]["score"]) == pytest.approx(float(total), abs=1e-4)
    run = s2s(
        "show", "beam", "-", *options, "--output", "-", cwd=folder, input=f"{line}\n".encode()
    )
    texts = [entry.split(" ||| ")[1] for entry in listed.splitlines()]
    assert [
        each.split("  ")[1] for each in run.stdout.decode().splitlines()[-len(texts) :]
    ] == texts


def test_curves_are_drawn_of_several_models(s2s: Run, folder: Path) -> None:
    shutil.copytree(folder / "model", folder / "other" / "model")
    run = s2s("show", "curves", "model", "other/model", "--output", "c.png", cwd=folder)
    assert (run.returncode, run.stdout) == (0, b""), run.stderr.decode()
    entries = rows(folder / "c.tsv")
    assert {entry["model"] for entry in entries} == {"model", "other/model"}
    lines = (folder / "model" / "metrics.jsonl").read_bytes().splitlines()
    assert len(entries) == 2 * len(lines)
    assert (folder / "c.png").read_bytes().startswith(b"\x89PNG")


def test_the_longest_go_to_stdout_or_into_a_file(s2s: Run, folder: Path) -> None:
    command = ["show", "longest", "corpus/test.fr", "good.fr", "bad.fr"]
    printed = s2s(*command, "-n", "2", cwd=folder)
    assert (printed.returncode, printed.stderr) == (0, b"")
    text = printed.stdout.decode()
    assert [text.count(part) for part in ("### Line ", "| good.fr |", "| reference |")] == [2, 2, 2]
    assert s2s(*command, "-n", "2", "--output", "a.md", cwd=folder).stdout == b""
    assert (folder / "a.md").read_text("utf-8") == text


def test_without_matplotlib_pictures_are_refused_and_data_written(folder: Path) -> None:
    def run(output: str) -> "subprocess.CompletedProcess[bytes]":
        command = ["show", "lengths", "corpus/test.fr", "good.fr", "--output", output]
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_MATPLOTLIB, *command], cwd=folder, capture_output=True
        )

    before = names(folder)
    refused = run("a.svg")
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert b" install " in refused.stderr and b"[plot]'; an --output" in refused.stderr
    assert refused.stderr.startswith(b"s2s: ") and refused.stderr.count(b"\n") == 1
    assert names(folder) == before
    assert run("a.tsv").returncode == 0
    assert names(folder) == before | {"a.tsv"}


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["lengths", "corpus/test.fr", "good.fr", "--output", "a.jpg"], 2, ["a.jpg", ".svg"]),
        (["longest", "corpus/test.fr", "good.fr", "--output", "a.svg"], 2, ["a.svg", ".md"]),
        (["lengths", "corpus/test.fr", "short.fr"], 1, ["short.fr has 2 lines", "test.fr has 10"]),
        (["lengths", "short.fr", "short.fr"], 1, ["test.en has 10 lines", "short.fr has 2"]),
        (["rarity", "corpus/test.fr", "good.fr", "--model", "data"], 1, ["not a model directory"]),
        (["rarity", "corpus/test.fr", "good.fr", "--data", "model"], 1, ["model/facts.json"]),
        (["lengths", "corpus/test.fr", "broken.fr"], 1, ["broken.fr:3", "UTF-8"]),
        (["lengths", "-", "-"], 2, ["stdin"]),
        (["lengths", "corpus/test.fr", "good.fr", "--bootstrap", "9"], 2, ["--bootstrap 9"]),
        (["lengths", "corpus/test.fr", "good.fr", "bad.fr", "--name", "x"], 2, ["--name"]),
        (["states", "single.en"], 1, ["single.en", "two phrases"]),
        (["states", "phrases.en", "--output", "good.fr/a.svg"], 1, ["cannot be written"]),
        (["beam", "corpus/test.en", "--nbest", "5"], 2, ["--beam 5"]),
        (["beam", "corpus/test.en", "--beam", "31"], 1, ["31 hypotheses", ".txt"]),
        (["beam", "corpus/test.en", "--line", "99"], 1, ["no line 99"]),
        (["curves", "data"], 1, ["data/metrics.jsonl", "no such file"]),
    ],
)
def test_bad_input_is_told_in_one_sentence_and_leaves_nothing(
    s2s: Run, folder: Path, arguments: list[str], code: int, parts: list[str]
) -> None:
    (folder / "short.fr").write_text("un\ndeux\n", "utf-8")
    (folder / "single.en").write_text("\none\n\n", "utf-8")
    (folder / "broken.fr").write_bytes(b"un\ndeux\n\xff\n")
    before = names(folder)
    run = s2s("show", *arguments, cwd=folder)
    told = run.stderr.decode()
    assert (run.returncode, run.stdout) == (code, b""), told
    assert told.startswith("s2s: ") and told.count("\n") == 1
    assert all(part in told for part in parts), told
    assert names(folder) == before


def test_a_section_of_the_settings_file_is_named_by_both_words(s2s: Run, folder: Path) -> None:
    settings = folder / "s2s.toml"
    settings.write_text(
        '[show.lengths]\nbins = 2\nmin-sentences = 1\noutput = "from-file.tsv"\n', "utf-8"
    )
    command = ["show", "lengths", "corpus/test.fr", "good.fr"]
    said = b"settings from s2s.toml\nwrote from-file.tsv\n"
    assert s2s(*command, cwd=folder).stderr == said
    assert len(rows(folder / "from-file.tsv")) == 2
    dumped = s2s(*command, "--bins", "5", "--dump-config", cwd=folder).stdout.decode()
    resolved = tomllib.loads(dumped)["show"]["lengths"]
    assert (resolved["bins"], resolved["translation"]) == (5, ["good.fr"])
    settings.write_text(dumped, "utf-8")
    assert s2s("show", "lengths", "--dump-config", cwd=folder).stdout.decode() == dumped
    for text, part in (
        ("[show.lenghts]\n", "'show.lengths'"),
        ("[show.lengths]\nbin = 2\n", "'bins'"),
        ("[show]\nbins = 2\n", "outside a section"),
    ):
        settings.write_text(text, "utf-8")
        run = s2s(*command, cwd=folder)
        assert run.returncode == 2 and part in run.stderr.decode()
