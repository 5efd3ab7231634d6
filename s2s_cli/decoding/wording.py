"""Hypotheses in words, with what attention tells: unknown words replaced, alignments."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from s2s_cli.decoding.alignment import links
from s2s_cli.decoding.beam import Hypothesis
from s2s_cli.inference.scorer import Scorer
from s2s_cli.inference.sentences import Sentences
from s2s_cli.text.dictionary import Dictionary
from s2s_cli.text.vocabulary import UNK


@dataclass(frozen=True)
class Worded:
    """A hypothesis, its target words or pieces of words, and their alignment.

    ``pairs`` are places of source and target words; none where nobody asked for them.
    """

    hypothesis: Hypothesis
    pieces: list[str]
    pairs: list[tuple[int, int]]


@dataclass(frozen=True)
class Wording:
    """What is asked for.

    Attributes:
        replace_unk: each `UNK` becomes the source word that counted most there.
        dictionary: or what stands here for that word.
        alignments: links of all hypotheses are wanted.
    """

    replace_unk: bool = False
    dictionary: Dictionary = field(default_factory=dict)
    alignments: bool = False

    def worded(
        self,
        scorer: Scorer,
        sentences: Sentences,
        lines: Sequence[Sequence[str]],
        found: Sequence[Sequence[Hypothesis]],
    ) -> list[list[Worded]]:
        """The hypotheses ``found`` of each of ``lines``, which are words as the model read them."""
        asked = [
            (sentences.ids(words), each.tokens)
            for words, hypotheses in zip(lines, found, strict=True)
            for each in hypotheses
            if self.needs_links(each)
        ]
        linked = iter(links(scorer, [ids for ids, _ in asked], [tokens for _, tokens in asked]))
        return [
            [
                self.word(sentences, words, each, next(linked) if self.needs_links(each) else [])
                for each in hypotheses
            ]
            for words, hypotheses in zip(lines, found, strict=True)
        ]

    def needs_links(self, hypothesis: Hypothesis) -> bool:
        return self.alignments or (self.replace_unk and UNK in hypothesis.tokens)

    def word(
        self, sentences: Sentences, source: Sequence[str], hypothesis: Hypothesis, links: list[int]
    ) -> Worded:
        """``hypothesis`` in words; each word of a replacement has the link of what it replaces."""
        pieces = sentences.pieces(hypothesis.tokens)
        if self.replace_unk and links:
            made = [
                (each, link)
                for token, piece, link in zip(hypothesis.tokens, pieces, links, strict=True)
                for each in (self.replacement(sentences, source, link) if token == UNK else [piece])
            ]
            pieces, links = [piece for piece, _ in made], [link for _, link in made]
        pairs = sentences.pairs(source, pieces, links)
        return Worded(hypothesis, pieces, pairs)

    def replacement(self, sentences: Sentences, source: Sequence[str], place: int) -> list[str]:
        """The target words, or pieces, for a source word that the model could not translate.

        A piece of a longer word stands for itself.
        """
        word = sentences.source_pieces.whole(source, place)
        if word in self.dictionary:
            return sentences.target_pieces.unsplit(self.dictionary[word])
        return [sentences.source_pieces.alone(source[place])]
