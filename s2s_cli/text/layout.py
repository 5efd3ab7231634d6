"""Names of the files in a data directory, which ``prep`` and ``vocab`` fill."""

from pathlib import Path

SPLITS = ("train", "valid", "test")
CORPUS_SPLITS = ("train", "valid")  # those that training reads
MANIFEST = "corpus.json"
# Whose lock a data directory has.
AT_WORK = "`s2s prep` or `s2s vocab`"


def text_file(directory: Path, split: str, language: str) -> Path:
    """Prepared text: words with a space between, one sentence a line, in natural order."""
    return directory / f"{split}.{language}"


def vocabulary_file(directory: Path, language: str) -> Path:
    """The words of a language (`s2s_cli.text.vocabulary.Vocabulary.write`)."""
    return directory / f"vocab.{language}"


def pieces_file(directory: Path, language: str) -> Path:
    """The SentencePiece model that splits words of ``language``, here and beside a model."""
    return directory / f"subwords.{Path(language).name}.model"


def ids_file(directory: Path, split: str, language: str) -> Path:
    """Ids of all sentences one after another, little-endian int32, no ``<EOS>``."""
    return directory / f"{split}.{language}.ids"


def offsets_file(directory: Path, split: str, language: str) -> Path:
    """Start of each sentence in `ids_file`, and the end: n + 1 little-endian int64."""
    return directory / f"{split}.{language}.idx"
