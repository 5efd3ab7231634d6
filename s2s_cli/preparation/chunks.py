"""Two aligned files in chunks of line pairs, for workers that read the bytes themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from s2s_cli.console import counted, progress
from s2s_cli.errors import UserError
from s2s_cli.files import BOM, MAX_LINE_BYTES, decode_line, endless_line, existing, reading

# Pairs a chunk: enough for a worker to be busy longer than with messages, not more than fit the
# caches of a processor once their words are cut apart.
PAIRS_PER_CHUNK = 1000
READ_BYTES = 1 << 20  # a MiB, the unit of its progress bar
FEW_BLOCKS = 16  # are read at once


@dataclass(frozen=True)
class SplitFiles:
    """The two files of one split, source language first.

    Attributes:
        split: train, valid or test.
        paths: the files as they were named, without ``.gz``.
        lines: how many each has.
        starts: for each file the byte at which each chunk starts, and its size; None where it is
            compressed, so that only reading it from the start finds them.
    """

    split: str
    paths: tuple[Path, Path]
    lines: int
    starts: tuple[list[int] | None, list[int] | None]


@dataclass(frozen=True)
class Chunk:
    """Pairs of lines for one worker; the first is line ``first`` of its files, from 1.

    Attributes:
        sides: by language the bytes themselves, or where they start and end in the file.
    """

    files: SplitFiles
    first: int
    sides: tuple[bytes | tuple[int, int], ...]

    @property
    def pairs(self) -> int:
        return min(PAIRS_PER_CHUNK, self.files.lines - self.first + 1)

    def read(self) -> tuple[bytes, ...]:
        """Read the bytes of both sides."""
        return tuple(map(self._read_side, self.files.paths, self.sides))

    def _read_side(self, path: Path, side: bytes | tuple[int, int]) -> bytes:
        if isinstance(side, bytes):
            return side
        start, end = side
        with existing(path).open("rb") as stream:
            stream.seek(start)
            return stream.read(end - start)

    def decode(self, sides: tuple[bytes, ...]) -> list[str]:
        r"""Decode what `read` gave, as `decode_line` does; every line ends with ``\n``.

        Raises:
            UserError: invalid UTF-8 (names file and line); the file is not what it was.
        """
        try:
            texts = [self._decode_side(side) for side in sides]
        except UnicodeDecodeError:
            self._refuse(sides)
            raise
        for text, path in zip(texts, self.files.paths, strict=True):
            if text.count("\n") != self.pairs:
                raise UserError(f"{path}: was changed while it was being read; run it again")
        return texts

    def _decode_side(self, raw: bytes) -> str:
        if self.first == 1:
            raw = raw.removeprefix(BOM)
        text = raw.decode()
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        return text if text.endswith("\n") else text.removesuffix("\r") + "\n"

    def _refuse(self, sides: tuple[bytes, ...]) -> None:
        """Raise for the first line that is no UTF-8."""
        lines = zip(*(side.split(b"\n") for side in sides), strict=False)
        for number, pair in enumerate(lines, self.first):
            for raw, path in zip(pair, self.files.paths, strict=True):
                decode_line(raw, path, number)


def scan_split(split: str, paths: tuple[Path, Path]) -> SplitFiles:
    """Count the lines of both files and note where the chunks start.

    Raises:
        UserError: a missing or damaged file; unequal numbers of lines.
    """
    (lines, left), (others, right) = map(chunk_starts, paths)
    if lines != others:
        raise UserError(
            f"{paths[0]} has {counted(lines, 'line')} and {paths[1]} has {others:,}: line i of "
            "one must be the translation of line i of the other"
        )
    compressed = [existing(path).suffix == ".gz" for path in paths]
    return SplitFiles(
        split, paths, lines, (None if compressed[0] else left, None if compressed[1] else right)
    )


def chunk_starts(path: Path) -> tuple[int, list[int]]:
    """Count the lines, and find the byte at which each chunk of `PAIRS_PER_CHUNK` starts.

    The last entry is the size of the (uncompressed) text.

    Raises:
        UserError: a line that is too long to be read into memory.
    """
    blocks = count_blocks(path)
    shown = blocks is None or blocks > FEW_BLOCKS
    lines, size, last, begun = 0, 0, b"\n", 0  # begun: bytes so far of a line that goes on
    starts = [0]
    bar = progress(f"reading {path.name}", blocks, "MiB", shown=shown)
    with reading(path) as stream, bar as advance:
        while block := stream.read(READ_BYTES):
            advance(1)
            count, passed, rest = block.count(b"\n"), 0, block
            if begun + (block.find(b"\n") if count else len(block)) > MAX_LINE_BYTES:
                raise endless_line(path, lines + 1)
            begun = len(block) - 1 - block.rfind(b"\n") if count else begun + len(block)
            while (ends := len(starts) * PAIRS_PER_CHUNK - lines) <= count:
                rest = rest.split(b"\n", ends - passed)[-1]
                passed = ends
                starts.append(size + len(block) - len(rest))
            lines += count
            size += len(block)
            last = block[-1:]
    if starts[-1] != size:
        starts.append(size)
    return lines + (last != b"\n"), starts


def count_blocks(path: Path) -> int | None:
    """Count the blocks of `READ_BYTES` in ``path``; None if it is compressed."""
    found = existing(path)
    return None if found.suffix == ".gz" else -(-found.stat().st_size // READ_BYTES)


def cut_chunks(splits: list[SplitFiles]) -> Iterator[Chunk]:
    for files in splits:
        for place, sides in enumerate(zip(*chunk_sides(files), strict=True)):
            yield Chunk(files, 1 + place * PAIRS_PER_CHUNK, sides)


def chunk_sides(files: SplitFiles) -> list[Iterator[bytes | tuple[int, int]]]:
    return [
        compressed_chunk_sides(path) if starts is None else pairwise(starts)
        for path, starts in zip(files.paths, files.starts, strict=True)
    ]


def compressed_chunk_sides(path: Path) -> Iterator[bytes]:
    with reading(path) as stream:
        while lines := b"".join(islice(stream, PAIRS_PER_CHUNK)):
            yield lines
