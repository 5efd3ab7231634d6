"""Ids are read from their file while it is used; what happens to the file meanwhile is told."""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.data.batches import make_batch, plan_epoch
from s2s_cli.data.corpus import Side, Split
from s2s_cli.data.ids import IdsFile
from s2s_cli.errors import UserError, as_user_error
from s2s_cli.text.vocabulary import EOS

SIZE = 50
IDS = torch.randint(1, SIZE, (600,), generator=torch.Generator().manual_seed(3), dtype=torch.int32)
CONTENT = b"".join(number.to_bytes(4, "little") for number in IDS.tolist())
OFFSETS = torch.tensor([0, *(n * (n + 1) // 2 for n in range(1, 35))])  # lengths 1, 2, … 34


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "train.en.ids").write_bytes(CONTENT)
    return tmp_path / "train.en.ids"


def lists(sentences: PackedSequence) -> list[Any]:
    return [each.tolist() for each in sentences if each is not None]


def test_batches_from_a_file_are_those_from_memory(path: Path) -> None:
    file, memory = Side(IdsFile(path, len(IDS), SIZE), OFFSETS), Side(IDS, OFFSETS)
    split, expected = Split(file, file), Split(memory, memory)
    for sentences in plan_epoch(split, 5, seed=1, epoch=0):
        found, other = make_batch(split, sentences), make_batch(expected, sentences)
        assert lists(found.source) == lists(other.source)
        assert lists(found.target_input) == lists(other.target_input)
        assert torch.equal(found.words, other.words)
    assert file.gather(torch.tensor([1, 0])).tolist() == [EOS, *IDS[1:3], EOS, IDS[0], EOS]


def test_reads_that_give_a_part_are_gone_on_with(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, pread = Side(IDS, OFFSETS), os.pread
    monkeypatch.setattr(os, "pread", lambda file, count, at: pread(file, min(count, 7), at))
    file = Side(IdsFile(path, len(IDS), SIZE), OFFSETS)
    sentences = torch.tensor([30, 0, 12])
    assert torch.equal(file.gather(sentences), whole.gather(sentences))
    assert isinstance(file.ids, IdsFile)
    file.ids.check(sha256(CONTENT).hexdigest())


def test_a_file_that_became_shorter_is_told(path: Path) -> None:
    side = Side(IdsFile(path, len(IDS), SIZE), OFFSETS)
    expected = side[3]
    os.truncate(path, 4 * 590)
    assert torch.equal(side[3], expected)
    with pytest.raises(UserError, match=r"train\.en\.ids: has become shorter .*s2s vocab"):
        side.gather(torch.tensor([3, 33]))


def test_a_file_that_shrinks_while_it_is_checked_is_told(path: Path) -> None:
    file = IdsFile(path, len(IDS), SIZE)
    os.truncate(path, 4 * 590)
    with pytest.raises(UserError, match=r"train\.en\.ids: has become shorter"):
        file.check("")


@pytest.mark.parametrize("word", [-1, EOS, SIZE, 2**31 - 1])
def test_ids_that_no_vocabulary_has_are_told_also_later(path: Path, word: int) -> None:
    side = Side(IdsFile(path, len(IDS), SIZE), OFFSETS)
    with path.open("r+b") as stream:
        stream.write(word.to_bytes(4, "little", signed=True))
    with pytest.raises(UserError, match=r"train\.en\.ids: damaged .*vocabulary"):
        side.gather(torch.tensor([0]))


def broken(file: int, count: int, place: int) -> bytes:
    raise OSError(5, "Input/output error")


def test_a_disk_that_fails_is_told_with_the_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = Side(IdsFile(path, len(IDS), SIZE), OFFSETS)
    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(OSError) as told:
        side.gather(torch.tensor([0]))
    assert str(as_user_error(told.value)).startswith(str(path))


def test_another_file_of_that_name_is_not_read(path: Path, tmp_path: Path) -> None:
    side = Side(IdsFile(path, len(IDS), SIZE), OFFSETS)
    (tmp_path / "new").write_bytes(b"")
    (tmp_path / "new").replace(path)
    assert torch.equal(side[33], IDS[561:595])
