"""Learning of subwords from the words of the training text, each as often as it stands there."""

import io
import re
from collections import Counter

from s2s_cli.errors import UserError
from s2s_cli.interrupts import unhandled
from s2s_cli.text.subwords import SubwordKind, escape_word_start, require_sentencepiece

# A longer word teaches nothing; SentencePiece leaves out words with these characters anyway.
LONGEST_WORD = 1000
NEVER_LEARNED = ("\t", "\0")
# Of nothing that is split, for a `▁` stands at the start of pieces alone.
UNKNOWN_PIECE = "unknown▁"
TOO_MANY = re.compile(r"size too high.*<= (\d+)")
TOO_FEW = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


def learn_pieces(
    kind: SubwordKind, words: Counter[str], size: int, coverage: float, language: str
) -> bytes:
    """Learn a SentencePiece model with ``size`` pieces; the same words give the same bytes.

    Words are learned from as they are, each as often as it was counted: no normalisation, no
    pieces of more than one word, no control symbols, no bytes in place of unknown characters.

    Args:
        kind: bpe (Sennrich et al. 2016) or unigram (Kudo 2018).
        words: of the training text, counted.
        size: pieces, the unknown one counted.
        coverage: share of all characters that have pieces; 1: all have.
        language: of the text, for messages.

    Raises:
        UserError: ``size`` is too large or too small for these words; SentencePiece is missing.
    """
    sentencepiece = require_sentencepiece()
    entries = sorted(words.items(), key=lambda entry: (-entry[1], entry[0]))
    model = io.BytesIO()
    try:
        with unhandled():  # it takes minutes of a large text
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=(
                    f"{escape_word_start(word)}\t{count}"
                    for word, count in entries
                    if is_learned(word)
                ),
                input_format="tsv",
                model_writer=model,
                model_type=kind,
                vocab_size=size,
                character_coverage=coverage,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                unk_piece=UNKNOWN_PIECE,
                bos_id=-1,
                eos_id=-1,
                pad_id=-1,
                max_sentence_length=1 << 16,
                num_threads=1,
                minloglevel=2,
            )
    except RuntimeError as error:
        raise UserError(
            f"the training text ({language}) {explain_failure(str(error), size)}"
        ) from None
    return model.getvalue()


def is_learned(word: str) -> bool:
    return len(word) <= LONGEST_WORD and not any(each in word for each in NEVER_LEARNED)


def explain_failure(error: str, size: int) -> str:
    """Turn a complaint of SentencePiece into what to do."""
    if most := TOO_MANY.search(error):
        return f"has too few words for {size:,} pieces; give --subword-size {most[1]} or less"
    if least := TOO_FEW.search(error):
        return (
            f"has more different characters than {size:,} pieces can hold; give --subword-size "
            f"{least[1]} or more, or a lower --character-coverage"
        )
    return f"is nothing that SentencePiece can learn from ({error})"
