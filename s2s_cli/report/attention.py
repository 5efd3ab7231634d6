"""Attention weights between the words of source lines and of given translations of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from s2s_cli.decoding.alignment import alignments, groups
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.model.device import choose_device
from s2s_cli.report.words import WordWeights, shares
from s2s_cli.text.vocabulary import EOS


@dataclass(frozen=True)
class ShownPair:
    """A source line and a translation, each with the words that are shown of it."""

    source: str
    source_words: Sequence[str]
    target: str
    target_words: Sequence[str]


@dataclass(frozen=True)
class PairIds:
    """A pair as the model reads and writes it.

    Attributes:
        source, target: ids; of the target, `EOS` is the last.
        source_shares, target_shares: of each of its words, or pieces, in the words that are shown.
    """

    source: list[int]
    target: list[int]
    source_shares: list[dict[int, float]]
    target_shares: list[dict[int, float]]


def attention_of_pairs(
    path: Path, pairs: Sequence[ShownPair], *, tokenised: bool
) -> Iterator[WordWeights | None]:
    """Have the model at ``path`` write given translations, and see where it looks meanwhile.

    It reads and writes words or pieces of its own. The weights of the pieces of a source word are
    summed, those for the pieces of a target word averaged, by their characters. The weights are
    None where the model's words are not those that are shown, character by character.
    """
    model = LoadedModel.of([path], choose_device("cpu"), "fp32", tokenised=tokenised)
    found = [pair_ids(model, pair) for pair in pairs]
    known = [(number, each) for number, each in enumerate(found) if each]
    sources, targets = ([getattr(each, side) for _, each in known] for side in ("source", "target"))
    weights: dict[int, WordWeights] = {}
    for group in groups(sources, targets):
        rows = alignments(
            model.scorer, *([side[at] for at in group] for side in (sources, targets))
        )
        for at, each in zip(group, rows, strict=True):
            number, ids = known[at]
            weights[number] = shown_weights(ids, each.tolist(), pairs[number])
    return (weights.get(number) for number in range(len(pairs)))


def pair_ids(model: LoadedModel, pair: ShownPair) -> PairIds | None:
    """Read a pair as the model does; None for other words than those that are shown."""
    codec = model.codec
    read = codec.source_words(pair.source)
    written = codec.target_pieces.split(codec.target_words(pair.target))
    of_source = shares(
        pair.source_words, ["".join(codec.source_pieces.join([one])) for one in read]
    )
    of_target = shares(
        pair.target_words, ["".join(codec.target_pieces.join([one])) for one in written]
    )
    if not read or of_source is None or of_target is None:
        return None
    target = codec.description.target_vocabulary.encode(written)
    return PairIds(codec.ids(read), [*target, EOS], of_source, of_target)


def shown_weights(ids: PairIds, rows: Sequence[Sequence[float]], pair: ShownPair) -> WordWeights:
    """Turn ``rows`` [target, source] of the model's words into weights of those that are shown."""
    sums = [[0.0] * len(pair.source_words) for _ in pair.target_words]
    totals = [0.0] * len(sums)
    for row, inside in zip(rows, ids.target_shares, strict=False):  # without the row of <EOS>
        for target_place, part in inside.items():
            totals[target_place] += part
            for weight, outside in zip(row, ids.source_shares, strict=True):
                for place, share in outside.items():
                    sums[target_place][place] += part * weight * share
    return [
        percents([value / total for value in values]) if total else {}
        for values, total in zip(sums, totals, strict=True)
    ]


def percents(weights: Sequence[float]) -> dict[int, int]:
    """Round weights to percents, by their places; those that are 0 are left out."""
    found = ((place, round(100 * weight)) for place, weight in enumerate(weights))
    return {place: percent for place, percent in found if percent}
