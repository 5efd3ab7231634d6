"""Sentences side by side: which row belongs to what, and that what has ended is put back."""

import pytest
import torch
from variants import pack

from s2s_cli.model.sequences import EndedStates, TimeSteps, batch_index, mirrored, time_index

SENTENCES = [[3, 5], [4], [7, 8, 9, 6], [], [1, 2, 1]]
WITH_WORDS = [each for each in SENTENCES if each]


def test_words_come_step_by_step_the_longest_sentence_first() -> None:
    steps = TimeSteps.of(SENTENCES)
    assert [each.tolist() for each in steps.words] == [[7, 1, 3, 4], [8, 2, 5], [9, 1], [6]]
    assert steps.order.tolist() == [2, 4, 0, 1, 3]


@pytest.mark.parametrize("sentences", [[], [[]], [[], []]])
def test_without_words_there_are_no_steps(sentences: list[list[int]]) -> None:
    steps = TimeSteps.of(sentences)
    assert (len(steps.words), len(steps.order)) == (0, len(sentences))


@pytest.mark.parametrize("dim", [0, 1])
def test_each_sentence_has_the_state_that_it_ended_with(dim: int) -> None:
    steps, ended = TimeSteps.of(SENTENCES), EndedStates(dim)
    states = (torch.zeros(5, 1), torch.zeros(5, 1)) if dim == 0 else (torch.zeros(1, 5),) * 2
    for number, words in enumerate(steps.words, 1):
        one, other = ended.drop(states, len(words))
        assert one.shape[dim] == len(words)
        states = (torch.full_like(one, number), torch.full_like(other, -number))
    one, other = (each.flatten()[steps.order.argsort()] for each in ended.put_back(states))
    assert one.tolist() == [len(each) for each in SENTENCES]
    assert torch.equal(other, -one)


def test_what_has_ended_keeps_no_other_rows_in_memory() -> None:
    ended = EndedStates()
    states = ended.drop((torch.arange(6.0)[:, None],), 4)
    ended.drop(states, 1)
    assert [part[0].untyped_storage().nbytes() for part in ended._ended] == [8, 12]


def test_rows_of_packed_sentences_are_known() -> None:
    words = pack(WITH_WORDS)
    pairs = zip(batch_index(words).tolist(), time_index(words).tolist(), strict=True)
    assert [WITH_WORDS[sentence][step] for sentence, step in pairs] == words.data.tolist()


def test_sentences_are_turned_each_in_its_place() -> None:
    words, turned = pack(WITH_WORDS), pack([each[::-1] for each in WITH_WORDS])
    assert mirrored(words).data.tolist() == turned.data.tolist()
    assert mirrored(mirrored(words)).data.tolist() == words.data.tolist()
