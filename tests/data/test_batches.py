"""Batches: every pair once an epoch, like lengths, an order that seed and epoch decide."""

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, unpack_sequence

from s2s_cli.data.batches import count_pair_words, make_batch, plan_epoch, plan_in_order
from s2s_cli.data.corpus import Side, Split
from s2s_cli.text.vocabulary import EOS


def side(lengths: list[int], generator: torch.Generator) -> Side:
    ids = torch.randint(1, 1000, (sum(lengths),), generator=generator, dtype=torch.int32)
    return Side(ids, torch.tensor([0, *lengths]).cumsum(0))


@pytest.fixture
def split() -> Split:
    generator = torch.Generator().manual_seed(5)
    sources = torch.randint(1, 12, (700,), generator=generator).tolist()
    targets = torch.randint(1, 20, (700,), generator=generator).tolist()
    return Split(side([*sources, 40], generator), side([*targets, 3], generator))


def test_every_pair_is_in_exactly_one_batch(split: Split) -> None:
    plan = plan_epoch(split, 16, seed=1, epoch=0)
    assert sorted(torch.cat(plan).tolist()) == list(range(701))
    assert max(map(len, plan)) <= 16


def test_all_batches_are_full_but_one(split: Split) -> None:
    sizes = sorted(len(each) for each in plan_epoch(split, 16, seed=1, epoch=3))
    assert sizes == [701 % 16, *[16] * (701 // 16)]


def test_the_sentences_of_a_batch_are_of_like_length(split: Split) -> None:
    """Rows of the longest sentences' last steps are few; then the steps are small products."""
    for side in (split.source, split.target):
        lengths = side.lengths()
        plan = plan_epoch(split, 16, seed=1, epoch=0)
        grid = sum(len(each) * int(lengths[each].max()) for each in plan)
        assert grid < 1.25 * int(lengths.sum())


def test_seed_and_epoch_decide_the_order(split: Split) -> None:
    def order(seed: int, epoch: int) -> list[list[int]]:
        return [each.tolist() for each in plan_epoch(split, 16, seed, epoch)]

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)
    # Not only the order of batches changes: so does the company a sentence is in.
    assert {frozenset(each) for each in order(1, 0)} != {frozenset(each) for each in order(1, 1)}


def test_the_number_of_batches_is_the_same_in_every_epoch(split: Split) -> None:
    counts = {len(plan_epoch(split, 16, 1, epoch)) for epoch in range(5)}
    assert counts == {len(plan_in_order(split, 16))}


def test_a_batch_holds_the_sentences_it_names(split: Split) -> None:
    for sentences in plan_epoch(split, 16, seed=1, epoch=0)[:20]:
        batch = make_batch(split, sentences)
        sources = [split.source[each].tolist() for each in sentences]
        targets = [split.target[each].tolist() for each in sentences]
        words = batch.target_input._replace(data=batch.words)
        assert unpacked(batch.source) == sources
        assert unpacked(batch.target_input) == [[EOS, *target] for target in targets]
        assert unpacked(words) == [[*target, EOS] for target in targets]
        assert batch.sentences == len(sentences)
        words_of = sum(map(len, sources)), sum(map(len, targets))
        assert count_pair_words(split, sentences) == words_of


def unpacked(packed: PackedSequence) -> list[list[int]]:
    return [each.tolist() for each in unpack_sequence(packed)]
