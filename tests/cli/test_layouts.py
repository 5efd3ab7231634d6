"""``s2s train --gpus``: real processes that train together, stop together and die together."""

import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Popen, Run, linux_only

Training = Callable[..., "AbstractContextManager[Any]"]
TOGETHER = ["--gpus", "2", "--layout", "data", "--device", "cpu"]
# Ends only when something ends it, within the time that a test has.
LONG = ["--batch-size", "2", "--epochs", "9999", "--log-every", "5", "--save-every", "5"]


def saved(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def losses(model: Path) -> list[float]:
    records = map(json.loads, (model / "metrics.jsonl").read_text("utf-8").splitlines())
    return [value for each in records for key, value in each.items() if "loss" in key]


@pytest.fixture
def training(popen: Popen) -> Training:
    return partial(started, popen)


@contextmanager
def started(
    popen: Popen, directory: Path, *arguments: str, program: list[str] | None = None
) -> Iterator[Any]:
    """A training in a session of its own, none of which is left at the end."""
    process = (subprocess.Popen if program else popen)(
        [*(program or []), "train", *arguments],
        cwd=directory,
        env={**os.environ, "TMPDIR": str(directory)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        left = [process.pid, *children(process.pid)]
        for each in left:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        process.wait()
        assert process.stderr
        process.stderr.close()


def children(parent: int) -> list[int]:
    """The processes that ``parent`` started, and that are alive."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, above = path.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(above) == parent and state != "Z":
            found.append(int(path.parent.name))
    return found


def replicas(parent: int) -> list[int]:
    """Those of them that train, by rank; a helper of Python's is none."""
    ranks = {}
    for each in children(parent):
        environment = Path(f"/proc/{each}/environ")
        command = Path(f"/proc/{each}/cmdline").read_bytes()
        if b"resource_tracker" not in command and environment.exists():
            ranks[each] = command
    return sorted(ranks)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def ignores(process: int, number: int) -> bool:
    """Whether a process ignores a signal."""
    status = Path(f"/proc/{process}/status").read_text()
    return bool(int(status.partition("SigIgn:")[2].split()[0], 16) >> (number - 1) & 1)


def told_until(process: Any, start: str) -> str:
    """What is said up to the first line that begins so."""
    told = ""
    for line in process.stderr:
        told += str(line)
        if line.startswith(start):
            return told
    raise AssertionError(f"no line {start!r} in:\n{told}")


def end(process: Any) -> tuple[int, str]:
    """Exit code, and what is said until then."""
    told = process.stderr.read()
    return process.wait(), told


@pytest.mark.parametrize(
    "layout", [["--gpus", "4", "--device", "cpu"], TOGETHER], ids=["model", "data"]
)
def test_the_layouts_learn_what_one_device_learns(
    s2s: Run, experiment: Path, layout: list[str]
) -> None:
    short = "--max-updates", "60", "--log-every", "20"
    one = s2s("train", *short, "--model", "one", cwd=experiment)
    several = s2s("train", *short, *layout, "--model", "several", cwd=experiment)
    assert (several.returncode, several.stdout) == (0, b""), several.stderr.decode()
    found, expected = losses(experiment / "several"), losses(experiment / "one")
    assert len(expected) > 2
    assert found == pytest.approx(expected, rel=2e-3)
    # One process talks, and in the same words.
    lines = one.stderr.decode().count("\nupdate ")
    assert several.stderr.decode().count("\nupdate ") == lines
    text = b"one two three\n"
    decoded = s2s("decode", "--model", "several", "--device", "cpu", cwd=experiment, input=text)
    assert decoded.returncode == 0
    assert len(decoded.stdout.split()) > 0


def test_placement_is_told_before_training(s2s: Run, experiment: Path) -> None:
    run = s2s("train", "--gpus", "3", "--device", "cpu", "--max-updates", "1", cwd=experiment)
    assert run.returncode == 0, run.stderr.decode()
    head = " ".join(run.stderr.decode().partition("update 1 ")[0].split())
    assert "device 0 (cpu): embeddings, layer 1 of both LSTMs; memory about" in head
    assert re.search(r"device 1 \(cpu\): output layer, words 0-\d+;", head)
    assert re.search(r"device 2 \(cpu\): output layer, words \d+-11;", head)


@pytest.mark.parametrize("layout", ["model", "data"])
def test_too_few_gpus_say_what_to_type(
    s2s: Run, experiment: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    settings = experiment / "s2s.toml"
    settings.write_text(settings.read_text().replace('device = "cpu"\n', ""))
    run = s2s("train", "--gpus", "8", "--layout", layout, cwd=experiment)
    told = run.stderr.decode()
    assert run.returncode == 2
    assert told.count("\n") == 1
    assert "no GPU" in told
    assert "--device cpu" in told
    assert not (experiment / "model").exists()


def test_a_training_moves_between_layouts(s2s: Run, experiment: Path) -> None:
    layouts = [TOGETHER, [], ["--gpus", "4"]]
    for part, layout in enumerate(layouts, 1):
        updates = ["--max-updates", str(30 * part), "--log-every", "10"]
        run = s2s("train", *layout, *updates, "--device", "cpu", cwd=experiment)
        assert run.returncode == 0, run.stderr.decode()
        assert (b"resumed after update" in run.stderr) == (part > 1)
    straight = s2s("train", *updates, "--model", "straight", cwd=experiment)
    assert straight.returncode == 0
    found, expected = losses(experiment / "model"), losses(experiment / "straight")
    assert len(expected) == 9
    assert found == pytest.approx(expected, rel=2e-3)


@linux_only
def test_a_signal_stops_all_after_one_update_and_once(experiment: Path, training: Training) -> None:
    with training(experiment, *TOGETHER, *LONG) as process:
        told_until(process, "update ")
        ranks = replicas(process.pid)
        process.terminate()
        code, told = end(process)
    assert code == 143, told
    assert told.count("the same command goes on from here") == 1
    assert "Traceback" not in told
    assert len(ranks) == 2
    assert not any(map(alive, ranks))
    stopped = int(told.rpartition("stopped after update ")[2].partition(";")[0].replace(",", ""))
    assert saved(experiment / "model/last.pt")["progress"]["updates"] == stopped


def test_ctrl_c_reaches_the_ranks_once(experiment: Path, training: Training) -> None:
    """A terminal sends it to the whole group, and a second one would end them at once."""
    with training(experiment, *TOGETHER, *LONG) as process:
        told_until(process, "update ")
        os.killpg(process.pid, signal.SIGINT)
        code, told = end(process)
    assert code == 130, told
    assert "the same command goes on from here" in told


@linux_only
def test_a_killed_rank_ends_all_and_is_named(
    s2s: Run, experiment: Path, training: Training
) -> None:
    with training(experiment, *TOGETHER, *LONG) as process:
        told_until(process, "update 10 ")
        ranks = replicas(process.pid)
        os.kill(ranks[0], signal.SIGKILL)
        code, told = end(process)
        assert not any(map(alive, ranks))
    assert code == 1
    assert f"replica 0 of 2 (process {ranks[0]})" in told
    assert "SIGKILL" in told
    assert "Traceback" not in told
    before = saved(experiment / "model/last.pt")["progress"]["updates"]
    more = s2s("train", *TOGETHER, *LONG, "--max-updates", str(before + 5), cwd=experiment)
    assert more.returncode == 0, more.stderr.decode()
    assert f"resumed after update {before:,}".encode() in more.stderr


@linux_only
def test_a_killed_launcher_leaves_no_rank_behind(experiment: Path, training: Training) -> None:
    with training(experiment, *TOGETHER, *LONG) as process:
        told_until(process, "update 10 ")
        ranks = replicas(process.pid)
        process.kill()
        process.stderr.read()  # until the last rank has closed it
    for each in ranks:
        while alive(each):
            time.sleep(0.01)


@linux_only
def test_a_second_signal_ends_also_a_rank_that_hangs(experiment: Path, training: Training) -> None:
    with training(experiment, *TOGETHER, *LONG) as process:
        told_until(process, "update 10 ")
        ranks = replicas(process.pid)
        os.kill(ranks[1], signal.SIGSTOP)
        ignored = ignores(ranks[0], signal.SIGUSR1)
        process.terminate()
        while ignores(ranks[0], signal.SIGUSR1) == ignored:
            time.sleep(0.01)  # until the first one has been noted, and passed on
        process.terminate()
        code, told = end(process)
    assert code == -signal.SIGTERM
    assert not any(map(alive, ranks)), told


@linux_only
def test_a_signal_while_ranks_start_ends_all(experiment: Path, training: Training) -> None:
    """It must not be lost: nobody would send another. They import, so they are interpreters."""
    program = [sys.executable, "-m", "s2s_cli"]
    with training(experiment, *TOGETHER, *LONG, program=program) as process:
        while len(replicas(process.pid)) < 2:
            time.sleep(0.01)
        process.terminate()
        code, told = end(process)
    assert code == 143, told
    assert "terminated" in told or "stopped" in told
    assert "Traceback" not in told
    assert not list(experiment.glob("model/*"))


def test_a_closed_terminal_is_survived_under_nohup(experiment: Path, training: Training) -> None:
    nohup = ["nohup", sys.executable, "-m", "s2s_cli"]
    with training(experiment, *TOGETHER, *LONG, program=nohup) as process:
        told_until(process, "update 10 ")
        process.send_signal(signal.SIGHUP)
        told_until(process, "update 20 ")
        process.terminate()
        code, told = end(process)
    assert code == 143, told


@linux_only
def test_nothing_listens_to_others(experiment: Path, training: Training) -> None:
    with training(experiment, *TOGETHER, *LONG) as process:
        told_until(process, "update ")
        addresses = {
            address for each in (process.pid, *children(process.pid)) for address in listening(each)
        }
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert addresses  # they do talk


def listening(process: int) -> set[str]:
    """Addresses on which a process waits for connections."""
    sockets = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            sockets.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    found = set()
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{process}/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                # Words of the address, each in the order of this machine's bytes.
                raw = bytes.fromhex(fields[1].partition(":")[0])
                words = [raw[start : start + 4] for start in range(0, len(raw), 4)]
                if sys.byteorder == "little":
                    words = [word[::-1] for word in words]
                found.add(str(ipaddress.ip_address(b"".join(words))))
    return found


@linux_only
def test_a_rank_that_hangs_is_given_up(experiment: Path, training: Training) -> None:
    with training(experiment, *TOGETHER, *LONG, "--rank-timeout", "0.05") as process:
        told_until(process, "update ")
        ranks = replicas(process.pid)
        os.kill(ranks[1], signal.SIGSTOP)
        code, told = end(process)
    assert not any(map(alive, ranks))
    assert code == 1
    assert "lost another one" in told
    assert "Traceback" not in told


def test_what_is_wrong_with_the_data_is_told_once(s2s: Run, experiment: Path) -> None:
    (experiment / "data").unlink()
    run = s2s("train", *TOGETHER, cwd=experiment)
    assert run.returncode == 1
    assert run.stderr.decode() == "s2s: data/corpus.json: no such file; run `s2s vocab` first\n"


def test_what_all_ranks_find_wrong_is_told_once(s2s: Run, experiment: Path) -> None:
    assert s2s("train", "--max-updates", "1", cwd=experiment).returncode == 0
    run = s2s("train", *TOGETHER, "--seed", "7", cwd=experiment)
    told = run.stderr.decode()
    assert run.returncode == 1
    assert told.count("seed was 1, now 7") == 1
    assert told.splitlines()[-1].startswith("s2s: model: holds a training with other settings")


def test_two_jobs_at_once(experiment: Path, training: Training) -> None:
    arguments = *TOGETHER, "--max-updates", "20"
    with (
        training(experiment, *arguments, "--model", "one") as first,
        training(experiment, *arguments, "--model", "two") as second,
    ):
        ends = [end(process) for process in (first, second)]
    assert [code for code, _ in ends] == [0, 0], ends
    one, two = (saved(experiment / name / "last.pt")["model"] for name in ("one", "two"))
    assert all(torch.equal(one[name], two[name]) for name in one)


SHORT = "--device", "cpu", "--max-updates", "20", "--log-every", "10"


def from_outside(rank: int, count: int) -> dict[str, str]:
    """The variables by which torchrun, SLURM and others say which process of how many it is."""
    numbers = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": count}
    return {name: str(value) for name, value in numbers.items()}


def test_torchrun_from_outside(s2s: Run, experiment: Path, training: Training) -> None:
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "s2s_cli"]
    program = [sys.executable, "-m", *torchrun]
    with training(experiment, *SHORT, "--model", "outside", program=program) as process:
        code, told = end(process)
    assert code == 0, told
    assert told.count("outside: finished") == 1
    assert "device 0 (cpu): embeddings, layer 1" not in told
    assert s2s("train", *SHORT, cwd=experiment).returncode == 0
    assert losses(experiment / "outside") == pytest.approx(losses(experiment / "model"), rel=2e-3)


def test_copies_over_three_devices_each_from_outside(
    s2s: Run, experiment: Path, popen: Popen
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
    train = ["train", *SHORT, "--gpus", "3", "--model", "outside"]
    streams: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True}
    copies = [
        popen(train, cwd=experiment, env=from_outside(rank, 2) | address, **streams)
        for rank in range(2)
    ]
    told = "".join(each.communicate()[1] for each in copies)
    assert [each.returncode for each in copies] == [0, 0], told
    assert told.count("outside: finished") == 1
    assert "device 0 (cpu): embeddings, layer 1" in told
    assert s2s("train", *SHORT, cwd=experiment).returncode == 0
    assert losses(experiment / "outside") == pytest.approx(losses(experiment / "model"), rel=2e-3)


def test_torchrun_and_gpus_at_once_is_a_mistake(
    s2s: Run, experiment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in from_outside(0, 2).items():
        monkeypatch.setenv(name, value)
    run = s2s("train", *TOGETHER, cwd=experiment)
    assert run.returncode == 2
    assert b"there are 2 processes already" in run.stderr
