"""Sentences of the validation text: ids for the model, running text for people and for BLEU."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from s2s_cli.data.corpus import Corpus
from s2s_cli.errors import UserError
from s2s_cli.files import read_lines
from s2s_cli.inference.codec import TextCodec
from s2s_cli.text.layout import text_file

VALID = "valid"


@dataclass(frozen=True)
class ValidationSentence:
    """A sentence pair of the validation text.

    Attributes:
        source_ids: in the order of the text.
        source, reference: running text.
    """

    source_ids: list[int]
    source: str
    reference: str


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """Choose ``wanted`` of ``count`` places, or all, at equal distances."""
    wanted = min(count, wanted)
    return [(2 * place + 1) * count // (2 * wanted) for place in range(wanted)]


class ValidationText:
    """The validation text of a corpus.

    The words are those of the prepared text; where it is gone, those of the vocabularies, with
    `UNK` for all others.
    """

    def __init__(self, data: Path, corpus: Corpus, codec: TextCodec) -> None:
        """Read from the directory ``data``; ``codec`` is that of the model."""
        self.data, self.corpus, self.codec = data, corpus, codec

    @property
    def paths(self) -> list[Path]:
        """The prepared text of source and target."""
        return [text_file(self.data, VALID, each) for each in self.corpus.facts.languages]

    def require(self, option: str) -> None:
        """Refuse ``option`` where the prepared text is gone.

        Raises:
            UserError: names the file.
        """
        for path in self.paths:
            if not path.is_file():
                raise UserError(
                    f"{path}: no such file, and {option} compares translations with it; run "
                    "`s2s prep` and `s2s vocab` again"
                )

    def sentences(self, numbers: Sequence[int]) -> dict[int, ValidationSentence]:
        """Read the pairs with the rising ``numbers``.

        Raises:
            UserError: the prepared text is not that of the corpus.
        """
        source, target = (self.pieces(side, numbers) for side in (0, 1))
        return {
            number: ValidationSentence(
                self.ids(0, number),
                self.codec.source_text(source[number]),
                self.codec.text(self.codec.words(target[number])),
            )
            for number in numbers
        }

    def ids(self, side: int, number: int) -> list[int]:
        """The ids of sentence ``number`` in the order of the text; ``side`` is 0 for the source."""
        assert self.corpus.valid is not None
        split = self.corpus.valid
        ids: list[int] = (split.target if side else split.source)[number].tolist()
        return ids[::-1] if self.corpus.facts.reverse_source and not side else ids

    def pieces(self, side: int, numbers: Sequence[int]) -> dict[int, list[str]]:
        """The words, or pieces of words, of one side."""
        path, corpus = self.paths[side], self.corpus
        vocabulary = corpus.target_vocabulary if side else corpus.source_vocabulary
        if not path.is_file():
            return {each: vocabulary.decode(self.ids(side, each)) for each in numbers}
        found = {}
        for number, line in picked_lines(path, numbers):
            found[number] = line.split(" ")
            if vocabulary.encode(found[number]) != self.ids(side, number):
                break
        else:
            if len(found) == len(numbers):
                return found
        raise UserError(f"{path}: is not the text of {self.data}'s corpus; run `s2s vocab` again")


def picked_lines(path: Path, numbers: Iterable[int]) -> Iterable[tuple[int, str]]:
    """The lines of ``path`` with the rising ``numbers``, from 0, as far as there are any."""
    lines, at = read_lines(path), 0
    for number in numbers:
        for line in islice(lines, number - at, number - at + 1):
            yield number, line
        at = number + 1
