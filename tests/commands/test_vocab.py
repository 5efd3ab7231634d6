"""``s2s vocab`` as a process."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def experiment(s2s: Run, tmp_path: Path) -> Path:
    """A directory in which ``s2s prep`` was run."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "train.en").write_text("the dog\nthe cat\nthe UNK\n")
    (corpus / "train.fr").write_text("le chien\nle chat\nle <unk>\n")
    (corpus / "valid.en").write_text("the bird\n")
    (corpus / "valid.fr").write_text("le chat\n")
    assert s2s("prep", "--tokenised", cwd=tmp_path).returncode == 0
    return tmp_path


def test_the_command_as_in_the_tour(s2s: Run, experiment: Path) -> None:
    done = s2s("vocab", cwd=experiment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    vocabulary = (experiment / "data" / "vocab.en").read_text()
    assert vocabulary == "the\t3\nUNK\t1\ncat\t1\ndog\t1\n"
    said = done.stderr.decode()
    assert "en: 6 words, 4 types" in said
    assert "vocabulary of 6 covers 100.00 % of train, 50.00 % of valid" in said
    # 12 + 4 words of 4 bytes; 3 + 1 and 1 + 1 offsets of 8 bytes on each side
    assert f"{16 * 4 + 2 * 6 * 8:,} bytes" in said


def test_sizes_and_least_count_by_option(s2s: Run, experiment: Path) -> None:
    done = s2s("vocab", "--source-size", "4", "--target-size", "5", cwd=experiment)
    assert done.returncode == 0, done.stderr
    assert (experiment / "data" / "vocab.en").read_text() == "the\t3\nUNK\t1\n"
    assert (experiment / "data" / "vocab.fr").read_text() == "le\t3\n<unk>\t1\nchat\t1\n"
    assert s2s("vocab", "--min-count", "2", cwd=experiment).returncode == 0
    assert (experiment / "data" / "vocab.fr").read_text() == "le\t3\n"


def test_an_empty_vocabulary_is_refused(s2s: Run, experiment: Path) -> None:
    done = s2s("vocab", "--min-count", "4", cwd=experiment)
    assert done.returncode == 1
    last = done.stderr.decode().splitlines()[-1]
    assert last.startswith("s2s: data/train.en: no word comes 4 times")
    assert last.endswith("; lower --min-count")
    assert not (experiment / "data" / "vocab.en").exists()


@pytest.mark.parametrize("option", ["--source-size", "--target-size"])
@pytest.mark.parametrize("size", ["0", "2", "-5", "many"])
def test_sizes_without_room_for_a_word_are_usage_errors(
    s2s: Run, experiment: Path, option: str, size: str
) -> None:
    done = s2s("vocab", option, size, cwd=experiment)
    assert done.returncode == 2
    assert not (experiment / "data" / "corpus.json").exists()


def test_before_prep_it_names_what_is_missing(s2s: Run, tmp_path: Path) -> None:
    done = s2s("vocab", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == b"s2s: data/facts.json: no such file; run `s2s prep` first\n"


def test_preparing_again_takes_the_corpus_of_the_earlier_text_away(
    s2s: Run, experiment: Path
) -> None:
    assert s2s("vocab", cwd=experiment).returncode == 0
    manifest = experiment / "data" / "corpus.json"
    assert json.loads(manifest.read_bytes())["facts"]["reverse_source"] is False
    done = s2s("prep", "--tokenised", "--reverse-source", cwd=experiment)
    assert b"reverse-source was false, now true; run `s2s vocab` and `s2s train`" in done.stderr
    assert not manifest.exists()
    assert s2s("vocab", cwd=experiment).returncode == 0
    assert json.loads(manifest.read_bytes())["facts"]["reverse_source"] is True
