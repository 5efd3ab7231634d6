"""Batches: every pair once an epoch, one source length, an order that seed and epoch decide."""

import pytest
import torch

from s2s_cli.data.batches import make_batch, plan_epoch, plan_in_order
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


def test_a_batch_has_one_source_length(split: Split) -> None:
    lengths = split.source.lengths()
    for sentences in plan_epoch(split, 16, seed=1, epoch=3):
        assert len(set(lengths[sentences].tolist())) == 1


def test_batches_are_full_but_for_the_last_of_a_length(split: Split) -> None:
    sizes = [len(each) for each in plan_in_order(split, 16)]
    assert len([size for size in sizes if size < 16]) <= len(set(split.source.lengths().tolist()))


def test_target_padding_is_small(split: Split) -> None:
    lengths = split.target.lengths()
    plan = plan_epoch(split, 16, seed=1, epoch=0)
    padded = sum(len(each) * int(lengths[each].max()) for each in plan)
    assert padded < 1.25 * int(lengths.sum())


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
        predicted: dict[int, list[int]] = {column: [] for column in range(len(sentences))}
        for position, word in zip(batch.positions.tolist(), batch.words.tolist(), strict=True):
            predicted[position % len(sentences)].append(word)
        for column, sentence in enumerate(sentences.tolist()):
            target = split.target[sentence].tolist()
            assert batch.source[:, column].tolist() == split.source[sentence].tolist()
            assert predicted[column] == [*target, EOS]
            assert batch.target_input[: len(target) + 1, column].tolist() == [EOS, *target]
        words = sum(
            len(split.source[each]) + len(split.target[each]) for each in sentences.tolist()
        )
        assert batch.running_words == words
