"""Second half of ``s2s prep --subwords bpe``: learn pieces from tokenised text and split it.

The text waits in files without names meanwhile, so nothing of it stays behind.
"""

import io
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType

from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.console import progress_over, say
from s2s_cli.destinations import NamedWriter, named_errors
from s2s_cli.files import count_line_ends, file_blocks
from s2s_cli.preparation.learning import learn_pieces
from s2s_cli.text.layout import pieces_file, text_file
from s2s_cli.text.subwords import Splitter, SubwordKind, Subwords, make_splitter, model_file


class TemporaryText:
    """Tokenised text of the splits that are to be split.

    Used as ``with TemporaryText(directory) as waiting``; it is removed at the end of the block.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.files: dict[Path, NamedWriter] = {}
        self._stack = ExitStack()

    def open(self, path: Path) -> NamedWriter:
        """Open a stream for the text that is to become ``path``."""
        with named_errors(str(path)):
            raw = tempfile.TemporaryFile(dir=self.directory, buffering=0)  # noqa: SIM115
        assert isinstance(raw, io.FileIO)
        stream = self._stack.enter_context(NamedWriter(raw, path))
        self.files[path] = stream
        return stream

    def lines(self, path: Path) -> Iterator[list[str]]:
        """Yield the words of each line that was written for ``path``."""
        stream = self.files[path]
        stream.flush()
        with open(stream.fileno(), "rb", closefd=False) as text:
            text.seek(0)
            for line in text:
                yield line.decode().removesuffix("\n").split(" ")

    def count(self, path: Path) -> int:
        """Count the lines that were written for ``path``."""
        stream = self.files[path]
        stream.flush()
        return count_line_ends(file_blocks(stream.fileno(), 0))

    def __enter__(self) -> "TemporaryText":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


@dataclass(frozen=True)
class SubwordSettings:
    """Kind, number and coverage of the pieces to learn, as `learn_pieces` takes them."""

    kind: SubwordKind
    size: int
    coverage: float


@dataclass
class Segmentation:
    """Result of splitting text.

    Attributes:
        subwords: for the facts.
        counts: pieces of each split that was split, by language.
    """

    subwords: Subwords
    counts: dict[str, dict[str, int]]


def segment_text(
    learning: SubwordSettings,
    waiting: TemporaryText,
    languages: tuple[str, str],
    splits: list[str],
    outputs: AtomicFiles,
) -> Segmentation:
    """Learn the pieces of each language and write models and text in pieces to ``outputs``.

    Raises:
        UserError: as `learn_pieces`.
    """
    models = []
    counts: dict[str, dict[str, int]] = {split: {} for split in splits}
    for language in languages:
        text = text_file(waiting.directory, "train", language)
        say(f"learning the pieces of {text.name}")
        words = Counter(chain.from_iterable(waiting.lines(text)))
        model = learn_pieces(learning.kind, words, learning.size, learning.coverage, language)
        path = pieces_file(waiting.directory, language)
        outputs.open(path).write(model)
        models.append(model_file(model))
        pieces = make_splitter(learning.kind, model, path)
        for split in splits:
            text = text_file(waiting.directory, split, language)
            counts[split][language] = write_pieces(waiting, text, pieces, outputs)
    return Segmentation(Subwords(learning.kind, tuple(models)), counts)


def write_pieces(waiting: TemporaryText, text: Path, pieces: Splitter, outputs: AtomicFiles) -> int:
    """Write ``text`` in pieces; return how many there are."""
    stream = outputs.open(text)
    count = 0
    total = partial(waiting.count, text)
    with progress_over(waiting.lines(text), f"splitting {text.name}", total, "lines") as lines:
        for words in lines:
            split = pieces.split(words)
            stream.write((" ".join(split) + "\n").encode())
            count += len(split)
    return count
