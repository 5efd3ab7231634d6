"""The corpus on disk: what is in it, and that hostile files are refused, not met later."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from s2s_cli.data.corpus import Corpus
from s2s_cli.data.numericalise import VocabConfig, numericalise
from s2s_cli.errors import UserError
from s2s_cli.text.facts import Facts

SOURCE = ["a b c", "b", "c c c c", "a UNK"]
TARGET = ["x y", "z z z", "y", "x"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for split in ("train", "valid"):
        (tmp_path / f"{split}.en").write_text("\n".join(SOURCE) + "\n")
        (tmp_path / f"{split}.fr").write_text("\n".join(TARGET) + "\n")
    Facts("en", "fr", True, True, "none").write(tmp_path)
    numericalise(VocabConfig(tmp_path))
    return tmp_path


def change_manifest(data: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = data / "corpus.json"
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_sentences_come_back_reversed_on_the_source_side(data: Path) -> None:
    corpus = Corpus.open(data)
    assert corpus.valid is not None
    for split in (corpus.train, corpus.valid):
        assert len(split) == len(split.source) == len(split.target) == 4
        for index in range(4):
            source = corpus.source_vocabulary.decode(split.source[index].tolist())
            target = corpus.target_vocabulary.decode(split.target[index].tolist())
            assert source == SOURCE[index].split(" ")[::-1]
            assert target == TARGET[index].split(" ")
        assert split.source.lengths().tolist() == [3, 1, 4, 2]
        assert split.target.lengths().tolist() == [2, 3, 1, 1]
        assert split.source[0].dtype == torch.int32
        assert split.source.offsets.dtype == split.source.lengths().dtype == torch.int64
    assert corpus.facts == Facts("en", "fr", True, True, "none")


def test_files_that_may_not_be_written_can_be_opened(data: Path) -> None:
    for path in data.iterdir():
        path.chmod(0o444)
    assert len(Corpus.open(data).train) == 4


def test_validation_text_may_be_missing_or_empty(data: Path) -> None:
    for language in ("en", "fr"):
        (data / f"valid.{language}").write_text("")
    numericalise(VocabConfig(data))
    assert Corpus.open(data).valid is None
    for language in ("en", "fr"):
        (data / f"valid.{language}").unlink()
    numericalise(VocabConfig(data))
    assert Corpus.open(data).valid is None


def test_the_digest_follows_the_data(data: Path) -> None:
    first = Corpus.open(data).digest
    numericalise(VocabConfig(data))
    assert Corpus.open(data).digest == first
    (data / "valid.fr").write_text("\n".join(reversed(TARGET)) + "\n")
    numericalise(VocabConfig(data))
    second = Corpus.open(data).digest
    Facts("en", "fr", True, False, "none").write(data)
    numericalise(VocabConfig(data))
    assert len({first, second, Corpus.open(data).digest}) == 3


def test_a_directory_without_a_corpus_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `s2s vocab` first"):
        Corpus.open(tmp_path)
    with pytest.raises(UserError, match="run `s2s vocab` first"):
        Corpus.open(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["train.en.ids", "train.fr.idx", "valid.en.idx", "valid.fr.ids"])
@pytest.mark.parametrize("damage", ["cut", "longer", "gone"])
def test_files_of_another_size_are_refused(data: Path, name: str, damage: str) -> None:
    path = data / name
    content = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(content[:-1])
        case "longer":
            path.write_bytes(content + b"\0" * 8)
        case _:
            path.unlink()
    with pytest.raises(UserError, match=f"{name}: damaged .*s2s vocab"):
        Corpus.open(data)


@pytest.mark.parametrize(
    "offsets",
    [
        [1, 3, 4, 8, 10],
        [0, 3, 4, 8, 9],
        [0, 3, 4, 8, 11],
        [0, 4, 3, 8, 10],
        [0, 3, 3, 8, 10],
        [0, -(2**63), 4, 8, 10],
        [0, 3, 4, 2**62, 10],
    ],
)
def test_offsets_that_lead_astray_are_refused(data: Path, offsets: list[int]) -> None:
    (data / "train.en.idx").write_bytes(struct.pack("<5q", *offsets))
    with pytest.raises(UserError, match=r"train\.en\.idx: damaged"):
        Corpus.open(data)


@pytest.mark.parametrize("bad", [-1, 0, 6, 2**31 - 1, -(2**31)])
def test_ids_beyond_the_vocabulary_are_refused(data: Path, bad: int) -> None:
    assert len(Corpus.open(data).source_vocabulary) == 6
    content = bytearray((data / "train.en.ids").read_bytes())
    struct.pack_into("<i", content, 8, bad)
    (data / "train.en.ids").write_bytes(content)
    with pytest.raises(UserError, match=r"train\.en\.ids: damaged .*vocabulary"):
        Corpus.open(data)


def test_another_vocabulary_is_refused(data: Path) -> None:
    content = (data / "vocab.fr").read_text()
    (data / "vocab.fr").write_text(content.replace("x\t", "w\t"))
    with pytest.raises(UserError, match=r"vocab\.fr: not the vocabulary of this corpus"):
        Corpus.open(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(format=2),
        lambda m: m.update(format="1"),
        lambda m: m.pop("format"),
        lambda m: m.pop("facts"),
        lambda m: m["facts"].update(source_language=7),
        lambda m: m.pop("vocabularies"),
        lambda m: m["vocabularies"].update(en=[]),
        lambda m: m.update(splits=[]),
        lambda m: m["splits"].update(train=None),
        lambda m: m["splits"].pop("train"),
        lambda m: m["splits"]["train"].update(pairs=True),
        lambda m: m["splits"]["train"].update(pairs=-1),
        lambda m: m["splits"]["train"].update(pairs=10**40),
        lambda m: m["splits"]["train"].update(pairs=0),
        lambda m: m["splits"]["train"]["words"].update(en=-8),
        lambda m: m["files"].pop("train.en.ids"),
        lambda m: m["files"]["train.en.ids"].update(bytes="40"),
    ],
)
def test_a_manifest_that_is_not_right_is_refused(
    data: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    change_manifest(data, change)
    with pytest.raises(UserError, match=r"corpus\.json"):
        Corpus.open(data)


@pytest.mark.parametrize("content", ["", "[]", "{", '"x"'])
def test_a_manifest_that_is_no_object_is_refused(data: Path, content: str) -> None:
    (data / "corpus.json").write_text(content)
    with pytest.raises(UserError, match=r"corpus\.json"):
        Corpus.open(data)
