"""Weights by minimum error rate training (Och 2003): decode, tune on all lists so far, again.

`s2s rescore --tune` does the line searches.
"""

import subprocess
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s2s_cli.console import say
from s2s_cli.errors import UserError
from s2s_cli.files import read_lines, replacing
from s2s_cli.text.nbest import read_segments
from smt.decoding import System, each_list
from smt.features import (
    FIRST_WEIGHTS,
    LAYOUT,
    nbest_line,
    read_weights,
    weighted,
    write_weights,
)

LIST = 100  # hypotheses a sentence of each round
TRIES = 20_000
ENOUGH = 0.02  # share of new hypotheses below which the loop ends


@dataclass
class Pool:
    """The hypotheses of all rounds: for each sentence, text and features.

    Attributes:
        lists: features by text and features, rounded so that the same derivation is found again.
    """

    lists: list[dict[tuple[str, tuple[float, ...]], list[float]]] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, self.lists))

    def add(self, segment: int, text: str, features: list[float]) -> None:
        """Add one hypothesis, unless it is there."""
        while len(self.lists) <= segment:
            self.lists.append({})
        self.lists[segment].setdefault((text, tuple(round(f, 3) for f in features)), features)

    def write(self, weights: Sequence[float], path: Path) -> None:
        """Write all hypotheses with their scores under these weights."""
        with replacing(path) as out:
            for segment, entries in enumerate(self.lists):
                rows = sorted(
                    ((weighted(weights, each), text, each) for (text, _), each in entries.items()),
                    reverse=True,
                )
                lines = (nbest_line(segment, text, each, total) for total, text, each in rows)
                out.write("".join(lines).encode())


@dataclass(frozen=True)
class TuningText:
    """The sentences to tune on, and the directory for what the rounds make."""

    source: list[list[str]]
    reference: list[list[str]]
    directory: Path

    def write(self) -> None:
        """Write both sides where `s2s rescore` reads them."""
        for name, text in (("source", self.source), ("reference", self.reference)):
            with replacing(self.directory / name) as out:
                out.write("".join(" ".join(words) + "\n" for words in text).encode())


def tune(system: System, text: TuningText, rounds: int) -> list[float]:
    """Tune the weights; rounds that are there from a run that broke off are read.

    Raises:
        UserError: `s2s rescore` fails.
    """
    text.directory.mkdir(parents=True, exist_ok=True)
    text.write()
    pool, weights = Pool(), [float(each) for each in FIRST_WEIGHTS]
    for number in range(1, rounds + 1):
        before = len(pool)
        for segment, hypothesis, features in round_lists(system, text, weights, number):
            pool.add(segment, hypothesis, features)
        new = len(pool) - before
        if new < ENOUGH * len(pool):
            say(f"round {number}: {new:,} new hypotheses of {len(pool):,}; done")
            break
        path = text.directory / f"weights.{number}"
        bleu = ""
        if not path.exists():
            weights, found = tuned(pool, weights, text, number)
            write_weights(weights, path)
            bleu = f"; BLEU {found:.2f} of the lists"
        weights = read_weights(path)
        say(f"round {number}: {new:,} new hypotheses of {len(pool):,}{bleu}")
    return weights


def round_lists(
    system: System, text: TuningText, weights: Sequence[float], number: int
) -> list[tuple[int, str, list[float]]]:
    """Decode with the weights, or read what an earlier run wrote: segment, text and features."""
    path = text.directory / f"round.{number}.gz"
    if not path.exists():
        with replacing(path) as out:
            lists = each_list(system, weights, text.source, LIST, TRIES)
            for segment, found in enumerate(lists):
                out.write("".join(nbest_line(segment, *each) for each in found).encode())
    return [
        (segment, " ".join(entry.words), feature_values(entry.line))
        for segment, entries in read_segments(path)
        for entry in entries
    ]


def feature_values(line: str) -> list[float]:
    """Read the features of a line that `features.nbest_line` wrote."""
    field = line.split(" ||| ")[2]
    return [float(each) for each in field.split() if not each.endswith("=")]


def tuned(
    pool: Pool, weights: Sequence[float], text: TuningText, number: int
) -> tuple[list[float], float]:
    """Find better weights on the pool; returns them and their BLEU there.

    Their absolute values sum to 1. Where all hypotheses are equally good, they stay.
    """
    lists, found = text.directory / "pool.nbest", text.directory / f"found.{number}.toml"
    pool.write(weights, lists)
    rescore(
        *(lists, "--source", text.directory / "source", "--tokenised", "--threads", 1),
        *("--feature-name", "LM0", "--tune", text.directory / "reference", "--weights", found),
        *("--output", text.directory / "best", "--quiet"),
    )
    read = tomllib.loads("\n".join(read_lines(found)))
    share = read["weights"]["total"][0]
    values = [value for name, _ in LAYOUT for value in read["weights"][name]]
    both = [share * old + value for old, value in zip(weights, values, strict=True)]
    scale = sum(map(abs, both))
    better = [value / scale for value in both] if scale else list(weights)
    return better, float(read["bleu"]["tuned"])


def rescore(*arguments: object) -> None:
    """Run ``s2s rescore``.

    Raises:
        UserError: it fails; it has said why.
    """
    command = ["s2s", "rescore", *map(str, arguments)]
    if subprocess.run(command, check=False).returncode:
        raise UserError("the tuning of the weights failed: `s2s rescore` has printed why")
