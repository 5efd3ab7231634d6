"""Measure what is left of running text after it was split into words and joined again.

A perfect translation system would print this: each line of FILE is tokenised and detokenised, and
the result is scored against the file itself. With --moses, words are also compared with those of
tokenizer.perl of Moses.
"""

import argparse
import subprocess
import sys
from collections import Counter
from difflib import SequenceMatcher
from pathlib import Path
from typing import get_args

from s2s_cli.errors import UserError
from s2s_cli.files import read_lines
from s2s_cli.text.cleaning import CLEANING
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


def compare_with_moses(
    script: Path, path: Path, language: str, tokeniser: RawTokeniserKind
) -> None:
    """Say how many lines have the same words by ``script``, which is given cleaned text."""
    lines = [" ".join(CLEANING.clean(line).split()) for line in read_lines(path)]
    words = make_tokeniser(tokeniser, language)
    own = [" ".join(words.tokenise(line)) for line in lines]
    command = ["perl", str(script), "-q", "-no-escape", "-l", language]
    given = "".join(f"{line}\n" for line in lines).encode()
    run = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True)
    others = run.stdout.decode().split("\n")[:-1]
    same = sum(map(str.__eq__, own, others))
    print(f"{path}: {same / len(lines):.2%} of the lines have the same words as by {script.name}")


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
    parser.add_argument("--moses", type=Path, help="tokenizer.perl, with its data beside it")
    parser.add_argument("--tokeniser", choices=get_args(RawTokeniserKind), default="moses")
    given = parser.parse_args()
    try:
        for path in given.files:
            language = path.name.removesuffix(".gz").rpartition(".")[2]
            report(path, language, given.tokeniser)
            if given.moses:
                compare_with_moses(given.moses, path, language, given.tokeniser)
    except UserError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
