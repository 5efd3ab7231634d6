"""The recipe of speed reads what `s2s train --plan --json` prints, if it is what was asked for."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from speed_modules import module

from s2s_cli.data.corpus import Corpus, Side, Split
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.model.placement import Placement
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.planning import plan as ours
from s2s_cli.planning.costs import Meter, measure_costs
from s2s_cli.planning.simulation import Cost
from s2s_cli.planning.tasks import BatchShape, update_tasks
from s2s_cli.planning.text import plan_json
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.memory import memory_estimate, place_memory

plan, page, records, settings, timing = map(
    module, ("plan", "page", "records", "settings", "timing")
)
MODEL: dict[str, Any] = {
    "layout": "model",
    "places": [
        {"layers": 2, "output_words": 0, "memory_bytes": 12 * 2**30},
        {"layers": 2, "output_words": 0, "memory_bytes": 2**29},
        {"layers": 0, "output_words": 40_000, "memory_bytes": 2**30},
    ],
    "unused": ["cuda:3"],
    "moved_bytes": {"rows between layers": 3 * 2**20, "norms": 2**19},
    "batch": {"pairs": 128, "source": 25, "target": 31},
    "predicted": {"seconds_per_update": 2.0, "words_per_second": 2691.25},
    "one_device": {"seconds_per_update": 9.0, "words_per_second": 1088.5},
    "speed_up": 7.88,
    "speed_up_in_stretches": 4.3,
}
DATA: dict[str, Any] = {
    "layout": "data",
    "devices": ["cpu", "cpu"],
    "memory_bytes": 3 * 2**30,
    "batch": {"pairs": 128, "source": 25, "target": 31},
    "one_device": {"seconds_per_update": 9.0, "words_per_second": 91.0},
    "dense_bytes": 962 * 2**20,
    "sparse_bytes": 2**19,
    "predicted": {"seconds_per_update": 2.0, "words_per_second": 545.0},
    "speed_up": 6.01,
}


def test_the_numbers_of_a_plan_are_read() -> None:
    assert plan.figures(MODEL, 4, 128) == {
        "layer_places": 2,
        "output_places": 1,
        "words_per_second": 2691.25,
        "one_device_words_per_second": 1088.5,
        "speed_up": 7.88,
        "speed_up_in_stretches": 4.30,
        "moved_mib": 3.5,
        "device_gib": 12.0,
    }
    assert plan.figures(DATA, 2, 128) == {
        "words_per_second": 545.0,
        "one_device_words_per_second": 91.0,
        "speed_up": 6.01,
        "moved_mib": 2 * 962.5,
        "device_gib": 3.0,
    }


@pytest.mark.parametrize("given", [MODEL, DATA])
def test_a_plan_of_another_batch_or_of_other_devices_is_refused(given: dict[str, Any]) -> None:
    count = 4 if given is MODEL else 2
    with pytest.raises(timing.Failed, match=r"of \{'pairs': 128,.*not of \{'pairs': 64,"):
        plan.figures(given, count, 64)
    with pytest.raises(timing.Failed, match=f"one of {count} devices, not of 8"):
        plan.figures(given, 8, 128)


def corpus() -> Corpus:
    """Two sources and targets."""
    facts = Facts("en", "fr", tokenised=True, reverse_source=False, tokeniser="none")
    words = Vocabulary([f"w{number}" for number in range(28)], [1] * 28)
    side = Side(torch.full((8,), 2, dtype=torch.int32), torch.tensor([0, 3, 8]))
    return Corpus(facts, words, words, Split(side, side), None, digest="d")


@pytest.mark.parametrize("devices", [2, 5, 40])
def test_what_s2s_prints_is_read(monkeypatch: pytest.MonkeyPatch, devices: int) -> None:
    """The fields of a plan and this section must change together."""
    monkeypatch.setattr(plan, "WORDS", (4, 4))
    monkeypatch.setattr(Meter, "cost", lambda self, run: Cost(0.001))
    cpus, shape = (torch.device("cpu"),) * devices, Shape(30, 30, 3, 12, 10)
    config, sizes = TrainingConfig(batch_size=2), ModelConfig(3, 12, 10)
    with torch.device("meta"):
        model = Seq2Seq(shape)
    made = ours.make_plan(corpus(), sizes, config, cpus, "model")
    found = plan.figures(json.loads(plan_json(made)), devices, 2)
    placement, batch = Placement.of(shape, cpus), BatchShape(2, 4, 5)
    assert found["layer_places"] == len(set(placement.layers))
    assert found["output_places"] == len(placement.slices) - 1
    costs = measure_costs(Meter(shape, config, cpus[0]), placement, model, batch)
    moved = sum(task.size for task in update_tasks(placement, 12, batch, costs))
    assert found["moved_mib"] == pytest.approx(moved / 2**20)
    places = range(len(placement.devices))
    memory = max(place_memory(model, config, placement, place, 5, 5) for place in places)
    assert found["device_gib"] == pytest.approx(memory / 2**30, rel=1e-9)
    ratio = found["words_per_second"] / found["one_device_words_per_second"]
    assert found["speed_up"] == pytest.approx(ratio, rel=1e-9)

    made = ours.make_plan(corpus(), sizes, config, cpus, "data")
    found = plan.figures(json.loads(plan_json(made)), devices, 2)
    sent = sum(ours.exchanged(model, BatchShape(max(1, 2 // devices), 4, 5), devices))
    assert found["moved_mib"] == pytest.approx(devices * sent / 2**20)
    memory = memory_estimate(model, TrainingConfig(batch_size=1), 5, 5)
    assert found["device_gib"] == pytest.approx(memory / 2**30, rel=1e-9)
    ratio = found["words_per_second"] / found["one_device_words_per_second"]
    assert found["speed_up"] == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize(
    ("device", "there", "named"),
    [
        ("cpu", False, "cpu"),
        ("cuda", True, "cuda"),
        ("cuda", False, "cuda:0"),
        ("cuda:1", False, "cuda:1"),
    ],
)
def test_devices_that_are_not_there_are_virtual(device: str, there: bool, named: str) -> None:
    assert plan.where(settings.Settings(device=device), there) == named


def test_the_page_has_a_row_for_each_plan(tmp_path: Path) -> None:
    kept = records.Records(tmp_path / "records.tsv")
    plans = (
        ("4 GPUs", plan.figures(MODEL, 4, 128)),
        ("layout data", plan.figures(DATA, 2, 128)),
    )
    for name, values in plans:
        given = records.Record("plan", "tiny", name, 1, "", "", 2, "cpu", "", "", "", "")
        kept.add(given, values | {"seconds": 1.0})
    rows = [line for line in page.page(kept).split("\n") if line.startswith("|")]
    table = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert table[2] == ["4 GPUs", "2", "1", "2,691", "7.88", "4.30", "4", "12.0"]
    assert table[3] == ["layout data", "", "", "545", "6.01", "", "1,925", "3.0"]
    assert len(table[0]) == len(table[2])
