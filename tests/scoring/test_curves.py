"""Learning curves from a metrics file."""

import math
from pathlib import Path

import pytest

from s2s_cli.errors import UserError
from s2s_cli.scoring.curves import curves_table, read_curve, thinned
from s2s_cli.training.metrics import METRICS, MetricsFile, ValidationMetrics, WindowMetrics


def write(directory: Path) -> Path:
    """Six windows, the learning rate halved after the fourth, and a validation that overflowed."""
    with MetricsFile(directory, 0) as metrics:
        for step in range(1, 7):
            window = WindowMetrics(
                update=10 * step,
                epoch=step / 2,
                loss=math.log(64 / step),
                learning_rate=0.7 if step < 4 else 0.35,
                gradient_norm=1.0,
                skipped=0,
                words_per_second=99,
            )
            metrics.write(window)
        metrics.write(ValidationMetrics(40, 2.0, 12.5, 31.25))
        metrics.write(ValidationMetrics(60, 3.0, math.inf))
    return directory / METRICS


def test_a_curve_is_what_the_training_wrote(tmp_path: Path) -> None:
    curve = read_curve("model", write(tmp_path))
    assert [epoch for epoch, _ in curve.training()] == [0.5, 1, 1.5, 2, 2.5, 3]
    assert [value for _, value in curve.training()] == pytest.approx([64 / n for n in range(1, 7)])
    assert curve.validation() == [(2.0, 12.5)]
    assert curve.bleu() == [(2.0, 31.25)]
    assert curve.drops() == [2.0]
    table = curves_table([curve])
    assert table.rows[0] == ["model", "10", "0.5", "64", "", "0.7", ""]
    assert table.rows[6] == ["model", "40", "2", "", "12.5", "", "31.25"]
    assert len(table.rows) == 8


def test_a_line_that_is_being_written_is_left_out_and_others_are_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"update": 70, "epo')
    assert len(read_curve("model", path).entries) == 8
    path.write_bytes(b"")
    with pytest.raises(UserError, match="nothing has been measured"):
        read_curve("model", path)
    with pytest.raises(UserError, match="no such file"):
        read_curve("model", tmp_path / "other" / METRICS)


STRANGE = [
    "nonsense", "", "[1]", "null", "[" * 100_000, '{"a":' * 100_000, "\x00", "1" * 5000,
    '{"update": 1}', '{"update": 1, "epoch": 1}', '{"epoch": 1, "loss": 1}',
    '{"update": 1, "epoch": "1", "loss": 1}', '{"update": true, "epoch": 1, "loss": 1}',
    '{"update": 1, "epoch": 1, "loss": [1]}', '{"update": 1, "epoch": 1, "loss": -1}',
    '{"update": 1, "epoch": 1, "validation_perplexity": 0}',
    '{"update": 1, "epoch": 1, "validation_perplexity": -3}',
    '{"update": 1, "epoch": 1, "loss": 1, "learning_rate": NaN}',
    '{"update": 1, "epoch": 1, "validation_perplexity": 2, "validation_bleu": 101}',
    '{"update": 1, "epoch": 1, "validation_perplexity": 2, "validation_bleu": "31"}',
    '{"update": 1.5, "epoch": 1, "loss": 1}', '{"update": -1, "epoch": 1, "loss": 1}',
    '{"update": 1e300, "epoch": 1, "loss": 1}',
    '{"update": 1, "epoch": NaN, "loss": 1}', '{"update": 1, "epoch": Infinity, "loss": 1}',
    '{"update": ' + "9" * 400 + ', "epoch": 1, "loss": 1}',
    '{"update": 1, "epoch": ' + "9" * 400 + ', "loss": 1}',
    '{"update": 1, "epoch": 1, "loss": -' + "9" * 400 + "}",
]  # fmt: skip


def test_a_line_that_no_training_writes_is_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    for line in STRANGE:
        for lines, number in ((line.encode() + b"\n" + whole, 1), (whole + line.encode(), 0)):
            path.write_bytes(lines)
            if not number:  # without its end it may still be written
                assert len(read_curve("model", path).entries) == 8
                continue
            with pytest.raises(UserError, match=r"metrics\.jsonl:1: not a line") as caught:
                read_curve("model", path)
            assert len(str(caught.value)) < 300


def test_numbers_beyond_all_others_are_not_drawn(tmp_path: Path) -> None:
    """As a training that diverges writes them."""
    path = tmp_path / METRICS
    for number in ("NaN", "Infinity", "9" * 400, "1e308", "null"):
        whole = '{"update": 1, "epoch": 0.5, "loss": 2}\n{"update": 2, "epoch": 1, '
        path.write_text(f'{whole}"loss": {number}}}\n{whole}"validation_perplexity": {number}}}\n')
        curve = read_curve("m", path)
        assert len(curve.entries) == 4
        assert [epoch for epoch, _ in curve.training()] == [0.5, 0.5]
        assert curve.validation() == []
    assert curves_table([curve]).rows[1] == ["m", "2", "1", "", "", "", ""]


def test_neighbours_are_joined_where_there_are_too_many() -> None:
    points = [(float(step), math.exp(step / 100)) for step in range(1000)]
    few = thinned(points, 10)
    assert len(few) == 10
    assert few[0] == pytest.approx((49.5, math.exp(0.495)))
    assert few[-1] == pytest.approx((949.5, math.exp(9.495)))
    for point, same in zip(points[:10], thinned(points[:10], 10), strict=True):
        assert same == pytest.approx(point)
    assert len(thinned(points[:11], 10)) <= 10
    assert thinned([], 10) == []
