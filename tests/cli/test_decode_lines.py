"""``s2s decode``: a line out for every line in, whatever is in it and however it is grouped."""

import gzip
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]

# Each may stand at any place in a file, but for the byte-order mark, which a first line loses.
ODD_LINES = [
    "one two",
    "",
    "   ",
    "three\r",
    "one\u2028two",
    "one\u0085two",
    "one\u00a0two",
    "one\0two",
    "\ufefffour five",
    "\t\x0b\x0c\x1c",
    "seven " * 1200,
    "quatre-vingts «\u202f!\u202f» ||| 日本",
    " two  three ",
    "\U0001f600",
    "one",
]


def as_bytes(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


@pytest.mark.parametrize("options", [[], ["--tokenised"]], ids=["raw", "tokenised"])
def test_lines_neither_vanish_nor_depend_on_company(
    options: list[str], s2s: Run, tiny_experiment: Path
) -> None:
    text = as_bytes(ODD_LINES)
    by_size = {}
    for size in ("1", "64"):
        run = s2s("decode", *options, "--batch-size", size, cwd=tiny_experiment, input=text)
        assert run.returncode == 0, run.stderr.decode()
        assert run.stdout.count(b"\n") == len(ODD_LINES)
        by_size[size] = run.stdout
    assert by_size["1"] == by_size["64"]
    lines = by_size["1"].split(b"\n")
    assert lines[0]
    assert lines[1] == lines[2] == b""
    # Backwards, and with nothing at the end of the last line.
    backwards = as_bytes(ODD_LINES[::-1]).removesuffix(b"\n")
    run = s2s("decode", *options, "--batch-size", "3", cwd=tiny_experiment, input=backwards)
    assert run.stdout == b"".join(line + b"\n" for line in lines[-2::-1])


def test_the_ends_of_the_input(s2s: Run, tiny_experiment: Path) -> None:
    def decode(text: bytes) -> bytes:
        run = s2s("decode", cwd=tiny_experiment, input=text)
        assert run.returncode == 0
        return run.stdout

    assert decode(b"") == b""
    plain = decode(b"one two\nthree\n")
    assert plain.count(b"\n") == 2
    # Line ends and the mark of other systems, and no end of the last line.
    assert decode(b"\xef\xbb\xbfone two\r\nthree") == plain


def test_files_packed_or_not_give_what_a_pipe_gives(
    s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    text = (tiny_experiment / "corpus" / "test.en").read_bytes()
    (tmp_path / "in.en.gz").write_bytes(gzip.compress(text))
    model = tiny_experiment / "model"
    piped = s2s("decode", "--model", model, cwd=tmp_path, input=text)
    # The packed file is found by its plain name.
    packed = ["--input", "in.en", "--output", "made/out.fr.gz"]
    run = s2s("decode", "--model", model, *packed, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, b"")
    assert gzip.decompress((tmp_path / "made" / "out.fr.gz").read_bytes()) == piped.stdout
    assert len(set(piped.stdout.split(b"\n"))) > 5, "a model that says one thing proves nothing"


def test_an_output_file_is_whole_or_not_touched(
    s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.en").write_bytes(b"one\ntwo\nthr\xe9e\nfour\n")
    (tmp_path / "there.fr").write_bytes(b"old\n")
    model = tiny_experiment / "model"
    for name in ("new.fr", "there.fr"):
        options = ["--batch-size", "1", "--input", "in.en", "--output", name]
        run = s2s("decode", "--model", model, *options, cwd=tmp_path)
        assert (run.returncode, run.stdout) == (1, b"")
        assert run.stderr.decode().startswith("s2s: in.en:3: invalid UTF-8")
        assert run.stderr.count(b"\n") == 1
    assert (tmp_path / "there.fr").read_bytes() == b"old\n"
    assert {path.name for path in tmp_path.iterdir()} == {"in.en", "there.fr"}


def test_an_output_that_is_a_link_stays_one(
    s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "out.fr", tmp_path / "out.fr"
    target.write_bytes(b"old\n")
    link.symlink_to(target)
    run = s2s(
        "decode",
        "--model",
        tiny_experiment / "model",
        "--output",
        link,
        cwd=tmp_path,
        input=b"one\n",
    )
    assert run.returncode == 0, run.stderr
    assert link.is_symlink()
    assert target.read_bytes().count(b"\n") == 1
    assert target.read_bytes() != b"old\n"
    assert [path.name for path in target.parent.iterdir()] == ["out.fr"]


def test_lines_before_one_that_is_no_utf8_are_on_stdout(s2s: Run, tiny_experiment: Path) -> None:
    whole = s2s("decode", cwd=tiny_experiment, input="one\u2028\n\ntwo\n".encode())
    for size in ("1", "64"):
        options = ["decode", "--batch-size", size]
        run = s2s(*options, cwd=tiny_experiment, input=b"one\xe2\x80\xa8\n\ntwo\nthr\xe9e\nfour\n")
        assert (run.returncode, run.stdout) == (1, whole.stdout)
        assert run.stderr.startswith(b"s2s: stdin:4: invalid UTF-8 at byte 4")
        assert run.stderr.count(b"\n") == 1


MOSES = re.compile(r"(\d+) \|\|\| ([^ ]+(?: [^ ]+)*)? \|\|\| S2S0= (-\S+|0) \|\|\| (\S+)")


def test_a_list_of_hypotheses_is_read_and_scored_alike_by_rescore(
    s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    text = b"one two three\n\nfour five\n six seven eight nine ten\n"
    (tmp_path / "in.en").write_bytes(text)
    model = ["--model", tiny_experiment / "model"]
    made = s2s("decode", *model, "--beam", "5", "--nbest", "4", cwd=tmp_path, input=text)
    (tmp_path / "nbest.txt").write_bytes(made.stdout)
    entries = [MOSES.fullmatch(line) for line in made.stdout.decode().splitlines()]
    assert [int(entry[1]) for entry in entries if entry] == 4 * [0] + [1] + 4 * [2] + 4 * [3]
    options = ["--source", "in.en", "--add-feature", "--feature-name", "again"]
    run = s2s("rescore", *model, *options, cwd=tmp_path)
    assert run.returncode == 0, run.stderr.decode()
    lines = run.stdout.decode().splitlines()
    for entry, line in zip(entries, lines, strict=True):
        assert entry
        added = re.search(r"again= (-\S+) \|\|\|", line)
        assert added
        assert line.replace(f"again= {added[1]} ", "").replace("  |||", " |||") == entry[0].replace(
            "  |||", " |||"
        )
        if entry[1] != "1":
            assert float(entry[3]) == float(entry[4])
            assert float(added[1]) == pytest.approx(float(entry[4]), abs=1e-5)
    totals = [float(entry[4]) for entry in entries if entry and entry[1] == "0"]
    assert totals == sorted(totals, reverse=True)


def test_winners_are_the_best_of_the_list_and_as_many_as_the_source(
    s2s: Run, tiny_experiment: Path, tmp_path: Path
) -> None:
    (tmp_path / "in.en").write_bytes(b"one\ntwo\nthree\n")
    # Totals so far apart that no model can reverse them; nothing for the second source.
    (tmp_path / "list").write_bytes(
        b"7 ||| un deux ||| ||| -900\n7 ||| un ||| ||| -1\n9 |||  ||| ||| 0\n"
    )
    options = ["list", "--source", "in.en", "--first-id", "7"]
    run = s2s("rescore", *options, "--model", tiny_experiment / "model", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, b"un\n\n\n")
    assert b"8" in run.stderr
    assert b"blank" in run.stderr


def test_an_ensemble_of_a_model_with_itself_is_that_model(s2s: Run, tiny_experiment: Path) -> None:
    text = (tiny_experiment / "corpus" / "test.en").read_bytes()
    one = s2s("decode", cwd=tiny_experiment, input=text)
    twice = ["--model", "model", "--model", "model/best.pt", "--nbest", "1"]
    two = s2s("decode", *twice, cwd=tiny_experiment, input=text)
    fields = [line.split(" ||| ") for line in two.stdout.decode().splitlines()]
    assert [words for _, words, *_ in fields] == one.stdout.decode().splitlines()
    for _, _, features, total in fields:
        member = re.fullmatch(r"S2S0= (\S+) S2S1= (\S+)", features)
        assert member
        assert member[1] == member[2]
        assert float(total) == pytest.approx(float(member[1]), abs=1e-5)


MEASURED = """
from s2s_cli.model import work
work.TRIED = ((8, 16, 8),)  # in place of products of paper size, which take seconds
from s2s_cli.__main__ import main
main()
"""


def test_in_bfloat16_and_measured(s2s: Run, tiny_experiment: Path, tmp_path: Path) -> None:
    text = b"one\nfour\n"
    options = ("--precision", "bf16", "--measure")
    exact = s2s("decode", cwd=tiny_experiment, input=text)
    run = s2s("-c", MEASURED, "decode", *options, cwd=tiny_experiment, input=text)
    assert (run.returncode, run.stdout) == (0, exact.stdout)
    peak = rb"[\d,]+ GFLOP/s, \d+% of this machine's GEMM peak \([\d,]+ GFLOP/s\)"
    assert re.fullmatch(peak, run.stderr.splitlines()[-1])
    assert b"peak" not in exact.stderr
    nbest = s2s("decode", "--precision", "bf16", "--nbest", "2", cwd=tiny_experiment, input=text)
    (tmp_path / "nbest.txt").write_bytes(nbest.stdout)
    (tmp_path / "source").write_bytes(text)
    files = (tmp_path / "nbest.txt", "--source", tmp_path / "source", "--add-feature")
    run = s2s("-c", MEASURED, "rescore", *files, *options, cwd=tiny_experiment)
    assert run.returncode == 0, run.stderr.decode()
    for line in run.stdout.decode().splitlines():
        labels_and_values = line.split(" ||| ")[2].split()
        assert labels_and_values[1] == labels_and_values[3], "decode's score and rescore's"
    assert re.fullmatch(peak, run.stderr.splitlines()[-1])


def test_a_source_in_another_language_is_noticed(s2s: Run, tiny_experiment: Path) -> None:
    """The share of unknown words is told, by ``decode`` and by ``rescore``."""
    strange = b"ceci n'est pas\nune phrase\n"
    run = s2s("decode", cwd=tiny_experiment, input=strange)
    assert run.returncode == 0
    assert run.stdout.count(b"\n") == 2
    told = b"100% of the words of the source are unknown to the model (6 of 6)"
    assert told in run.stderr
    (tiny_experiment / "strange.fr").write_bytes(strange)
    (tiny_experiment / "strange.txt").write_bytes(b"0 ||| a ||| ||| 0\n1 ||| b ||| ||| 0\n")
    run = s2s("rescore", "strange.txt", "--source", "strange.fr", cwd=tiny_experiment)
    assert run.returncode == 0
    assert told in run.stderr
