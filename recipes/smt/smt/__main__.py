"""The stages as commands: ``python -m smt align DATA WORK``, and so on; run.sh runs them all."""

import argparse
import itertools
import sys
from collections.abc import Callable
from pathlib import Path

from s2s_cli.console import counted, say
from s2s_cli.errors import UserError, as_user_error
from s2s_cli.parallel import available_cores
from smt import aligner, language_model
from smt.alignment_file import read_links, write_alignment
from smt.corpus import Text, languages, read_corpus, read_sentences
from smt.decoding import System, write_lists
from smt.features import read_weights, write_weights
from smt.phrases import LONGEST
from smt.search import Limits
from smt.table import build_table
from smt.table_file import write_table
from smt.tuning import TuningText, tune

SPLITS = ("valid", "test")
LM = "lm.npz"
TABLES = ("phrase-table.gz", "reordering-table.gz")


class Stages:
    """The stages, on the text of one directory, with what they make in another."""

    def __init__(self, given: argparse.Namespace) -> None:
        """Check that the text can be used."""
        self.given = given
        self.data, self.work = Path(given.data), Path(given.work)
        self.source, self.target = languages(self.data)
        for split in SPLITS:
            read_sentences(self.data / f"{split}.{self.source}")
        self.work.mkdir(parents=True, exist_ok=True)

    def corpus(self) -> tuple[Text, Text]:
        """Read the training text."""
        paths = (self.data / f"train.{each}" for each in (self.source, self.target))
        source, target, left_out = read_corpus(*paths)
        pairs = counted(len(source.lengths), "pair")
        say(f"read {pairs}" + (f"; left out {left_out:,} that no system reads" * (left_out > 0)))
        return source, target

    def align(self) -> None:
        """Align the words of the training text."""
        source, target = self.corpus()
        direct, inverse = aligner.align_both(source, target)
        say("aligned both ways")
        count = write_alignment(source, target, direct, inverse, self.work / "aligned.gz")
        say(f"joined: {count:,} links")

    def table(self) -> None:
        """Make the phrase table of the texts to translate."""
        source, target = self.corpus()
        links = read_links(self.work / "aligned.gz", source, target)
        splits = (self.data / f"{split}.{self.source}" for split in SPLITS)
        wanted = list(itertools.chain.from_iterable(map(read_sentences, splits)))
        longest, limit = self.given.phrase_length, self.given.table_limit
        table = build_table(source, target, links, wanted, longest, limit)
        files = (self.work / name for name in TABLES)
        write_table(table, source.vocabulary, target.vocabulary, *files)
        say(f"phrase table: {len(table.source):,} pairs")

    def lm(self) -> None:
        """Train the language model of the target side."""
        _, target = self.corpus()
        trie = language_model.train(target, self.given.order)
        language_model.save(trie, self.work / LM)
        say(f"language model: {len(trie.word):,} n-grams")

    def system(self) -> System:
        """The models, and the options of the search."""
        given = self.given
        limits = Limits(given.stack, given.pops, given.distortion_limit, given.phrase_length)
        lm, phrases, reordering = self.work / LM, *(self.work / name for name in TABLES)
        return System(lm, phrases, reordering, limits, given.jobs)

    def tune(self) -> None:
        """Tune the weights on the validation text."""
        most = self.given.tune_lines or None
        source, reference = (
            read_sentences(self.data / f"valid.{each}", most) for each in (self.source, self.target)
        )
        text = TuningText(source, reference, self.work / "tune")
        weights = tune(self.system(), text, self.given.rounds)
        write_weights(weights, self.work / "weights.ini")

    def lists(self) -> None:
        """Write the n-best lists of the validation and the test text."""
        weights = read_weights(self.work / "weights.ini")
        (self.work / "lists").mkdir(exist_ok=True)
        for split in SPLITS:
            path = self.work / "lists" / f"{split}.nbest.gz"
            if not path.exists():
                sentences = read_sentences(self.data / f"{split}.{self.source}")
                count = write_lists(self.system(), weights, sentences, path, self.given.nbest)
                say(f"{split}: {count:,} hypotheses of {counted(len(sentences), 'sentence')}")


def bounded(least: int, most: int) -> Callable[[str], int]:
    """Make the type of an option: whole numbers from ``least`` to ``most``."""

    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be between {least:,} and {most:,}")
        return value

    return number


OPTIONS = (
    ("phrase-length", LONGEST, 1, LONGEST, "most words of a phrase"),
    ("table-limit", 20, 1, 1000, "most translations of a source phrase"),
    ("order", 5, 2, 8, "of the language model"),
    ("stack", 100, 1, 10_000, "hypotheses that are kept for each number of covered words"),
    ("pops", 400, 1, 100_000, "hypotheses that cube pruning makes for them"),
    ("distortion-limit", 6, 0, 100, "how far a phrase may be from the one before"),
    ("tune-lines", 0, 0, 1_000_000, "tune on the first lines of the validation text; 0: all"),
    ("rounds", 6, 1, 50, "most rounds of tuning"),
    ("nbest", 1000, 1, 100_000, "most hypotheses a sentence"),
    ("jobs", available_cores(), 1, 1000, "processes that decode"),
)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="smt", description="Make a phrase-based system from text that `s2s prep` wrote."
    )
    parser.add_argument("stage", choices=("align", "table", "lm", "tune", "lists"))
    parser.add_argument("data", help="directory of the prepared text")
    parser.add_argument("work", help="directory for what the stages make")
    for name, default, least, most, what in OPTIONS:
        parser.add_argument(
            f"--{name}",
            type=bounded(least, most),
            default=default,
            metavar="N",
            help=f"{what} (default: %(default)s)",
        )
    return parser.parse_args()


def main() -> None:
    """Run one stage."""
    given = parse()
    try:
        getattr(Stages(given), given.stage)()
    except Exception as error:
        found = error if isinstance(error, UserError) else as_user_error(error)
        if found is None:
            raise
        sys.exit(f"smt: {found}")


if __name__ == "__main__":
    main()
