"""Ids of a corpus, left on the disk and read sentence by sentence.

They are read, not mapped into memory: where a mapped file becomes shorter or its disk fails, the
system ends the process without a word.
"""

import hashlib
import os
import sys
import weakref
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import torch
from torch import Tensor

from s2s_cli.destinations import named_errors
from s2s_cli.errors import UserError
from s2s_cli.text.layout import MANIFEST
from s2s_cli.text.vocabulary import EOS

ID = torch.int32
SEPARATOR = bytearray(EOS.to_bytes(ID.itemsize, sys.byteorder))
BYTES_PER_CHECK = 1 << 22  # bytes of a look through the whole file


class IdsFile:
    """A file of int32 ids, open as long as this is in use.

    It may get another file under its name meanwhile: what is read is the one that was opened.
    Processes and threads may share it.

    Args:
        path: the file.
        words: ids in it.
        size: of the vocabulary.
    """

    def __init__(self, path: Path, words: int, size: int) -> None:
        self.path, self.words, self.size = path, words, size
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def check(self, sha256: str) -> None:
        """Read all of it once.

        Raises:
            UserError: an id beyond the vocabulary, or any bit that is not as it was written.
        """
        digest = hashlib.sha256()
        for chunk in self._chunks():
            self._check_ids_in_range(torch.frombuffer(chunk, dtype=ID), lowest=EOS + 1)
            digest.update(chunk)
        check_digest(self.path, digest.hexdigest(), sha256)

    def gather(self, starts: Tensor, lengths: Tensor) -> Tensor:
        """Read so many ids from each start on, int32, with `EOS` before, between and after.

        Raises:
            UserError: the file has become shorter since it was opened, or has ids of no word.
        """
        counts, places = (lengths * ID.itemsize).tolist(), (starts * ID.itemsize).tolist()
        with named_errors(str(self.path)):
            read = list(map(os.pread, repeat(self._descriptor), counts, places))
            if sum(map(len, read)) < sum(counts):  # some file systems give a part at a time
                read = list(map(self._read, counts, places))
        ids = torch.frombuffer(SEPARATOR.join([b"", *read, b""]), dtype=ID)
        self._check_ids_in_range(ids, lowest=EOS)
        if int((ids == EOS).sum()) != len(counts) + 1:
            raise self._damaged()
        return ids

    def _chunks(self) -> Iterator[bytearray]:
        end = self.words * ID.itemsize
        with named_errors(str(self.path)):
            for place in range(0, end, BYTES_PER_CHECK):
                yield bytearray(self._read(min(BYTES_PER_CHECK, end - place), place))

    def _read(self, count: int, place: int) -> bytes:
        """Read so many bytes from ``place`` on."""
        content = b""
        while len(content) < count:
            more = os.pread(self._descriptor, count - len(content), place + len(content))
            if not more:
                raise UserError(
                    f"{self.path}: has become shorter while it was read; run `s2s vocab` again, "
                    "then the same command goes on from its last checkpoint"
                )
            content += more
        return content

    def _check_ids_in_range(self, ids: Tensor, *, lowest: int) -> None:
        low, high = ids.aminmax()
        if low < lowest or high >= self.size:
            raise self._damaged()

    def _damaged(self) -> UserError:
        return UserError(f"{self.path}: damaged (ids beyond the vocabulary); run `s2s vocab` again")


def check_digest(path: Path, found: str, expected: str) -> None:
    """Refuse a file that has not the bytes that were written, to the last bit.

    Raises:
        UserError: its digest is another.
    """
    if found != expected:
        raise UserError(
            f"{path}: damaged (its SHA-256 is not that of {MANIFEST}); run `s2s vocab` again"
        )
