"""Pick one hypothesis of each segment of an n-best list and print it as running text.

Without a reference it is the first of the segment: the translation of the system that made the
list. With a reference (tokenised as the list is) it is the oracle: the hypothesis of the highest
sentence BLEU, which no rescoring can beat by much.
"""

import argparse
import sys
from pathlib import Path

from s2s_cli.errors import UserError
from s2s_cli.files import read_lines
from s2s_cli.text.nbest import Entry, read_segments
from s2s_cli.text.tokenise import make_tokeniser


def closest_entry(entries: list[Entry], reference: str) -> Entry:
    """Choose the entry closest to the tokenised reference; of equals, the first."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="none", effective_order=True)
    return max(
        entries, key=lambda entry: metric.sentence_score(" ".join(entry.words), [reference]).score
    )


def pick_words(nbest: Path, references: list[str] | None, first_id: int) -> list[list[str]]:
    """Pick the words of each segment; the list must have the segments ``first_id``, + 1, ..."""
    picks: list[list[str]] = []
    for number, entries in read_segments(nbest):
        segment = number - first_id
        if segment != len(picks) or (references and segment >= len(references)):
            raise UserError(f"{nbest}:{entries[0].number}: segment {number} is not expected here")
        picks.append(
            (closest_entry(entries, references[segment]) if references else entries[0]).words
        )
    if references is not None and len(picks) != len(references):
        raise UserError(f"{nbest} has {len(picks)} segments, the reference {len(references)} lines")
    return picks


def main() -> None:
    parser = argparse.ArgumentParser(description="Pick one hypothesis of each segment.")
    parser.add_argument("nbest", type=Path, help="n-best list")
    parser.add_argument("--reference", type=Path, help="tokenised reference: pick the oracle")
    parser.add_argument("--language", default="fr", help="of the text (default: %(default)s)")
    parser.add_argument("--first-id", type=int, default=0, help="of the segments in the list")
    parser.add_argument("--words", action="store_true", help="print words, not running text")
    given = parser.parse_args()
    tokeniser = make_tokeniser("spaces" if given.words else "sacremoses", given.language)
    try:
        references = list(read_lines(given.reference)) if given.reference else None
        picks = pick_words(given.nbest, references, given.first_id)
    except UserError as error:
        sys.exit(f"nbest_pick.py: {error}")
    lines = map(tokeniser.detokenise, picks)
    sys.stdout.buffer.write("".join(f"{line}\n" for line in lines).encode())


if __name__ == "__main__":
    main()
