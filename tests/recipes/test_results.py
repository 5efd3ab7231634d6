"""Result files in, RESULTS.md out; and what is picked from an n-best list."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"
SETTINGS = """\
title = "A recipe"
command = "recipes/a/run.sh"

[[table]]
title = "First"
reference = "work/ref.fr"
rows = [{ label = "One", result = "one", paper = "26.17" }, { label = "Two", result = "two" }]

[[table]]
title = "Second"
rows = [{ label = "Two again", result = "two" }]
"""


def scores(tokenised: float, low: float | None, high: float | None) -> dict[str, Any]:
    bleu = {"name": "BLEU (tokenised)", "value": tokenised, "low": low, "high": high}
    chrf = {"name": "chrF2", "value": 7.0, "low": None, "high": None, "signature": "nc:6"}
    return {
        "lines": 4,
        "scores": {"bleu-tokenised": bleu | {"signature": "tok:none"}, "chrf": chrf},
    }


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """A finished recipe of two rows; ``one`` has three of four lines right."""
    work = tmp_path / "work"
    (work / ".done").mkdir(parents=True)
    (work / ".done/train").write_text("61\n")
    (work / ".done/decode").write_text("5\n")
    (work / "ref.fr").write_text("a\nb\u2028c\n\nd\n")
    (work / "one.fr").write_text("a\nb\u2028c\n\nD\n")
    (work / "two.fr").write_text("a\nb\u2028c\n\nd\n")
    (work / "one.json").write_text(json.dumps(scores(12.3456, None, None)))
    (work / "two.json").write_text(json.dumps(scores(30.0, 28.5, 31.5)))
    (tmp_path / "tables.toml").write_text(SETTINGS)
    return tmp_path


def run(cwd: Path, script: str, *arguments: str, path: str = os.environ["PATH"]) -> Any:
    return subprocess.run(
        [sys.executable, str(RECIPES / script), *arguments],
        cwd=cwd,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|\n").split("|")]


def test_a_row_says_what_its_files_say(experiment: Path) -> None:
    done = run(experiment, "results.py", "train", "decode")
    assert done.returncode == 0, done.stderr
    page = (experiment / "RESULTS.md").read_text()
    rows = {cells(line)[0]: cells(line)[1:] for line in page.split("\n") if line.startswith("|")}
    assert rows["One"] == ["75.0 %", "12.35", "26.17"]
    assert rows["Two"] == ["100.0 %", "30.00 [28.50, 31.50]", ""]
    assert rows["Two again"] == ["30.00 [28.50, 31.50]"]
    assert rows[""] == ["BLEU (tokenised)"]  # the header of the second table
    assert page.count("tok:none") == 1


def test_columns_stand_under_each_other(experiment: Path) -> None:
    assert run(experiment, "results.py", "train", "decode").returncode == 0
    parts = (experiment / "RESULTS.md").read_text().split("\n\n")
    tables = [part for part in parts if part.startswith("|")]
    assert len(tables) == 2
    for table in tables:
        bars = {tuple(i for i, c in enumerate(line) if c == "|") for line in table.split("\n")}
        assert len(bars) == 1


def test_the_page_says_how_the_numbers_were_made(experiment: Path) -> None:
    (experiment / "work/.commits").mkdir()
    (experiment / "work/.commits/train").write_text("abc1234\n")
    done = run(experiment, "results.py", "train", "decode", path="/nonexistent")
    assert done.returncode == 0, done.stderr
    page = (experiment / "RESULTS.md").read_text()
    assert "- command: `recipes/a/run.sh`\n" in page
    assert "- commit: unknown; train abc1234\n" in page  # no git to ask
    assert "- time: 66 s in all: train 61 s, decode 5 s\n" in page


def test_a_translation_that_lacks_a_line_is_an_error(experiment: Path) -> None:
    (experiment / "work/one.fr").write_text("a\n")
    assert run(experiment, "results.py", "train").returncode != 0
    assert not (experiment / "RESULTS.md").exists()


NBEST = """\
0 ||| le chat dort ||| S2S0= -1 ||| -1
0 ||| le chien dort bien . ||| S2S0= -2 ||| -2
0 ||| le chien dort . ||| S2S0= -3 ||| -3
1 ||| l' ami ||| S2S0= -1 ||| -1
1 ||| l' amie ||| S2S0= -1 ||| -1
"""


def test_the_first_of_each_segment_is_picked(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(NBEST)
    done = run(tmp_path, "nbest_pick.py", "list")
    assert done.stdout == "le chat dort\nl'ami\n"


def test_the_oracle_is_the_closest_to_the_reference(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(NBEST)
    (tmp_path / "ref").write_text("le chien dort .\nl' amie\n")
    done = run(tmp_path, "nbest_pick.py", "list", "--reference", "ref")
    assert done.stdout == "le chien dort.\nl'amie\n"


@pytest.mark.parametrize("reference", ["one\n", "one\ntwo\nthree\n"])
def test_list_and_reference_must_belong_together(tmp_path: Path, reference: str) -> None:
    (tmp_path / "list").write_text(NBEST)
    (tmp_path / "ref").write_text(reference)
    done = run(tmp_path, "nbest_pick.py", "list", "--reference", "ref")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("nbest_pick.py: list")


def test_words_are_printed_as_they_are_and_ids_begin_where_they_begin(tmp_path: Path) -> None:
    (tmp_path / "list").write_text(NBEST)
    done = run(tmp_path, "nbest_pick.py", "list", "--words")
    assert done.stdout == "le chat dort\nl' ami\n"
    (tmp_path / "list").write_text(NBEST.replace("1 |||", "4 |||").replace("0 |||", "3 |||"))
    assert run(tmp_path, "nbest_pick.py", "list", "--first-id", "3").stdout.count("\n") == 2
    assert "segment 3 is not expected" in run(tmp_path, "nbest_pick.py", "list").stderr


def test_what_has_not_been_run_is_said(experiment: Path) -> None:
    (experiment / "work/one.json").unlink()
    settings = SETTINGS.replace(
        '{ label = "One"', '{ label = "Book", paper = "9" }, { label = "One"'
    )
    (experiment / "tables.toml").write_text(settings)
    assert run(experiment, "results.py", "train", "later").returncode == 0
    page = (experiment / "RESULTS.md").read_text()
    rows = {cells(line)[0]: cells(line)[1:] for line in page.split("\n") if line.startswith("|")}
    assert rows["One"] == ["not run", "not run", "26.17"]
    assert rows["Book"] == ["", "", "9"]  # of the literature: not ours to run
    assert rows["Two"][0] == "100.0 %"
    assert "- time: 61 s in all: train 61 s\n" in page


def test_a_page_of_nothing_claims_no_machine(experiment: Path) -> None:
    for path in experiment.glob("work/*.json"):
        path.unlink()
    options = ["--work", "elsewhere", "--output", "page.md", "--command", "GPUS=8 run.sh"]
    assert run(experiment, "results.py", "train", *options).returncode == 0
    page = (experiment / "page.md").read_text()
    assert "- command: `GPUS=8 run.sh`\n- nobody has run it yet\n" in page
    assert "hardware" not in page
    assert "BLEU (tokenised) | BLEU (detokenised)" in page


def test_numbers_of_pasted_commands_have_been_run(experiment: Path) -> None:
    assert run(experiment, "results.py", "later").returncode == 0
    page = (experiment / "RESULTS.md").read_text()
    assert "nobody has run it" not in page
    assert "- time: not taken\n" in page


def judged(difference: float, value: float) -> dict[str, Any]:
    told = {"difference": difference, "bootstrap_p": 0.0123, "randomisation_p": 0.00456}
    return {**scores(value, 1.0, 2.0), "baseline": {"bleu-tokenised": told}}


METRICS = """\
{"update": 50, "epoch": 0.5, "words_per_second": 100}
{"update": 50, "epoch": 0.5, "validation_perplexity": 9.0}
{"update": 100, "epoch": 1.0, "words_per_second": 50}
{"update": 100, "epoch": 1.0, "validation_perplexity": 9.5}
"""
MORE = """
[[table]]
title = "Third"
baseline = "base"
data = "prep"
rows = [
    { label = "Base", result = "base", first = true },
    { label = "Better", result = "better", models = "two", time = "better.fr", model = "model" },
    { label = "Later", result = "later", time = "later.fr" },
]

[[figure]]
title = "Curves"
file = "curves.svg"
command = "s2s show curves"
"""


def test_differences_time_and_training_are_told(experiment: Path) -> None:
    work = experiment / "work"
    (work / "base.json").write_text(json.dumps(judged(3.0, 20.0)))  # to another table's row
    (work / "better.json").write_text(json.dumps(judged(1.5, 21.5)))
    (work / "better.against-base.json").write_text(json.dumps(judged(-0.25, 21.5)))
    told = json.loads((work / "two.json").read_text())
    told["scores"]["perplexity"] = {"name": "perplexity", "value": 4.5, "low": None, "high": None}
    told["scores"]["perplexity"]["signature"] = "words:9"
    (work / "two.json").write_text(json.dumps(told))
    (work / "better.fr.seconds").write_text("1234\n")
    (work / "model").mkdir()
    (work / "model/metrics.jsonl").write_text(METRICS)
    (work / "prep").mkdir()
    report = {"splits": {"train": {"words": {"en": 20_000, "fr": 28_000}}}}
    (work / "prep/prep.json").write_text(json.dumps(report))
    (experiment / "own.toml").write_text(
        'title = "T"\ncommand = "c"\nalso = ["tables.toml"]' + MORE
    )
    done = run(experiment, "results.py", "train", "--tables", "own.toml")
    assert done.returncode == 0, done.stderr
    page = (experiment / "RESULTS.md").read_text()
    assert page.index("## First") < page.index("## Third") < page.index("## Curves\n\nnot run")
    lines = page[page.index("## Third") :].split("\n")
    head, base, better, later = (cells(lines[number]) for number in (2, 4, 5, 6))
    told = dict(zip(head, better, strict=True))
    assert told["to the row above (p)"] == "+1.50 (0.012, 0.0046)"
    assert told["to the base (p)"] == "-0.25 (0.012, 0.0046)"
    assert told["time"] == "1,234 s"
    assert told["perplexity"] == "4.50"
    assert told["validation perplexity"] == "9.000"
    assert told["best at epoch"] == "0.5"
    # half an epoch of 48,000 words at 100 words/s, half of one at 50
    assert told["training"] == "12 min"
    assert told["words/s"] == "67"
    told = dict(zip(head, base, strict=True))
    assert (told["to the row above (p)"], told["to the base (p)"]) == ("", "")
    assert set(later[1:]) == {"not run"}
    (experiment / "curves.svg").write_text("<svg/>")
    run(experiment, "results.py", "train", "--tables", "own.toml")
    assert "![Curves](curves.svg)" in (experiment / "RESULTS.md").read_text()


def test_a_file_of_values_is_a_table(experiment: Path) -> None:
    table = '[[table]]\ntitle = "Curve"\ntsv = "figures/curve.tsv"\n'
    (experiment / "own.toml").write_text(f'title = "T"\ncommand = "c"\n{table}')
    page = experiment / "RESULTS.md"
    assert run(experiment, "results.py", "train", "--tables", "own.toml").returncode == 0
    assert page.read_text().endswith("## Curve\n\nnot run\n")
    (experiment / "figures").mkdir()
    (experiment / "figures/curve.tsv").write_text("epoch\tone\n1\t0.50\n12\t99.50\n")
    assert run(experiment, "results.py", "train", "--tables", "own.toml").returncode == 0
    rows = ["| epoch |   one |", "| ----- | ----: |", "| 1     |  0.50 |", "| 12    | 99.50 |"]
    assert page.read_text().endswith("\n".join(["## Curve", "", *rows, ""]))


def test_a_table_beside_several_others_names_each(experiment: Path) -> None:
    work = experiment / "work"
    (work / "two.against-base.json").write_text(json.dumps(judged(-0.25, 21.5)))
    table = """
[[table]]
title = "Both"
baseline = { base = "to the base", one = "to the first one" }
rows = [{ label = "Two", result = "two", first = true }]
"""
    (experiment / "own.toml").write_text(f'title = "T"\ncommand = "c"\n{table}')
    (work / "two.against-one.json").write_text(json.dumps(judged(2.5, 21.5)))
    assert run(experiment, "results.py", "train", "--tables", "own.toml").returncode == 0
    lines = (experiment / "RESULTS.md").read_text().partition("## Both\n\n")[2].split("\n")
    told = dict(zip(cells(lines[0]), cells(lines[2]), strict=True))
    assert told["to the base"] == "-0.25 (0.012, 0.0046)"
    assert told["to the first one"] == "+2.50 (0.012, 0.0046)"


def test_a_file_of_markdown_stands_under_its_title(experiment: Path) -> None:
    part = '[[text]]\ntitle = "Longest"\nfile = "longest.md"\ncommand = "s2s show longest"\n'
    (experiment / "own.toml").write_text(f'title = "T"\ncommand = "c"\n{part}')
    page = experiment / "RESULTS.md"
    assert run(experiment, "results.py", "train", "--tables", "own.toml").returncode == 0
    assert page.read_text().endswith("## Longest\n\nnot run: `s2s show longest`\n")
    (experiment / "longest.md").write_text("### Line 2\n\nIt is long.\n\n")
    assert run(experiment, "results.py", "train", "--tables", "own.toml").returncode == 0
    wanted = "## Longest\n\n### Line 2\n\nIt is long.\n\n`s2s show longest`\n"
    assert page.read_text().endswith(wanted)


def test_a_note_stands_at_the_head_of_the_page(experiment: Path) -> None:
    (experiment / "tables.toml").write_text('note = "It is small."\n' + SETTINGS)
    assert run(experiment, "results.py", "train").returncode == 0
    page = (experiment / "RESULTS.md").read_text()
    assert page.startswith("# A recipe\n\nWritten by `run.sh`, not by hand. It is small.\n")


def test_a_long_time_is_told_in_hours_too(experiment: Path) -> None:
    (experiment / "work/.done/train").write_text("40000\n")
    assert run(experiment, "results.py", "train", "decode").returncode == 0
    assert "- time: 40005 s (11.1 hours) in all: train" in (experiment / "RESULTS.md").read_text()


def test_the_processor_is_named_with_its_family_and_units(tmp_path: Path) -> None:
    sys.path.insert(0, str(RECIPES))
    from results import processor

    told = "processor : 0\ncpu family : 25\nmodel : 1\nmodel name : AMD EPYC\nflags : fpu {}\n"
    path = tmp_path / "cpuinfo"
    path.write_text(told.format("avx2 bmi2") * 2)
    assert processor(path) == "AMD EPYC (family 25, model 1; AVX2)"
    path.write_text(told.format("avx2 avx512f avx512_bf16 avx512_vnni"))
    assert processor(path) == "AMD EPYC (family 25, model 1; AVX2 AVX-512 bf16 VNNI)"
    path.write_text("Processor : of another kind\n")
    assert processor(path) == (platform.processor() or platform.machine())
