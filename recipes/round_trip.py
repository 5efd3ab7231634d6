"""Measure what is left of running text after it was split into words and joined again.

A perfect translation system would print this: each line of FILE is tokenised and detokenised, and
the result is scored against the file itself.
"""

import argparse
import sys
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path
from typing import get_args

from s2s_cli.errors import UserError
from s2s_cli.files import read_lines
from s2s_cli.text.tokenise import RawTokeniserKind, make_tokeniser

SHOWN = 10
SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f\u2007", " "))


def differences(line: str, again: str) -> list[str]:
    """Describe each difference: what stood there, and what stands there now."""
    matcher = SequenceMatcher(None, line, again, autojunk=False)
    return [
        f"{line[a - 1 : a] if a else ''}[{line[a:b]}]{line[b : b + 1]} became [{again[c:d]}]"
        for tag, a, b, c, d in matcher.get_opcodes()
        if tag != "equal"
    ]


def kind(difference: str) -> str:
    """Put differences of one kind together: any letter is an a, any digit a 0."""
    return "".join(
        "a" if each.isalpha() and "became" not in each else "0" if each.isdigit() else each
        for each in difference.replace(" became ", "\0")
    ).replace("\0", " became ")


def report(path: Path, language: str, tokeniser: RawTokeniserKind) -> None:
    from sacrebleu.metrics.bleu import BLEU

    lines = list(read_lines(path))
    words = make_tokeniser(tokeniser, language)
    again = [words.detokenise(words.tokenise(line)) for line in lines]
    score = BLEU(force=True).corpus_score(again, [lines]).score
    pairs = [
        (line.translate(SPACES), other.translate(SPACES))
        for line, other in zip(lines, again, strict=True)
    ]
    same = sum(line == other for line, other in pairs)
    print(f"{path}: {len(lines):,} lines, {same / len(lines):.2%} the same, BLEU {score:.2f}")
    found = Counter(kind(each) for pair in pairs for each in differences(*pair))
    for what, count in found.most_common(SHOWN):
        print(f"{count:7,}  {what}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="texts, FILE.LANGUAGE[.gz]")
    parser.add_argument("--tokeniser", choices=get_args(RawTokeniserKind), default="moses")
    given = parser.parse_args()
    try:
        for path in given.files:
            report(path, path.name.removesuffix(".gz").rpartition(".")[2], given.tokeniser)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
