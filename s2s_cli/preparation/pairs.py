"""Pairs of raw lines tokenised, and kept or dropped: the work of a worker of ``s2s prep``."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import compress
from typing import Literal

from s2s_cli.files import BOM
from s2s_cli.preparation.chunks import Chunk
from s2s_cli.preparation.config import PrepConfig
from s2s_cli.text.cleaning import FILE_START_MARK, LINE_END_RETURN
from s2s_cli.text.languages import find_language
from s2s_cli.text.tokenise import Tokeniser, make_tokeniser

# Mean length of a word in languages without spaces between words, roughly.
CHARACTERS_OF_A_WORD = 2

DropReason = Literal["empty", "too long", "length ratio"]


@dataclass
class PreparedChunk:
    """Result of a chunk: lines to write, numbers of dropped lines, counts by side."""

    split: str
    read: int
    kept: int = 0
    text: list[bytes] = field(default_factory=list)
    words: list[int] = field(default_factory=lambda: [0, 0])
    dropped: list[tuple[int, DropReason]] = field(default_factory=list)
    odd: list[Counter[str]] = field(default_factory=list)


def make_tokenisers(config: PrepConfig, worker: int) -> list[Tokeniser]:
    """Make the tokenisers of a worker, and use each once: their first words take long."""
    tokenisers = [
        make_tokeniser(config.tokeniser_kind, language, nfc=config.nfc)
        for language in config.languages
    ]
    for each in tokenisers:
        each.tokenise_block("a\n")
    return tokenisers


def prepare_chunk(config: PrepConfig, tokenisers: list[Tokeniser], chunk: Chunk) -> PreparedChunk:
    """Tokenise each pair and keep it or say why not; runs in a worker."""
    prepared = PreparedChunk(chunk.files.split, chunk.pairs)
    raw = chunk.read()
    sides: list[list[str]] = []
    for side, (tokeniser, text) in enumerate(zip(tokenisers, chunk.decode(raw), strict=True)):
        block, odd = tokeniser.tokenise_block(text)
        sides.append(block.split("\n")[:-1])
        prepared.odd.append(odd + count_odd_edges(raw[side], chunk.first))
    words = [list(map(count_words_of_line, lines)) for lines in sides]
    lengths = [
        list(map(count_unspaced, lines)) if is_unspaced(config, language) else counts
        for language, lines, counts in zip(config.languages, sides, words, strict=True)
    ]
    reasons = [reason_to_drop(config, *pair) for pair in zip(*lengths, strict=True)]
    if chunk.files.split == "test":
        reasons = [None] * chunk.pairs
    prepared.dropped = [(n, why) for n, why in enumerate(reasons, chunk.first) if why is not None]
    prepared.kept = chunk.pairs - len(prepared.dropped)
    kept = [why is None for why in reasons]
    for side, lines in enumerate(sides):
        prepared.words[side] = sum(compress(words[side], kept))
        prepared.text.append("\n".join([*compress(lines, kept), ""]).encode())
    return prepared


def count_words_of_line(line: str) -> int:
    return line.count(" ") + 1 if line else 0


def is_unspaced(config: PrepConfig, language: str) -> bool:
    """Say whether words of the raw text of ``language`` have no spaces between them."""
    return not config.tokenised and find_language(language).is_unspaced


def count_unspaced(line: str) -> int:
    """Estimate the words of a line that has no spaces between them."""
    return -(-len(line.replace(" ", "")) // CHARACTERS_OF_A_WORD)


def count_odd_edges(raw: bytes, first: int) -> Counter[str]:
    """Count what `Chunk.decode` takes off silently; ``first`` is the number of the first line."""
    found: Counter[str] = Counter()
    if returns := raw.count(b"\r\n"):
        found[LINE_END_RETURN] = returns
    if first == 1 and raw.startswith(BOM):
        found[FILE_START_MARK] = 1
    return found


def reason_to_drop(config: PrepConfig, source: int, target: int) -> DropReason | None:
    """Decide by its lengths in words why a pair is no good for training; None where it is."""
    shorter, longer = (source, target) if source < target else (target, source)
    if shorter == 0:
        return "empty"
    if longer > config.max_length:
        return "too long"
    if longer > config.max_ratio * shorter:
        return "length ratio"
    return None
