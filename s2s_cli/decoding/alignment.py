"""Attention weights of hypotheses: which source word counted most for each target word.

Hypotheses that search has chosen are decoded once more, so that search keeps no weights.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from s2s_cli.decoding.beam import AlignedHypothesis, Hypothesis
from s2s_cli.decoding.config import AlignmentConfig
from s2s_cli.errors import UserError
from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.ensemble import Ensemble
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.inference.scorer import ModelScorer, Scorer
from s2s_cli.model.description import Description, model_directory
from s2s_cli.model.parts import BatchParts
from s2s_cli.model.sequences import TimeSteps
from s2s_cli.text.dictionary import Dictionary, read_dictionary
from s2s_cli.text.vocabulary import EOS, UNK

# Hypotheses decoded together, and weights that are in memory at a time, of one model.
MOST_ROWS = 1024
MOST_WEIGHTS = 1 << 24
EOS_SURFACE = "<EOS>"


def require_attention(models: Iterable[Path], needed_by: str) -> None:
    """Check that one of ``models`` has attention, by their descriptions alone.

    Raises:
        UserError: none has; not a model directory.
    """
    directories = list(map(model_directory, models))
    if all(Description.read(each).shape.attention == "none" for each in directories):
        raise UserError(
            f"{', '.join(map(str, directories))}: no attention, which {needed_by} needs; "
            "`s2s train --attention additive` makes a model that has it"
        )


@dataclass(frozen=True)
class Aligner:
    """An aligner of hypotheses with their sources, by attention.

    Attributes:
        replace_unk: each `UNK` becomes the source word that counted most there.
        dictionary: source words, and the target words that replace `UNK` instead of them.
        alignments: links of all hypotheses are wanted.
        parts: in which attention is computed where memory runs out.
    """

    replace_unk: bool = False
    dictionary: Dictionary = field(default_factory=dict)
    alignments: bool = False
    parts: BatchParts = field(default_factory=partial(BatchParts, "alignments"), compare=False)

    def align(
        self,
        model: LoadedModel,
        lines: Sequence[Sequence[str]],
        found: Sequence[Sequence[Hypothesis]],
    ) -> list[list[AlignedHypothesis]]:
        """Align the hypotheses ``found`` of each of ``lines``, which are words as the model reads.

        Hypotheses that attention has no use for have no pairs.
        """
        wanted = [
            (model.codec.ids(words), each.tokens)
            for words, hypotheses in zip(lines, found, strict=True)
            for each in hypotheses
            if self.needs_links(each)
        ]
        pairs = [ids for ids, _ in wanted], [each for _, each in wanted]
        linked = iter(links(model.scorer, *pairs, self.parts))
        return [
            [
                self.with_links(
                    model.codec, words, each, next(linked) if self.needs_links(each) else []
                )
                for each in hypotheses
            ]
            for words, hypotheses in zip(lines, found, strict=True)
        ]

    def needs_links(self, hypothesis: Hypothesis) -> bool:
        return self.alignments or (self.replace_unk and UNK in hypothesis.tokens)

    def with_links(
        self, codec: TextCodec, source: Sequence[str], hypothesis: Hypothesis, links: list[int]
    ) -> AlignedHypothesis:
        """Replace `UNK`; each word of a replacement has the link of what it replaces."""
        pieces = codec.pieces(hypothesis.tokens)
        if self.replace_unk and links:
            replaced = self.replace_unknown(codec, source, hypothesis.tokens, pieces, links)
            pieces, links = [piece for piece, _ in replaced], [link for _, link in replaced]
        return AlignedHypothesis(hypothesis, pieces, codec.pairs(source, pieces, links))

    def replace_unknown(
        self,
        codec: TextCodec,
        source: Sequence[str],
        tokens: Sequence[int],
        pieces: Sequence[str],
        links: Sequence[int],
    ) -> list[tuple[str, int]]:
        """Pair each piece with its link, `UNK` replaced.

        A name that was split at its apostrophe is written whole, and once.
        """
        result: list[tuple[str, int]] = []
        name = range(0)
        for token, piece, link in zip(tokens, pieces, links, strict=True):
            if token != UNK:
                name = range(0)
                result.append((piece, link))
            elif len(name) < 2 or link not in name:
                name = name_around(source, link)
                result += [(each, link) for each in self.replacement(codec, source, link, name)]
        return result

    def replacement(
        self, codec: TextCodec, source: Sequence[str], place: int, name: range
    ) -> list[str]:
        """Target words, or pieces, for a source word that the model could not translate.

        A piece of a longer word stands for itself.
        """
        word = codec.source_pieces.whole_word(source, place)
        if len(name) > 1 and word not in self.dictionary:
            return ["".join(source[each] for each in name)]
        if word in self.dictionary:
            return codec.target_pieces.as_pieces(self.dictionary[word])
        return [codec.source_pieces.unmarked(source[place])]


def make_aligner(config: AlignmentConfig, models: Sequence[Path]) -> Aligner:
    """Make the aligner that ``config`` asks for.

    Raises:
        UserError: no model has attention; a dictionary that cannot be read.
    """
    require_attention(models, "--replace-unk" if config.replace_unk else "--alignments")
    entries = read_dictionary(config.dictionary) if config.dictionary else {}
    return Aligner(config.replace_unk, entries, config.alignments)


def name_around(source: Sequence[str], place: int) -> range:
    """Find the places of the words that make one name: ``O 'Brien``, ``D' Artagnan``."""
    start, stop = place, place + 1
    while start > 0 and is_one_name(source[start - 1], source[start]):
        start -= 1
    while stop < len(source) and is_one_name(source[stop - 1], source[stop]):
        stop += 1
    return range(start, stop)


def is_one_name(left: str, right: str) -> bool:
    """Check whether two words are one name, split at its apostrophe."""
    if right[0] in "'’":
        return left[-1].isalpha() and right[1:2].isupper()
    return len(left) > 1 and left[-1] in "'’" and left[-2].isalpha() and right[0].isupper()


def attentive(scorer: Scorer) -> list[ModelScorer]:
    """List the members of ``scorer`` that have attention."""
    members = scorer.scorers if isinstance(scorer, Ensemble) else [scorer]
    return [each for each in members if isinstance(each, ModelScorer) and each.attends]


def alignments(
    scorer: Scorer, sources: Sequence[Sequence[int]], hypotheses: Sequence[Sequence[int]]
) -> list[Tensor]:
    """Compute the attention weight of each word of a source for each word of its hypothesis.

    Args:
        scorer: model or ensemble; of the latter, the mean of the members that have attention.
        sources: ids in the order of the text, none empty, one for each hypothesis.
        hypotheses: ids without `EOS`.

    Returns:
        [target words, source words] for each hypothesis, on the CPU. Rows sum to 1; source words
        are in the order of the text; the step that writes `EOS` is left out.

    Raises:
        ValueError: no member has attention.
    """
    members = attentive(scorer)
    if not members:
        raise ValueError("a scorer without attention has no alignments")
    found = [weights_of(member, sources, hypotheses) for member in members]
    # Summed one after the other: the order of a reduction could depend on the size.
    return [torch.as_tensor(sum(each)) / len(members) for each in zip(*found, strict=True)]


@torch.inference_mode()
def weights_of(
    scorer: ModelScorer,
    sources: Sequence[Sequence[int]],
    hypotheses: Sequence[Sequence[int]],
) -> list[Tensor]:
    """Compute `alignments` of one model; the longest hypotheses first, so that none is padded."""
    distinct = {tuple(source): row for row, source in enumerate(dict.fromkeys(map(tuple, sources)))}
    read = TimeSteps.of([[EOS, *each][: len(each)] for each in hypotheses])
    order = read.order.tolist()
    rows = torch.tensor([distinct[tuple(sources[index])] for index in order], device=scorer.device)
    state, steps = scorer.start(list(distinct)), []
    for tokens in read.words:
        state = scorer.step(scorer.select(state, rows[: len(tokens)]), tokens.to(scorer.device))
        steps.append(state.attention_weights.cpu())
        rows = torch.arange(len(tokens), device=scorer.device)
    result = [torch.zeros(0, len(source)) for source in sources]
    if steps:
        for index, weights in zip(order, pad_sequence(steps), strict=False):
            own = weights[: len(hypotheses[index]), : len(sources[index])]
            result[index] = own.flip(1) if scorer.reverse_source else own
    return result


def attention_weights(
    model: LoadedModel, source: Sequence[str], target: Sequence[int]
) -> tuple[list[str], Tensor]:
    """Compute the attention weights of a translation and its end.

    Args:
        model: a model with attention, or an ensemble with one (`alignments`).
        source: `TextCodec.source_words` of a line, not blank.
        target: ids of its translation without `EOS`.

    Returns:
        Words of the translation, `EOS_SURFACE` last, and a row of weights for each of them, [target
        words, source words].
    """
    weights = alignments(model.scorer, [model.codec.ids(source)], [[*target, EOS]])[0]
    return [*model.codec.pieces(target), EOS_SURFACE], weights


def links(
    scorer: Scorer,
    sources: Sequence[Sequence[int]],
    hypotheses: Sequence[Sequence[int]],
    parts: BatchParts,
) -> list[list[int]]:
    """Find for each word of each hypothesis the place of the source word that counted most.

    Of equal ones it is the first. Arguments are those of `alignments`, any number of hypotheses,
    and the ``parts`` in which they are computed where memory runs out.
    """

    def together(group: Sequence[int]) -> list[list[int]]:
        found = alignments(scorer, [sources[i] for i in group], [hypotheses[i] for i in group])
        return [weights.argmax(1).tolist() for weights in found]

    result: list[list[int]] = [[] for _ in hypotheses]
    for group in groups(sources, hypotheses):
        for index, places in zip(group, parts.compute_each(group, together), strict=True):
            result[index] = places
    return result


def groups(
    sources: Sequence[Sequence[int]], hypotheses: Sequence[Sequence[int]]
) -> Iterator[list[int]]:
    """Group indices of hypotheses whose weights fit into memory together, by similar length."""
    order = sorted(
        range(len(sources)), key=lambda index: (-len(sources[index]), -len(hypotheses[index]))
    )
    group: list[int] = []
    longest = 0
    for index in order:
        longest = max(longest, len(hypotheses[index]))
        numbers = (len(group) + 1) * longest * len(sources[(group or [index])[0]])
        if group and (numbers > MOST_WEIGHTS or len(group) == MOST_ROWS):
            yield group
            group, longest = [], len(hypotheses[index])
        group.append(index)
    if group:
        yield group
