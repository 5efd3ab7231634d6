"""``s2s train``: finished means finished, and stopped means resumable without a trace."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import torch
from conftest import Popen, Run, linux_only

LONG_ENOUGH = ["--batch-size", "2", "--epochs", "3", "--log-every", "10", "--dropout", "0.1"]


def weights(path: Path) -> dict[str, torch.Tensor]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    tensors: dict[str, torch.Tensor] = content["model"]
    return tensors


def metrics(model: Path) -> list[dict[str, float]]:
    """Every record but for what depends on the clock."""
    lines = (model / "metrics.jsonl").read_text("utf-8").splitlines()
    return [
        {key: value for key, value in json.loads(line).items() if key != "words_per_second"}
        for line in lines
    ]


def test_a_finished_training_is_left_alone(s2s: Run, tiny_experiment: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny_experiment, tmp_path / "copy"))

    def state() -> dict[str, tuple[bytes, int]]:
        files = (copy / "model").iterdir()
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    before = state()
    run = s2s("train", cwd=copy)
    assert (run.returncode, run.stdout) == (0, b"")
    assert b"finished" in run.stderr
    assert state() == before


def log(told: str) -> list[str]:
    """Its lines, without speed and time left."""
    lines = [line for line in told.splitlines() if line.startswith("update ")]
    return [line if "validation" in line else line[:58] for line in lines]


def stopped_at_first_line(
    popen: Popen, number: signal.Signals, directory: Path, *more: str
) -> tuple[int, str]:
    """Exit code and talk of a training that got a signal after the first line of its log."""
    process = popen(
        ["train", *LONG_ENOUGH, *more],
        cwd=directory,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    with process:
        told = ""
        for line in process.stderr:
            told += line
            if line.startswith("update "):
                break
        process.send_signal(number)
        told += process.stderr.read()
        return process.wait(), told


def test_stopping_and_going_on_leaves_no_trace(s2s: Run, popen: Popen, experiment: Path) -> None:
    whole = s2s("train", *LONG_ENOUGH, "--model", "whole", cwd=experiment)
    assert whole.returncode == 0, whole.stderr.decode()

    ended, told = stopped_at_first_line(popen, signal.SIGTERM, experiment)
    assert ended == 143, told
    assert "the same command goes on from here" in told
    talk = told
    for number, code in ((signal.SIGINT, 130), (signal.SIGUSR1, 138), (signal.SIGKILL, -9)):
        ended, told = stopped_at_first_line(popen, number, experiment)
        assert ended == code, told
        assert "resumed after update" in told
        assert "Traceback" not in told
        talk += told
    resumed = s2s("train", *LONG_ENOUGH, cwd=experiment)
    assert resumed.returncode == 0, resumed.stderr.decode()
    assert b"resumed after update" in resumed.stderr

    assert_same_trainings(experiment)
    assert list(dict.fromkeys(log(talk + resumed.stderr.decode()))) == log(whole.stderr.decode())
    # What is compared must have come from training, and from more than one validation.
    validations = [
        each for each in metrics(experiment / "whole") if "validation_perplexity" in each
    ]
    assert len({each["validation_perplexity"] for each in validations}) > 2


def assert_same_trainings(experiment: Path) -> None:
    """Those in ``model`` and ``whole``, to the bit."""
    assert metrics(experiment / "model") == metrics(experiment / "whole")
    for name in ("best.pt", "last.pt"):
        one, two = (weights(experiment / model / name) for model in ("model", "whole"))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), name


def test_two_processes_stop_and_go_on_without_a_trace(
    s2s: Run, popen: Popen, experiment: Path
) -> None:
    together = "--gpus", "2", "--layout", "data", "--save-every", "7", "--epochs", "1"
    whole = s2s("train", *LONG_ENOUGH, *together, "--model", "whole", cwd=experiment)
    assert whole.returncode == 0, whole.stderr.decode()
    for number, code in ((signal.SIGUSR1, 138), (signal.SIGKILL, -9)):
        ended, told = stopped_at_first_line(popen, number, experiment, *together)
        assert ended == code, told
    resumed = s2s("train", *LONG_ENOUGH, *together, cwd=experiment)
    assert resumed.returncode == 0, resumed.stderr.decode()
    assert b"resumed after update" in resumed.stderr
    assert_same_trainings(experiment)


@linux_only
def test_a_second_signal_ends_it_at_once(popen: Popen, experiment: Path) -> None:
    """Here in a validation that never ends."""
    script = (
        "import sys, time\n"
        "from s2s_cli.training import trainer\n"
        "def hang(*arguments):\n"
        "    print('hangs', file=sys.stderr, flush=True)\n"
        "    time.sleep(1000)\n"
        "trainer.perplexity = hang\n"
        "from s2s_cli.__main__ import main\n"
        "main()\n"
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        with popen(["-c", script, "train"], cwd=experiment, stderr=subprocess.PIPE) as process:
            assert process.stderr
            assert any(b"hangs" in line for line in process.stderr)
            process.send_signal(number)
            while catches(process.pid, signal.SIGTERM):  # until the first one has been noted
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            assert process.wait(100) == -signal.SIGTERM


def catches(process: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{process}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)


def test_talk_is_for_stderr_and_says_what_comes(s2s: Run, experiment: Path) -> None:
    run = s2s("train", "--max-updates", "2", "--log-every", "1", cwd=experiment)
    told = run.stderr.decode()
    assert (run.returncode, run.stdout) == (0, b"")
    head, _, rest = told.partition("update 1 ")
    for part in ("parameters", "memory", "200 sentence pairs"):
        assert part in head
    columns = ["epoch", "loss", "ppl", "rate", "norm", "words/s", "left"]
    assert head.splitlines()[-1].split() == columns
    assert "validation perplexity" in rest
    assert max(map(len, told.splitlines())) <= 80
    # 12 rows of 16 numbers twice, two LSTMs of 4 gates, and the softmax over 12 words.
    lstm = 4 * 16 * (16 + 16 + 2)
    assert f"{2 * 12 * 16 + 2 * lstm + 12 * 17:,} parameters" in head


def test_a_plan_as_json_is_one_object(experiment: Path, s2s: Run) -> None:
    planned = s2s("train", "--plan", "--json", cwd=experiment)
    assert planned.returncode == 0, planned.stderr.decode()
    assert json.loads(planned.stdout)["layout"] == "data"  # of one device
    refused = s2s("train", "--json", cwd=experiment)
    assert refused.returncode == 2
    assert b"--plan" in refused.stderr
