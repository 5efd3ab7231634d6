"""Where a model spread over several devices has what."""

import pytest
import torch

from s2s_cli.model.config import Shape
from s2s_cli.model.pipeline import SpreadSeq2Seq
from s2s_cli.model.placement import Placement
from s2s_cli.model.seq2seq import Seq2Seq

PAPER = Shape(160_000, 80_000, layers=4, hidden_size=1000, embedding_size=1000)


def placed(shape: Shape, count: int) -> Placement:
    return Placement.of(shape, (torch.device("cpu"),) * count)


def test_the_papers_eight_devices() -> None:
    """§3.5: a layer each on four, a 1000 × 20,000 matrix each on the others."""
    placement = placed(PAPER, 8)
    assert placement.layers == (0, 1, 2, 3)
    assert placement.slices == (0, 20_000, 40_000, 60_000, 80_000)
    assert [place for place, _ in placement.sliced()] == [4, 5, 6, 7]


@pytest.mark.parametrize(
    ("count", "layers", "slices"),
    [
        (2, (0, 0, 0, 0), 1),
        (3, (0, 0, 0, 0), 2),
        (4, (0, 0, 1, 1), 2),
        (6, (0, 0, 1, 1), 4),
        (16, (0, 1, 2, 3), 12),
    ],
)
def test_other_numbers_of_devices(count: int, layers: tuple[int, ...], slices: int) -> None:
    placement = placed(PAPER, count)
    assert placement.layers == layers
    assert len(placement.slices) == slices + 1


def test_slices_cover_a_vocabulary_that_does_not_divide() -> None:
    placement = placed(Shape(9, 23, layers=3, hidden_size=4, embedding_size=4), 6)
    rows = [rows for _, rows in placement.sliced()]
    assert [row for each in rows for row in range(23)[each]] == list(range(23))
    sizes = [each.stop - each.start for each in rows]
    assert max(sizes) - min(sizes) <= 1


def test_more_devices_than_words_leaves_some_without_work() -> None:
    placement = placed(Shape(3, 2, layers=1, hidden_size=4, embedding_size=4), 8)
    assert len(placement.devices) == 3
    assert all(rows.start < rows.stop for _, rows in placement.sliced())


def test_no_device_holds_the_whole_softmax_of_the_papers_model() -> None:
    """By accounting, on the meta device: what each of eight places holds of 384 M parameters."""
    with torch.device("meta"):
        model = Seq2Seq(PAPER)
    total = sum(each.numel() for each in model.parameters())
    spread = SpreadSeq2Seq(model, Placement.of(PAPER, (torch.device("meta"),) * 8))
    layers = [
        sum(
            each.numel()
            for side in (spread.encoder, spread.decoder)
            for each in side[k].parameters()
        )
        for k in range(4)
    ]
    assert layers == [2 * (8_000_000 + 8_000)] * 4
    assert [tuple(each.shape) for each in spread.softmax.weights] == [(20_000, 1000)] * 4
    assert sum(each.numel() for each in spread.parameters()) == total
