"""Fetching Multi30k: from a folder, from an address, and what is refused."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "recipes/multi30k_en_fr/fetch.py"
TEXTS = {
    f"{split}.{language}": f"{split} {language}\u00a0!\n".encode()
    for split in ("train", "val", "test_2016_flickr")
    for language in ("en", "fr")
}
NAMES = {"train": "train", "val": "valid", "test_2016_flickr": "test"}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script beside checksums of a corpus of ours."""
    copy = tmp_path / "recipe/fetch.py"
    copy.parent.mkdir()
    shutil.copy(SCRIPT, copy)
    sums = "".join(f"{hashlib.sha256(text).hexdigest()}  {name}\n" for name, text in TEXTS.items())
    copy.with_name("SHA256SUMS").write_text(sums)
    return copy


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder that holds what the public repository would: every text packed."""
    folder = tmp_path / "site"
    folder.mkdir()
    for name, text in TEXTS.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(text))
    return folder


def fetch(
    script: Path, *options: str, data: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    environment = {key: value for key, value in os.environ.items() if key != "S2S_DATA"}
    if data:
        environment["S2S_DATA"] = str(data)
    command = [sys.executable, str(script), "corpus", *options]
    return subprocess.run(
        command, cwd=script.parent, env=environment, capture_output=True, text=True, check=False
    )


def names(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


EXPECTED = {
    f"{NAMES[name.partition('.')[0]]}.{name.partition('.')[2]}": text
    for name, text in TEXTS.items()
}


def test_it_downloads_and_unpacks(script: Path, site: Path) -> None:
    done = fetch(script, "--url", site.as_uri())
    assert done.returncode == 0, done.stderr
    assert names(script.parent / "corpus") == EXPECTED


def test_it_takes_the_folder_of_s2s_data(script: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data/multi30k"
    folder.mkdir(parents=True)
    for name, text in TEXTS.items():
        (folder / name).write_bytes(text)
    done = fetch(script, "--url", "file:///nowhere", data=tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert names(script.parent / "corpus") == EXPECTED


def test_another_text_is_refused_and_never_gets_its_name(script: Path, site: Path) -> None:
    (site / "val.fr.gz").write_bytes(gzip.compress(b"something else\n"))
    done = fetch(script, "--url", site.as_uri())
    assert done.returncode == 1
    assert done.stderr.startswith("fetch.py: val.fr from ")
    assert "SHA-256" in done.stderr
    assert not (script.parent / "corpus/valid.fr").exists()


@pytest.mark.parametrize("damage", ["missing", "truncated", "not packed"])
def test_a_damaged_download_is_told_in_one_sentence(script: Path, site: Path, damage: str) -> None:
    path = site / "train.en.gz"
    match damage:
        case "missing":
            path.unlink()
        case "truncated":
            path.write_bytes(path.read_bytes()[:-9])
        case _:
            path.write_bytes(b"<html>moved</html>")
    done = fetch(script, "--url", site.as_uri())
    assert done.returncode == 1
    assert done.stderr.startswith("fetch.py: train.en from ")
    assert len(done.stderr.splitlines()) == 1
    assert names(script.parent / "corpus") == {}


def test_a_download_that_unpacks_without_end_is_refused(script: Path, site: Path) -> None:
    (site / "train.en.gz").write_bytes(gzip.compress(bytes(70_000_000)))
    done = fetch(script, "--url", site.as_uri())
    assert done.returncode == 1
    assert done.stderr.startswith("fetch.py: train.en from ")
    assert done.stderr.endswith("it has more than 67,108,864 bytes\n")
    assert names(script.parent / "corpus") == {}


def test_the_checksums_are_those_of_the_corpus(real_data: Path) -> None:
    for line in SCRIPT.with_name("SHA256SUMS").read_text().splitlines():
        checksum, name = line.split("  ")
        assert hashlib.sha256((real_data / "multi30k" / name).read_bytes()).hexdigest() == checksum
