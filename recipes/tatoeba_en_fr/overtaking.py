"""Print BLEU of two systems by the length of the source, and from which length one overtakes.

A table in Markdown: bins of sentences of equal and neighbouring lengths, as those of ``s2s show
lengths``; BLEU (tokenised) of both systems and their difference, with its 95 % interval over
resamples of the sentences of the bin. The second system overtakes with the first bin from which on
it is ahead in all; the interval of that length is over the same resamples.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from s2s_cli.errors import UserError
from s2s_cli.scoring.breakdowns import Bin, bins
from s2s_cli.scoring.statistics import References, corpus_bleu
from s2s_cli.scoring.systems import TextForm, read_systems
from s2s_cli.scoring.texts import Texts

sys.path.insert(0, str(Path(__file__).parents[1]))
from pages import format_table

SEED = 12345
Counts = np.ndarray  # [sentences, statistics] of one system


def count_sentences(texts: Texts) -> Counts:
    """Count the statistics of each sentence."""
    words = texts.words
    lines = zip(words.hypotheses, *words.references, strict=True)
    return np.array([References(references).statistics(line) for line, *references in lines])


def bleu_difference(first: Counts, second: Counts) -> float:
    """BLEU of the first system less that of the second."""
    one, other = (corpus_bleu([int(each) for each in counts.sum(0)]) for counts in (first, second))
    return one - other


def resampled_differences(
    first: Counts, second: Counts, parts: Sequence[Bin], resamples: int
) -> np.ndarray:
    """Differences over resamples of the sentences of each bin, [resamples, bins]."""
    generator = np.random.default_rng(SEED)
    return np.array(
        [
            [
                bleu_difference(first[chosen], second[chosen])
                for part in parts
                for chosen in [generator.choice(part.lines, len(part.lines))]
            ]
            for _ in range(resamples)
        ]
    )


def overtaken_from(differences: Sequence[float]) -> int:
    """The first bin from which on all differences are below 0; their number where there is none."""
    for number in range(len(differences), 0, -1):
        if differences[number - 1] >= 0:
            return number
    return 0


def bin_label(part: Bin) -> str:
    return f"{part.low:.0f}" if part.low == part.high else f"{part.low:.0f}–{part.high:.0f}"


def verdict(names: Sequence[str], parts: Sequence[Bin], at: int, found: Sequence[int]) -> str:
    """Say in a sentence where the second system overtakes."""
    first, second = names
    starts = [*(f"{part.low:.0f} words" for part in parts), "nowhere"]
    low, high = (int(each) for each in np.percentile(found, [2.5, 97.5], method="nearest"))
    interval = f" (95 % interval: {starts[low]} to {starts[high]})" if low != high else ""
    if at == len(parts):
        return f"{first} is ahead of {second} where sentences are longest{interval}."
    if at == 0:
        return f"{second} is ahead of {first} at every length{interval}."
    return f"{second} overtakes {first} at {starts[at]} of the source{interval}."


def make_report(
    names: Sequence[str], counts: Sequence[Counts], parts: Sequence[Bin], resamples: int
) -> str:
    """The table and the sentence below it, as Markdown."""
    first, second = counts
    rows = [["words of the source", "sentences", *names, "difference"]]
    resampled = resampled_differences(first, second, parts, resamples)
    differences = []
    for part, sample in zip(parts, resampled.T, strict=True):
        of_bin = [corpus_bleu([int(n) for n in each[part.lines].sum(0)]) for each in counts]
        differences.append(bleu_difference(first[part.lines], second[part.lines]))
        low, high = np.percentile(sample, [2.5, 97.5])
        told = f"{differences[-1]:+.2f} [{low:+.2f}, {high:+.2f}]"
        scores = [f"{each:.2f}" for each in of_bin]
        rows.append([bin_label(part), str(len(part.lines)), *scores, told])
    found = [overtaken_from(each) for each in resampled.tolist()]
    return f"{format_table(rows)}\n\n{verdict(names, parts, overtaken_from(differences), found)}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Find the length from which a system overtakes.")
    parser.add_argument("reference", type=Path)
    parser.add_argument("translation", type=Path, nargs=2, help="of both systems")
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--name", action="append", required=True, help="of each system (twice)")
    parser.add_argument("--bins", type=int, default=10, help="(default: %(default)s)")
    parser.add_argument(
        "--min-sentences", type=int, default=30, help="of a bin (default: %(default)s)"
    )
    parser.add_argument("--resamples", type=int, default=1000, help="(default: %(default)s)")
    given = parser.parse_args()
    if len(given.name) != 2:
        parser.error("--name is given once for each of the two systems")
    form = TextForm("en", "fr", tokenised=False)
    try:
        systems = read_systems(given.source, given.reference, given.translation, given.name, form)
    except UserError as error:
        sys.exit(f"overtaking.py: {error}")
    lengths = [len(words) or None for words in systems.words]
    parts = bins(lengths, given.bins, given.min_sentences)
    counts = [count_sentences(systems.texts[name]) for name in given.name]
    sys.stdout.write(make_report(given.name, counts, parts, given.resamples))


if __name__ == "__main__":
    main()
