"""The recipe of speed: its arithmetic, its records, its page, and that all decode one model."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from speed_modules import SPEED, module

from s2s_cli.model.config import Shape
from s2s_cli.model.seq2seq import Seq2Seq

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


arithmetic, curve, page, records, settings, timing = map(
    module, ("arithmetic", "curve", "page", "records", "settings", "timing")
)


def test_a_word_costs_two_operations_a_weight_that_it_meets() -> None:
    with torch.device("meta"):
        network = Seq2Seq(Shape(70, 90, 3, 8, 5))
    shape = settings.Shape(layers=3, cells=8, embedding=5)
    matrices = [each.numel() for each in network.decoder.parameters() if each.dim() == 2]
    assert arithmetic.lstm_word(shape) == 2 * sum(matrices)
    everything = 2 * (sum(matrices) + network.softmax.weight.numel())
    assert arithmetic.target_word(shape, 90) == everything


def test_the_arithmetic_of_the_small_model_is_the_known_one() -> None:
    small = settings.FULL.shapes["small"]
    assert round(arithmetic.lstm_word(small) / 1e6, 1) == 8.4
    assert round(arithmetic.target_word(small, 10_002) / 1e6, 1) == 18.6
    # Two sources of 3 and 4 words; outputs of 2 and 0 words: a first step, then a full beam.
    rows = 1 + 5 * 2 + 1
    expected = 7 * arithmetic.lstm_word(small) + rows * arithmetic.target_word(small, 90)
    assert arithmetic.decoding(small, 90, [3, 4], [2, 0], beam=5) == expected


@pytest.mark.parametrize("directions", [1, 2])
def test_attention_costs_two_operations_a_weight_that_is_met(directions: int) -> None:
    """Source words meet the encoder, target words and ends the rest, each pair the bridge."""
    shape = settings.Shape(2, 8, 5, attention=True, directions=directions)
    with torch.device("meta"):
        network = Seq2Seq(arithmetic.model(shape, 90))
    met = {"encoder": 4, "decoder": 7, "softmax": 7, "attention": 7, "bridge": 1}
    words = {"source_embedding": 0, "target_embedding": 0} | met
    matrices = {name: each for name, each in network.named_parameters() if each.dim() == 2}
    expected = 0
    for name, each in matrices.items():
        part = next(part for part in ("attention", *words) if part in name)
        expected += 2 * each.numel() * words[part]
    assert arithmetic.training(shape, 90, 1, 4, 6) == 3 * expected


def test_prefixes_are_counted_once() -> None:
    # "", a, a b, a b c, a d; b, b a
    assert arithmetic.distinct_prefixes([list("abc"), list("ad"), list("ba"), list("ab")]) == 7
    assert arithmetic.distinct_prefixes([[]]) == 1


def record(section: str, case: str, tool: str, round: int) -> Any:
    return records.Record(
        section, case, tool, round, "", "", 2, "cpu", "1.0", "abc", "", "a machine"
    )


def test_records_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "work/records.tsv"
    kept = records.Records(path)
    kept.add(record("train", "small", "s2s", 1), {"words_per_second": 1234.5, "seconds": 2.0})
    kept.add(record("train", "small", "peer", 0), {"missing": "not\tinstalled\n"})
    again = records.Records(path)
    assert again.all == kept.all
    assert again.has("train", "small", "s2s", 1)
    assert not again.has("train", "small", "s2s", 2)
    assert not again.has("train", "small", "peer", 0)
    assert again.reason("train", "small", "peer") == "not installed"
    assert again.values("train", "small", "s2s", "words_per_second") == [1234.5]


def test_what_is_forgotten_is_measured_anew(tmp_path: Path) -> None:
    kept = records.Records(tmp_path / "records.tsv")
    for case in ("small", "paper"):
        kept.add(record("train", case, "s2s", 1), {"seconds": 1.0})
        kept.add(record("train", case, "peer", 1), {"failed": "no memory"})
    kept.forget_reasons("train", "small", "peer")
    assert kept.reason("train", "small", "peer") is None
    assert kept.reason("train", "paper", "peer") == "failed: no memory"
    kept.forget("train", "paper")
    assert kept.cases("train") == ["small"]
    assert kept.has("train", "small", "s2s", 1)


def rows_of(text: str) -> dict[str, list[str]]:
    lines = [line for line in text.split("\n") if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {first: rest for first, *rest in cells}


def test_the_page_shows_medians_ratios_and_shares(tmp_path: Path) -> None:
    kept = records.Records(tmp_path / "records.tsv")
    for round, (ours, peer) in enumerate([(300.0, 100.0), (320.0, 90.0), (900.0, 110.0)], 1):
        machine = {"peak_fp32": 200.0, "library_fp32": "onednn"}
        kept.add(record("train", "small", page.MACHINE, round), machine)
        for tool, speed in (("s2s", ours), ("fairseq", peer), ("OpenNMT-py", peer / 2)):
            values = {"words_per_second": speed, "gflops": speed / 2, "seconds": 1.0}
            kept.add(record("train", "small", tool, round), values)
    kept.add(record("train", "small", "JoeyNMT", 0), {"missing": "not installed"})
    text = page.page(kept)
    rows = rows_of(text)
    assert rows[""] == ["words/s", "× fastest peer", "GFLOP/s", "% of peak"]
    assert rows["s2s"] == ["320 [300, 900]", "3.20", "160", "80"]
    assert rows["fairseq"] == ["100 [90, 110]", "1.00", "50", "25"]
    assert rows["OpenNMT-py"] == ["50 [45, 55]", "0.50", "25", "12"]
    assert rows["JoeyNMT"] == ["not installed", "", "", ""]
    assert page.MACHINE not in rows
    assert "fp32 200 GFLOP/s. Gradients of weights: fp32 by onednn. Runs: 3." in text
    assert "- hardware: a machine\n- threads: 2\n" in text


@pytest.mark.parametrize(
    ("runs", "column", "below"),
    [((2, 2), None, "Runs: 2.\n"), ((2, 1), ["2", "1", ""], "fp32 200 GFLOP/s.\n")],
)
def test_the_page_says_how_many_runs_are_behind_each_row(
    tmp_path: Path, runs: tuple[int, int], column: list[str] | None, below: str
) -> None:
    kept = records.Records(tmp_path / "records.tsv")
    kept.add(record("train", "small", page.MACHINE, 1), {"peak_fp32": 200.0})
    for tool, count in zip(("s2s", "fairseq"), runs, strict=True):
        for round in range(count):
            values = {"words_per_second": 9.0, "seconds": 1.0}
            kept.add(record("train", "small", tool, round), values)
    kept.add(record("train", "small", "JoeyNMT", 0), {"missing": "not run"})
    text = page.page(kept)
    rows = rows_of(text)
    shown = [rows[name][-1] for name in ("s2s", "fairseq", "JoeyNMT")]
    assert (shown if rows[""][-1] == "runs" else None) == column
    trained, others = text.split("## Decoding")
    assert below + "\n## Learning in bf16" in trained
    assert others.count("Not run.") == len(page.SECTIONS) - 2


def test_a_run_that_was_stopped_after_the_peak_has_a_page(tmp_path: Path) -> None:
    kept = records.Records(tmp_path / "records.tsv")
    kept.add(record("train", "small", page.MACHINE, 1), {"peak_fp32": 200.0})
    assert "Peak of matrix products: fp32 200 GFLOP/s. Runs: 0." in page.page(kept)


def test_the_distances_of_learning_curves_are_told(tmp_path: Path) -> None:
    """In powers of e, so that the distances can be read off."""
    kept = records.Records(tmp_path / "records.tsv")
    logs = {
        ("seed 1", "s2s"): (5.0, 4.0),
        ("seed 1", "s2s bf16"): (5.1, 3.9, 3.0),  # further than the others
        ("seed 2", "s2s"): (5.5, 4.1),
    }
    for (case, tool), values in logs.items():
        found = {f"perplexity_at_{50 * i}": math.exp(log) for i, log in enumerate(values, 1)}
        kept.add(record("curve", case, tool, 1), found | {"seconds": 1.0})
    text = page.page(kept)
    rows = rows_of(text)
    assert rows["update"] == ["fp32 seed 1", "fp32 seed 2", "bf16 seed 1"]
    assert rows["50"] == ["148.41", "244.69", "164.02"]
    assert rows["150"] == ["", "", "20.09"]
    told = [line for line in text.split("\n") if line.startswith("- fp32")]
    assert told == ["- fp32 seed 1 and bf16 seed 1: 0.1", "- fp32 seed 1 and fp32 seed 2: 0.3"]


def test_a_peer_that_is_not_given_is_not_called_missing(tmp_path: Path) -> None:
    def missing(peers: Path | None) -> Any:
        given = settings.Settings(peers=peers)
        return module("tools.opennmt").OpenNMT(given, None).missing()

    assert missing(None) == "not run"
    assert missing(tmp_path) == "not installed"
    python = tmp_path / "venv-onmt/bin/python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert missing(tmp_path) is None


def test_help_of_a_peer_is_asked_for_in_its_own_environment(tmp_path: Path) -> None:
    """Without its shim, fairseq does not start on newer Pythons."""
    given = settings.Settings(peers=tmp_path)
    fairseq = module("tools.fairseq").Fairseq(given, None)
    fairseq.folder = tmp_path
    command = [sys.executable, "-c", "import os; print(os.environ['PYTHONPATH'])"]
    asked: list[Any] = []

    def run(command: list[str]) -> Any:
        asked.append(type(fairseq).run(fairseq, command))
        return asked[-1]

    fairseq.run = run
    module("texts").seconds_of(fairseq, command, 1)
    assert asked[0].talk[0][1].endswith("peers/shim")


def test_other_work_is_all_but_that_of_this_process_and_its_children(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = os.times_result((1.0, 0.5, 2.0, 0.25, 0.0))
    monkeypatch.setattr(timing.os, "times", lambda: own)
    busy = SimpleNamespace(user=10.0, nice=1.0, system=2.0, idle=1000.0)
    monkeypatch.setattr(timing.psutil, "cpu_times", lambda: busy)
    others = timing.OtherWork()
    own = os.times_result((1.5, 0.5, 4.0, 0.25, 0.0))
    busy.user, busy.idle = 13.5, 2000.0
    others.at -= 10
    assert others.cores() == pytest.approx(0.1, rel=1e-2)


def test_a_run_beside_other_work_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring = module("measuring")
    bench = measuring.Bench.__new__(measuring.Bench)
    bench.settings, bench.records = settings.Settings(), records.Records(tmp_path / "records.tsv")
    bench.commit, bench.machine, bench.wanted, bench.visited = "c", "m", None, set()
    entry = measuring.Entry("s2s", lambda round: {"seconds": 1.0}, ours=True)
    for cores, values in ((0.5, []), (0.05, [1.0])):
        monkeypatch.setattr(measuring.OtherWork, "cores", lambda _, cores=cores: cores)
        bench.rounds("train", "small", [entry], runs=1)
        assert bench.records.values("train", "small", "s2s", "seconds") == values
    assert bench.records.reason("train", "small", "s2s") is None


def test_the_words_of_the_peers_are_counted_from_their_reports() -> None:
    """Two updates warm up; two are measured, of 2 s each, with 40 source and 30 target words."""
    opennmt = "[INFO] Step {}/ 4; acc: 0.1; xent: 9.1; sents: 10; bsz: 40/ 40/10; 20/20 tok/s"
    fairseq = '| INFO | train_inner | {{"epoch": 1, "wpb": "40", "bsz": "10", "num_updates": "{}"}}'
    joeynmt = "Epoch 1, Step: {}, Batch Loss: 9.1, Tokens per Sec:       20, Lr: 0.700000"
    marian = (
        "[time] Ep. 1 : Up. {} : Sen. 10 : Cost 6.7 * 40 @ 40 after 1,040 : Time 0.16s : 9 words/s"
    )
    lines = {"opennmt": opennmt, "fairseq": fairseq, "joeynmt": joeynmt, "marian": marian}
    found = {}
    for name, line in lines.items():
        talk = [(at, line.format(number)) for number, at in enumerate([3.0, 7.0, 9.0, 11.0], 1)]
        talk.insert(2, (8.0, "[INFO] something else"))
        speed = module(f"tools.{name}").speed
        found[name] = (partial(speed, batch=10) if name in ("joeynmt", "marian") else speed), talk
    speeds = {name: speed(talk, 2) for name, (speed, talk) in found.items()}
    assert speeds == {
        "opennmt": (40 + 30) / 2,
        "fairseq": 30 / 2,
        "joeynmt": 30 / 2,
        "marian": 30 / 2,
    }
    for speed, talk in found.values():
        with pytest.raises(timing.Failed, match="3 updates reported, not 4"):
            speed(talk[:-1], 2)


def test_a_run_is_timed_with_what_it_said(tmp_path: Path) -> None:
    code = "import sys; sys.stdin.read(); print('data'); print('talk', file=sys.stderr)"
    taken = timing.run(
        [sys.executable, "-c", code], environment={}, stdout=tmp_path / "out", cwd=tmp_path
    )
    assert (tmp_path / "out").read_text() == "data\n"
    assert [line for _, line in taken.talk] == ["talk"]
    assert 0 < taken.cpu_seconds < 10 * taken.seconds
    assert taken.memory_mib > 1


def test_the_memory_of_a_run_is_its_own() -> None:
    """What the system tells of an ended process counts what it was before it was a program."""
    ballast = b"x" * (200 << 20)
    taken = timing.run([sys.executable, "-c", "import time; time.sleep(1)"], environment={})
    assert 1 < taken.memory_mib < len(ballast) / 2**20 / 2


def test_a_run_that_fails_says_why() -> None:
    with pytest.raises(timing.Failed, match="ended with 3: no such luck"):
        timing.run(
            [sys.executable, "-c", "print('no such luck'); raise SystemExit(3)"], environment={}
        )
    with pytest.raises(timing.Failed, match="No such file"):
        timing.run(["/nonexistent/program"], environment={})


def plain(*arguments: object) -> str:
    command = [sys.executable, str(SPEED / "peers/plain.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, s2s: Run) -> Path:
    """A small corpus, a model of the plain reference, and the same as a model directory."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "corpus").mkdir()
    sources = ["a b c", "b a", "c c a b", "a rare c", "c", "b b b", "c a", "a b c b"]
    targets = ["x y z", "y x", "z z x y", "x odd z", "z", "y y y", "z x", "x y z y"]
    for language, lines in (("en", sources), ("fr", targets)):
        (folder / f"corpus/train.{language}").write_text("".join(f"{line}\n" for line in lines))
    prep = s2s("prep", "--tokenised", "--reverse-source", cwd=folder)
    assert prep.returncode == 0, prep.stderr
    assert s2s("vocab", "--min-count", "2", cwd=folder).returncode == 0
    data = folder / "data"
    sizes = ("--layers", 2, "--cells", 12, "--embedding", 6)
    settings = ("--updates", 400, "--batch", 8, "--optimiser", "adam", "--rate", 0.02)
    plain("train", "--data", data, "--model", folder / "plain.pt", *sizes, *settings)
    convert = SPEED / "convert.py"
    command = [sys.executable, *map(str, (convert, folder / "plain.pt", data, folder / "model"))]
    subprocess.run(command, check=True)
    return folder


@pytest.mark.parametrize("beam", [1, 3])
def test_a_converted_model_translates_as_the_plain_reference(
    trained: Path, s2s: Run, beam: int
) -> None:
    text = trained / "corpus/train.en"
    sizes = ("--data", trained / "data", "--layers", 2, "--cells", 12, "--embedding", 6)
    given = ("--model", trained / "plain.pt", "--source", text, "--beam", beam)
    expected = plain("translate", *sizes, *given)
    found = s2s("decode", "--tokenised", "--beam", str(beam), "--input", text, cwd=trained)
    assert found.stdout.decode() == expected
    assert len(set(expected.split("\n"))) > 5  # it has learnt to tell sentences apart
    assert "UNK" in expected


def test_a_converted_model_scores_as_the_plain_reference(trained: Path, s2s: Run) -> None:
    source, target = (trained / f"corpus/train.{language}" for language in ("en", "fr"))
    sizes = ("--data", trained / "data", "--layers", 2, "--cells", 12, "--embedding", 6)
    given = ("--model", trained / "plain.pt", "--source", source, "--target", target)
    expected = list(map(float, plain("score", *sizes, *given).split()))
    entries = enumerate(target.read_text().split("\n")[:-1])
    (trained / "nbest.txt").write_text(
        "".join(f"{i} ||| {line} ||| ||| -1\n" for i, line in entries)
    )
    done = s2s("rescore", "--tokenised", "--add-feature", "--source", source, cwd=trained)
    lines = done.stdout.decode().split("\n")[:-1]
    found = [float(line.split(" ||| ")[2].split()[-1]) for line in lines]
    # The plain reference leaves a little probability to padding and start, which we have not.
    assert found == pytest.approx(expected, abs=0.05)
