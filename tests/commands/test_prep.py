"""``s2s prep`` as a process: streams, exit codes, one sentence for each mistake."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """A directory with corpus/{train,valid,test}.{en,fr}."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for split in ("train", "valid", "test"):
        (corpus / f"{split}.en").write_text("A dog.\nTwo dogs &amp; a cat.\n")
        (corpus / f"{split}.fr").write_text("Un chien.\nDeux chiens &amp; un chat.\n")
    return tmp_path


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_command_as_in_the_tour(s2s: Run, experiment: Path) -> None:
    done = s2s("prep", "--reverse-source", cwd=experiment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert (experiment / "data" / "train.en").read_text() == "A dog .\nTwo dogs & a cat .\n"
    facts = json.loads((experiment / "data" / "facts.json").read_bytes())
    assert facts["reverse_source"] is True
    assert b"train: 2 pairs read, 2 kept" in done.stderr
    assert b"en: 3 \xc3\x97 HTML entity: replaced by its character" in done.stderr


def test_other_languages_prefixes_and_output(s2s: Run, experiment: Path) -> None:
    (experiment / "my text.v1.de.gz").write_bytes(gzip.compress(b"Ein Hund.\n"))
    (experiment / "my text.v1.pt-BR").write_bytes("Um cão.\n".encode())
    done = s2s(
        "prep", "--train", "my text.v1", "--source-language", "de", "--target-language", "pt-BR",
        "--output", "out/here", cwd=experiment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (experiment / "out/here/train.pt-BR").read_text() == "Um cão .\n"
    assert b"no validation text" in done.stderr


def test_dropped_pairs_are_told_with_where_they_are_listed(s2s: Run, experiment: Path) -> None:
    (experiment / "corpus" / "train.en").write_text("A dog.\n\n")
    done = s2s("prep", cwd=experiment)
    assert done.returncode == 0
    assert b"train: 2 pairs read, 1 kept, dropped: 1 empty" in done.stderr
    assert b"data/dropped.tsv" in done.stderr
    assert (experiment / "data" / "dropped.tsv").read_text().endswith("\ntrain\t2\tempty\n")


def test_filter_gives_a_line_for_each_line(s2s: Run) -> None:
    text = "\ufeffC'est l'été\u00a0!\r\n\nun\u2028deux\u0085trois\rquatre\n\u00a0\nfin"
    done = s2s("prep", "--filter", "fr", input=text.encode())
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().split("\n") == [
        "C' est l' été !", "", "un deux trois quatre", "", "fin", "",
    ]  # fmt: skip


def test_filter_of_tokenised_text_only_tidies_spaces(s2s: Run) -> None:
    done = s2s("prep", "--filter", "fr", "--tokenised", input="C'est  &amp; ça.\n".encode())
    assert done.stdout.decode() == "C'est &amp; ça.\n"


def test_filter_names_the_line_of_invalid_utf8_after_the_lines_before_it(s2s: Run) -> None:
    done = s2s("prep", "--filter", "fr", input=b"bon\nl'an\n\xff\nfin\n")
    assert done.returncode == 1
    assert done.stdout == b"bon\nl' an\n"
    assert b"stdin:3: invalid UTF-8" in done.stderr
    assert b"Traceback" not in done.stderr


def test_filter_into_a_closed_pipe_ends_quietly() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "s2s_cli", "prep", "--filter", "en"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(b"a line\n" * 50_000, timeout=120)
    assert errors == b""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("train.en", None, b"corpus/train.en: no such file"),
        ("valid.fr", None, b"corpus/valid.fr: no such file"),
        ("train.en", b"one\n", b"corpus/train.en has 1 line and corpus/train.fr has 2"),
        ("train.fr", b"bon\nmal \xe9\n", b"corpus/train.fr:2: invalid UTF-8"),
        ("train.fr", b"\n\n", b"no pair fit for training"),
    ],
)
def test_bad_input_is_told_in_one_sentence_and_nothing_changes(
    s2s: Run, experiment: Path, name: str, content: bytes | None, said: bytes
) -> None:
    assert s2s("prep", cwd=experiment).returncode == 0
    before = contents(experiment / "data")
    path = experiment / "corpus" / name
    path.unlink() if content is None else path.write_bytes(content)
    done = s2s("prep", cwd=experiment)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert contents(experiment / "data") == before


def test_a_damaged_gzip_is_told_in_one_sentence(s2s: Run, experiment: Path) -> None:
    path = experiment / "corpus" / "test.en"
    path.unlink()
    packed = gzip.compress(os.urandom(5000))
    path.with_name("test.en.gz").write_bytes(packed[:3000])
    done = s2s("prep", cwd=experiment)
    assert done.returncode == 1
    assert b"test.en.gz: damaged or truncated gzip file" in done.stderr
    assert not (experiment / "data").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--target-language", "en"],
        ["--max-length", "0"],
        ["--workers", "-1"],
        ["--max-ratio", "0.5"],
        ["--nonsense"],
        ["--filter", "not a language"],
    ],
)
def test_options_that_cannot_be_are_usage_errors(
    s2s: Run, experiment: Path, options: list[str]
) -> None:
    done = s2s("prep", *options, cwd=experiment)
    assert done.returncode == 2
    assert done.stderr
    assert not (experiment / "data").exists()


def test_settings_come_from_the_file_and_flags_win(s2s: Run, experiment: Path) -> None:
    (experiment / "s2s.toml").write_text('[prep]\noutput = "elsewhere"\nreverse-source = true\n')
    assert s2s("prep", "--no-reverse-source", cwd=experiment).returncode == 0
    facts = json.loads((experiment / "elsewhere" / "facts.json").read_bytes())
    assert facts["reverse_source"] is False


def test_interrupted_it_ends_without_a_trace(experiment: Path) -> None:
    for language in ("en", "fr"):
        text = "a few words and a few more of them, again and again.\n" * 200_000
        (experiment / "corpus" / f"train.{language}").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "s2s_cli", "prep", "--workers", "2"],
        cwd=experiment, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    data = experiment / "data"
    waited_until = time.monotonic() + 60
    while not any(path.stat().st_size for path in data.glob(".train.*")):
        assert time.monotonic() < waited_until
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to parent and workers alike
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == b"s2s: interrupted"
    assert b"Traceback" not in errors
    assert not data.exists()
