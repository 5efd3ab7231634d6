"""Line search and tuning against brute force on small lists."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from s2s_cli.rescoring import mert_envelope
from s2s_cli.rescoring.candidates import Candidates
from s2s_cli.rescoring.config import TunerConfig
from s2s_cli.rescoring.mert import line_search, mert
from s2s_cli.rescoring.mert_envelope import upper_envelope
from s2s_cli.scoring.statistics import References

WORDS = ["a", "b", "c", "d", "e", "f", "g", "h"]


def draw(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def candidates(seed: int, segments: int = 6, features: int = 3) -> Candidates:
    """Random sentences, some near their reference, with random features; lists of 2 to 9."""
    generator = torch.Generator().manual_seed(seed)

    def number(high: int) -> int:
        return int(torch.randint(high, (1,), generator=generator))

    values, counts = [], []
    for index in range(segments):
        reference = [WORDS[number(8)] for _ in range(6)]
        references = References([" ".join(reference)])
        lines = []
        for _ in range(2 + number(8)):
            line = list(reference)
            for _ in range(number(4)):
                line[number(6)] = WORDS[number(8)]
            lines.append(references.statistics(" ".join(line[: 4 + number(3)])))
        values.append(draw(seed * 100 + index, len(lines), features))
        counts.append(torch.tensor(lines, dtype=torch.int32))
    return Candidates.of(values, counts)


def winner_at(found: mert_envelope.Envelope, segment: int, x: float) -> int:
    """Which line the envelope says is highest at ``x``."""
    winner = int(found.first[segment])
    of_segment = [n for n in range(len(found.at)) if found.segments[n] == segment]
    for n in sorted(of_segment, key=lambda n: float(found.at[n])):
        assert int(found.before[n]) == winner
        if found.at[n] < x:
            winner = int(found.after[n])
        else:
            return winner
    return winner


@pytest.mark.parametrize("chunk", [2, 100])
def test_the_envelope_has_the_highest_line_everywhere(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mert_envelope, "SEGMENTS_TOGETHER", chunk)
    offsets, slopes = draw(1, 5, 30), draw(2, 5, 30)
    slopes[1] = slopes[1].round()  # parallel lines
    slopes[2] = 0  # no crossing at all
    found = upper_envelope(offsets, slopes)
    assert len(set(found.segments.tolist())) == 4
    for x in torch.linspace(-20, 20, 401, dtype=torch.float64).tolist():
        highest = (offsets + x * slopes).argmax(1)
        assert [winner_at(found, segment, x) for segment in range(5)] == highest.tolist()


def test_of_equal_lines_the_first_wins() -> None:
    found = upper_envelope(torch.tensor([[0.0, 1, 1, 0]]), torch.tensor([[1.0, 0, 0, 1]]))
    assert (found.first.tolist(), found.at.tolist(), found.after.tolist()) == ([1], [1.0], [0])


def test_parallel_lines_have_no_crossing() -> None:
    found = upper_envelope(torch.tensor([[0.0, 2, 1], [3, 0, 0]]), torch.ones(2, 3))
    assert found.first.tolist() == [1, 0]
    assert [len(each) for each in (found.at, found.segments, found.before, found.after)] == [0] * 4


@pytest.mark.parametrize("seed", range(6))
def test_no_point_of_a_fine_grid_is_better_than_the_line_search(seed: int) -> None:
    made = candidates(seed)
    offsets, slopes = made.along(draw(seed, 3)), made.along(draw(seed + 50, 3))
    step, value = line_search(made, offsets, slopes)
    assert value == pytest.approx(made.bleu(offsets + step * slopes), abs=1e-9)
    grid = torch.linspace(-30, 30, 1201, dtype=torch.float64).tolist()
    best = max(made.bleu(offsets + x * slopes) for x in grid)
    assert value >= best - 1e-9
    assert best > 0


def test_the_line_search_stays_where_it_is_as_good_elsewhere() -> None:
    made = candidates(3, segments=1, features=1)
    same = torch.zeros(1, made.counts.shape[1], dtype=torch.float64)
    assert line_search(made, same, same)[0] == 0


@pytest.mark.parametrize("side", [1, -1])
def test_the_best_may_be_beyond_all_changes_of_a_winner(side: int) -> None:
    counts = torch.tensor([[6, 6, 6, 5, 4, 3, 6, 5, 4, 3], [6, 6, 5, 3, 2, 1, 6, 5, 4, 3]])
    made = Candidates.of([draw(1, 2, 1)], [counts.to(torch.int32)])
    slopes = side * torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    assert line_search(made, 0 * slopes, slopes) == pytest.approx((side, 100))


def test_tuning_is_as_good_as_a_grid_over_two_weights() -> None:
    made = candidates(11, segments=5, features=2)
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    found = mert(made, [start], TunerConfig(restarts=4, seed=3))
    assert len(found) == 6  # the best one twice, once without idle weights
    assert found[0][0] == found[1][0] == max(value for value, _ in found)
    for value, weights in found:
        assert made.bleu(made.along(weights)) == pytest.approx(value, abs=1e-9)
    value = max(value for value, _ in found)
    angles = torch.linspace(0, 2 * torch.pi, 3600, dtype=torch.float64)
    best = max(made.bleu(made.along(torch.stack([x.cos(), x.sin()]))) for x in angles)
    assert value >= best - 1e-9
    assert value > made.bleu(made.along(start)) + 1


def test_the_same_seed_gives_the_same_weights() -> None:
    made = candidates(5)
    start = torch.ones(3, dtype=torch.float64)
    first, second = (mert(made, [start], TunerConfig(restarts=2, seed=7)) for _ in range(2))
    assert [weights.tolist() for _, weights in first] == [each.tolist() for _, each in second]


def test_a_feature_that_differs_only_where_bleu_does_not_has_no_weight() -> None:
    made = candidates(2, segments=4, features=2)
    same = made.counts.clone()
    same[2:] = same[2:, :1]  # in these segments all hypotheses are as good
    values = made.values.clone()
    values[1, :2] = 0
    idle = replace(made, values=values, counts=same)
    for start in ([0.0, 1.0], [1.0, -1.0]):
        value, weights = mert(idle, [torch.tensor(start).double()], TunerConfig(restarts=2))[0]
        assert value > 0
        assert float(weights[1]) == 0 and float(weights[0]) != 0
