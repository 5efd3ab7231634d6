"""Text to ids: against a plain rendering of the same thing."""

import json
import random
import struct
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from s2s_cli.data.numericalise import VocabConfig, numericalise
from s2s_cli.errors import UserError
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import EOS, UNK, Vocabulary

WORDS = [
    "UNK",
    "<unk>",
    "<s>",
    "</s>",
    "|||",
    "a",
    "b",
    "é",
    "que\u00a0ce",
    "\u2028",
    "1\t2",
    "<EOS>",
]


def make_data(
    directory: Path, reverse: bool = False, pairs: int = 300
) -> dict[str, list[list[str]]]:
    """Prepared text of words that look like symbols; returns the words of each file."""
    directory.mkdir(exist_ok=True)
    generator = random.Random(pairs)
    text = {}
    for split, size in (("train", pairs), ("valid", 20)):
        for language in ("en", "fr"):
            lines = [
                generator.choices(WORDS, range(1, len(WORDS) + 1), k=generator.randint(1, 9))
                for _ in range(size)
            ]
            name = f"{split}.{language}"
            text[name] = lines
            (directory / name).write_bytes("".join(" ".join(x) + "\n" for x in lines).encode())
    Facts("en", "fr", True, reverse, "none").write(directory)
    return text


def read_ids(directory: Path, name: str) -> list[list[int]]:
    ids = [entry[0] for entry in struct.iter_unpack("<i", (directory / f"{name}.ids").read_bytes())]
    ends = [
        entry[0] for entry in struct.iter_unpack("<q", (directory / f"{name}.idx").read_bytes())
    ]
    assert ends[0] == 0
    assert ends[-1] == len(ids)
    return [ids[start:end] for start, end in pairwise(ends)]


@pytest.mark.parametrize("reverse", [False, True])
def test_ids_are_those_of_the_words_and_only_the_source_is_reversed(
    tmp_path: Path, reverse: bool
) -> None:
    text = make_data(tmp_path, reverse)
    numericalise(VocabConfig(tmp_path, source_size=9, target_size=10))
    for language, size in (("en", 9), ("fr", 10)):
        counts = Counter(word for line in text[f"train.{language}"] for word in line)
        ranked = sorted(counts, key=lambda word: (-counts[word], word))[: size - 2]
        ids = {word: number for number, word in enumerate(ranked, 2)}
        for split in ("train", "valid"):
            expected = [[ids.get(word, 1) for word in line] for line in text[f"{split}.{language}"]]
            if reverse and language == "en":
                expected = [line[::-1] for line in expected]
            assert read_ids(tmp_path, f"{split}.{language}") == expected


def test_words_that_look_like_symbols_are_words(tmp_path: Path) -> None:
    text = make_data(tmp_path)
    numericalise(VocabConfig(tmp_path))
    for language in ("en", "fr"):
        vocabulary = Vocabulary.read(tmp_path / f"vocab.{language}")
        assert set(vocabulary.words) == set(WORDS)
        ids = read_ids(tmp_path, f"train.{language}")
        assert {UNK, EOS}.isdisjoint(number for line in ids for number in line)
        assert [vocabulary.decode(line) for line in ids] == text[f"train.{language}"]


def test_coverage_counts_running_words(tmp_path: Path) -> None:
    text = make_data(tmp_path)
    report = numericalise(VocabConfig(tmp_path, source_size=5, target_size=400))
    for each, known in zip(report.languages, (3, 400), strict=True):
        counts = Counter(word for line in text[f"train.{each.language}"] for word in line)
        chosen = set(sorted(counts, key=lambda word: (-counts[word], word))[:known])
        for split in ("train", "valid"):
            words = [word for line in text[f"{split}.{each.language}"] for word in line]
            share = 100 * sum(word in chosen for word in words) / len(words)
            assert each.coverage(split) == pytest.approx(share)


def test_the_manifest_tells_sizes_and_hashes_of_what_is_there(tmp_path: Path) -> None:
    import hashlib

    make_data(tmp_path)
    report = numericalise(VocabConfig(tmp_path))
    manifest = json.loads((tmp_path / "corpus.json").read_bytes())
    assert manifest["splits"]["train"]["pairs"] == 300
    assert len(manifest["files"]) == 8
    for name, entry in manifest["files"].items():
        content = (tmp_path / name).read_bytes()
        assert entry == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert report.bytes == sum(path.stat().st_size for path in tmp_path.glob("*.id[sx]"))


def test_the_same_text_gives_the_same_bytes(tmp_path: Path) -> None:
    results = []
    for name in ("one", "two"):
        make_data(tmp_path / name)
        numericalise(VocabConfig(tmp_path / name))
        results.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert results[0] == results[1]


def test_more_text_than_a_buffer_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_data(tmp_path / "one")
    make_data(tmp_path / "two")
    numericalise(VocabConfig(tmp_path / "one"))
    monkeypatch.setattr("s2s_cli.data.numericalise.BUFFERED_WORDS", 7)
    numericalise(VocabConfig(tmp_path / "two"))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_without_validation_text_none_of_an_earlier_run_stays(tmp_path: Path) -> None:
    make_data(tmp_path)
    numericalise(VocabConfig(tmp_path))
    for language in ("en", "fr"):
        (tmp_path / f"valid.{language}").unlink()
    report = numericalise(VocabConfig(tmp_path))
    assert report.pairs == {"train": 300}
    assert not list(tmp_path.glob("valid.*"))


@pytest.mark.parametrize("damage", ["blank line", "one line more", "missing side"])
def test_an_error_leaves_the_earlier_corpus(tmp_path: Path, damage: str) -> None:
    make_data(tmp_path)
    numericalise(VocabConfig(tmp_path))
    target = tmp_path / "valid.fr"
    match damage:
        case "blank line":
            target.write_bytes(b"\n" + target.read_bytes())
        case "one line more":
            target.write_bytes(target.read_bytes() + b"a\n")
        case _:
            target.unlink()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=r"valid\.fr"):
        numericalise(VocabConfig(tmp_path, source_size=4))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_is_noticed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    make_data(tmp_path)
    before = sorted(tmp_path.iterdir())
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(UserError, match="only 100 bytes are free"):
        numericalise(VocabConfig(tmp_path))
    assert sorted(tmp_path.iterdir()) == before


def test_before_prep_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"facts\.json: no such file; run `s2s prep` first"):
        numericalise(VocabConfig(tmp_path))
