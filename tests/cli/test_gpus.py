"""`--gpus N`: several processes give what one gives, in its order, and go together.

The devices are virtual here: each process has a replica of its own on the CPU.
"""

import os
import random
import re
import select
import shutil
import signal
import subprocess
from itertools import product
from pathlib import Path

import pytest
import torch
from conftest import Popen, Run, linux_only

from s2s_cli.model.directory import load_tensors, save_tensors
from s2s_cli.text.vocabulary import Vocabulary

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
PATIENCE = 120  # against hanging for ever; nothing is measured


def replicas(count: int) -> list[str]:
    return ["--gpus", str(count), "--device", "cpu"]


def sentences(count: int) -> list[str]:
    """Lines of 0 to 5 words, and one that is too long."""
    draw = random.Random(2)
    lines = [" ".join(draw.choices(WORDS, k=draw.randrange(6))) for _ in range(count - 1)]
    return [*lines, "seven " * 1100]


def text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def counts(stderr: bytes) -> str:
    """What was said, without what depends on the time."""
    return re.sub(r" in [\d.]+ s, .*", "", stderr.decode())


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (2, ["--max-length", "2"]),
        (3, ["--nbest", "2", "--batch-size", "2"]),
        (2, ["--model", "model", "--model", "model/last.pt", "--nbest", "1"]),
    ],
    ids=["best", "lists", "ensemble"],
)
def test_decode_writes_and_counts_what_one_device_does(
    count: int, options: list[str], s2s: Run, tiny_experiment: Path
) -> None:
    # With batches of two, a worker looks 32 lines ahead: enough lines for several pieces each.
    lines = sentences(200)
    one = s2s("decode", *options, cwd=tiny_experiment, input=text(lines))
    assert one.returncode == 0, one.stderr.decode()
    assert f"200 lines ({lines.count('')} blank)" in one.stderr.decode()
    assert "1 line cut" in one.stderr.decode()
    assert ("length limit" in one.stderr.decode()) == (options[0] == "--max-length")
    several = s2s("decode", *options, *replicas(count), cwd=tiny_experiment, input=text(lines))
    assert several.stdout == one.stdout
    assert counts(several.stderr) == counts(one.stderr)


@pytest.mark.parametrize("lines", [[], ["one two"], ["", "three"]], ids=len)
def test_fewer_lines_than_workers(lines: list[str], s2s: Run, tiny_experiment: Path) -> None:
    one = s2s("decode", cwd=tiny_experiment, input=text(lines))
    several = s2s("decode", *replicas(3), cwd=tiny_experiment, input=text(lines))
    assert (several.returncode, several.stdout) == (0, one.stdout)
    assert counts(several.stderr) == counts(one.stderr)


def hypotheses(count: int) -> list[str]:
    """Different lines of words that the model knows, and some that it does not know."""
    words = ["un", "deux", "trois", "quatre", "cinq", "sept", "onze"]
    return [" ".join(each) for length in (1, 2, 3, 4, 5) for each in product(words, repeat=length)][
        :count
    ]


def nbest(segments: list[tuple[int, list[str]]]) -> bytes:
    return b"".join(
        f"{number} ||| {each} ||| lm= {-place} ||| {-place / 100}\n".encode()
        for number, lines in segments
        for place, each in enumerate(lines)
    )


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (2, ["--detokenise"]),
        (3, ["--add-feature"]),
        (2, ["--add-feature", "--model", "model", "--model", "model/last.pt"]),
    ],
    ids=["winners", "list", "ensemble"],
)
def test_rescore_writes_what_one_device_does(
    count: int, options: list[str], s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(text(sentences(40)))
    draw = random.Random(3)
    made = hypotheses(500)
    segments = [(n, draw.sample(made, draw.randint(1, 60))) for n in range(40) if n % 9]
    (tmp_path / "list").write_bytes(nbest(segments))
    arguments = [tmp_path / "list", "--source", tmp_path / "source", *options]
    one = s2s("rescore", *arguments, cwd=tiny_experiment)
    assert one.returncode == 0, one.stderr.decode()
    assert len(set(one.stdout.split(b"\n"))) > 20
    several = s2s("rescore", *arguments, *replicas(count), cwd=tiny_experiment)
    assert (several.returncode, several.stdout) == (0, one.stdout)
    timed = re.compile(rb" in .*")
    assert timed.sub(b"", several.stderr) == timed.sub(b"", one.stderr)


def test_a_long_segment_is_cut_and_put_together(
    s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    """Its hypotheses get the scores that they get in five segments with the same source."""
    (tmp_path / "source").write_bytes(b"one two three\n" * 6)
    made = hypotheses(6000)
    random.Random(4).shuffle(made)
    (tmp_path / "long").write_bytes(nbest([(0, made), (5, ["un"])]))
    cut = [(number, made[number * 1200 : (number + 1) * 1200]) for number in range(5)]
    (tmp_path / "cut").write_bytes(nbest([*cut, (5, ["un"])]))

    def scores(name: str, *options: str) -> list[tuple[bytes, bytes]]:
        files = [tmp_path / name, "--source", tmp_path / "source", "--add-feature"]
        run = s2s("rescore", *files, *options, cwd=tiny_experiment)
        assert run.returncode == 0, run.stderr.decode()
        lines = [line.split(b" ||| ") for line in run.stdout.splitlines()]
        return [(hypothesis, features.split()[-1]) for _, hypothesis, features, _ in lines]

    expected = scores("cut")
    assert [hypothesis for hypothesis, _ in expected] == [each.encode() for each in [*made, "un"]]
    assert scores("long") == expected
    assert scores("long", *replicas(2)) == expected


@pytest.fixture
def spoilt(tiny_experiment: Path, tmp_path: Path) -> Path:
    """A model that knows nothing finite of one source word."""
    model = Path(shutil.copytree(tiny_experiment / "model", tmp_path / "model"))
    content = load_tensors(model / "best.pt", mapped=False)
    (word,) = Vocabulary.read(model / "vocab.en").encode(["ten"])
    content["model"]["source_embedding.weight"][word] = torch.nan
    content.pop("format")
    save_tensors(model / "best.pt", content)
    return tmp_path


def test_an_error_in_a_worker_is_the_sentence_of_one_device(s2s: Run, spoilt: Path) -> None:
    (spoilt / "in.en").write_bytes(b"one\n" * 20 + b"ten\n")
    (spoilt / "list").write_bytes(nbest([(n, ["un"]) for n in range(21)]))
    decode = ["decode", "--input", "in.en", "--output", "out.fr"]
    for arguments in (decode, ["rescore", "list", "--source", "in.en", "--output", "out.fr"]):
        one = s2s(*arguments, cwd=spoilt)
        several = s2s(*arguments, *replicas(2), cwd=spoilt)
        assert b"numbers that are not finite" in one.stderr
        assert (several.returncode, several.stdout, several.stderr) == (1, b"", one.stderr)
        assert not (spoilt / "out.fr").exists()


def test_what_cannot_be_loaded_is_told_before_anything_is_read(
    s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(tiny_experiment / "model", tmp_path / "model"))
    (model / "best.pt").write_bytes(b"\x80\x04N.")
    for arguments in (["decode"], ["decode", *replicas(2)]):
        run = s2s(*arguments, cwd=tmp_path)
        assert (run.returncode, run.stdout) == (1, b"")
        assert re.fullmatch(rb"s2s: model/best\.pt: damaged.*\n", run.stderr)


def test_bad_lines_are_told_as_by_one_device(
    s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    (tmp_path / "list").write_bytes(b"0 ||| un ||| ||| -1\nun deux\n")
    for arguments in (["decode"], ["rescore", "list"]):
        arguments += ["--model", str(tiny_experiment / "model")]
        arguments += ["--source", str(tmp_path / "list")] if arguments[0] == "rescore" else []
        one = s2s(*arguments, cwd=tmp_path, input=b"one\n\xff\n")
        several = s2s(*arguments, *replicas(2), cwd=tmp_path, input=b"one\n\xff\n")
        assert one.returncode == several.returncode == 1
        assert one.stderr == several.stderr
        assert one.stdout == several.stdout


@pytest.mark.parametrize("command", ["decode", "rescore"])
def test_more_gpus_than_there_are(
    command: str, s2s: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    run = s2s(command, "--gpus", "2", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (2, b"")
    told = run.stderr.decode()
    assert told.startswith("s2s: --gpus 2: this machine has no GPU; ")
    assert "--device cpu" in told and told.count("\n") == 1


def conversation(popen: Popen, directory: Path) -> "subprocess.Popen[bytes]":
    """A decode in two workers that has answered one line."""
    process = popen(
        ["decode", *replicas(2)],
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin and process.stdout
    process.stdin.write(b"one two\n")
    process.stdin.flush()
    assert select.select([process.stdout], [], [], PATIENCE)[0]
    assert process.stdout.readline().endswith(b"\n")
    return process


def workers_of(parent: int) -> list[int]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            fields = (directory / "stat").read_text().rpartition(") ")[2].split()
            command = (directory / "cmdline").read_bytes()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == parent and b"resource_tracker" not in command:
            found.append(int(directory.name))
    return found


@linux_only
def test_a_worker_that_is_killed_is_told_in_one_sentence(
    popen: Popen, tiny_experiment: Path
) -> None:
    with conversation(popen, tiny_experiment) as process:
        assert process.stdin and process.stderr
        workers = workers_of(process.pid)
        assert len(workers) == 2
        os.kill(workers[0], signal.SIGKILL)
        # The input stays open: it must end although more could come, and its other worker too.
        process.stdin.write(b"one two\n" * 40)
        process.stdin.flush()
        assert process.wait(PATIENCE) == 1
        told = process.stderr.read().decode()
        assert re.fullmatch(r"s2s: a worker process died, .*; try fewer --gpus\n", told)
        assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
        process.stdin.close()


@linux_only
def test_no_worker_outlives_a_parent_that_is_killed(popen: Popen, tiny_experiment: Path) -> None:
    with conversation(popen, tiny_experiment) as process:
        assert process.stderr
        process.kill()
        # The workers hold the other end of this pipe: it closes when the last of them is gone.
        assert select.select([process.stderr], [], [], PATIENCE)[0]
        assert process.stderr.read() == b""


def test_one_device_starts_no_process(s2s: Run, tiny_experiment: Path) -> None:
    """Where none can be started."""
    script = (
        "import multiprocessing.process as process\n"
        "process.BaseProcess.start = None\n"
        "from s2s_cli.__main__ import main\n"
        "main()\n"
    )
    for options, code in (([], 0), (replicas(2), 1)):
        run = s2s("-c", script, "decode", *options, cwd=tiny_experiment, input=b"one\n")
        assert run.returncode == code
