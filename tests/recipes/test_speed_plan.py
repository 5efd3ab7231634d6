"""The recipe of speed reads the text of `s2s train --plan`, and refuses one that it cannot read."""

import re
from pathlib import Path

import pytest
import torch
from speed_modules import module

from s2s_cli.data.corpus import Corpus, Side, Split
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.model.placement import Placement
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary
from s2s_cli.training import plan as ours
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.costs import Meter, measure
from s2s_cli.training.memory import memory_estimate, place_memory
from s2s_cli.training.simulation import Cost
from s2s_cli.training.tasks import Load, update_tasks

plan, page, records, settings, timing = map(
    module, ("plan", "page", "records", "settings", "timing")
)
MODEL = """\
place  device  memory   busy  what
0      cuda:0  11.8 GiB  80%   embeddings, layers 1-2 of both LSTMs
1      cuda:1  0.8 GiB   52%   layers 3-4 of both LSTMs
2      cuda:2  0.9 GiB   9%    output layer, words 0-39,999
3  cuda:3  nothing, the model is too small
moved between devices an update: 1,285.3 MiB (rows between layers 164.1 MiB, norms 28 bytes)
an update: 128 pairs of 25 source and 30 target words, read in stretches of 4 words
predicted: 1.2e+03 s an update, 2,691 words/s, the devices busy 57% of the time
one device: 80.3 s an update, 1,088 words/s, 4.3 GiB; predicted speed-up 7.88 (over one device \
that reads in stretches, too: 4.30)
the paper: 1,700 words/s on one GPU, 6,300 on eight with the layout "model", 3.7 times as many
"""
DATA = """\
rank  device  memory
0     cpu     2.7 GiB
1     cpu     2.7 GiB
an update: 128 pairs of 25 source and 30 target words, at most 16 pairs a device
one device: 77.6 s an update, 91 words/s
sent by each device an update: 962.3 MiB of the gradients of LSTMs and output layer (a ring), \
at most 524,288 bytes of the embeddings of its words
predicted without communication: 12.9 s an update, 545 words/s, speed-up 6.01; \
communication is not in it
"""


def test_the_numbers_of_a_plan_are_read() -> None:
    assert plan.figures(MODEL, 4, "model") == {
        "layer_places": 2,
        "output_places": 1,
        "words_per_second": 2691,
        "one_device_words_per_second": 1088,
        "speed_up": 7.88,
        "speed_up_in_stretches": 4.30,
        "moved_mib": 1285.3,
        "device_gib": 11.8,
    }
    assert plan.figures(DATA, 2, "data") == {
        "words_per_second": 545,
        "one_device_words_per_second": 91,
        "speed_up": 6.01,
        "moved_mib": pytest.approx(2 * 962.8),
        "device_gib": 2.7,
    }
    plan.expect_load(MODEL, 128)
    plan.expect_load(DATA, 128)


@pytest.mark.parametrize(
    ("text", "there", "instead", "said"),
    [
        (MODEL, "predicted: ", "expected: ", "0 lines like 'predicted:'"),
        (MODEL, "words/s, 4.3 GiB", "words a second, 4.3 GiB", "0 lines like 'one device:'"),
        (MODEL, "1,285.3 MiB (", "1,285.3 MB (", "0 lines like 'moved between devices"),
        (MODEL, "layers 3-4 of both LSTMs", "layers 3-4", "tells of 2 devices"),
        (MODEL, "11.8 GiB", "11.8 GB", "tells of 3 devices"),
        (MODEL, "3  cuda:3  nothing, the model is too small\n", "", "tells of 3 devices"),
        (MODEL, "the paper: 1,700", "moved between devices an update: 2 bytes (x)\n", "2 lines"),
        (DATA, "1     cpu     2.7 GiB\n", "", "tells of 1 devices"),
        (DATA, "524,288 bytes", "0.5 kB", "0 lines like 'sent by each device"),
        (DATA, "; communication is not in it", "", "0 lines like 'predicted without"),
    ],
)
def test_another_text_is_refused(text: str, there: str, instead: str, said: str) -> None:
    assert there in text
    devices, layout = (4, "model") if text is MODEL else (2, "data")
    with pytest.raises(timing.Failed, match=re.escape(said)):
        plan.figures(text.replace(there, instead), devices, layout)


def test_a_plan_of_another_batch_is_refused() -> None:
    with pytest.raises(timing.Failed, match="not one of 64 pairs of 25 source and 30 target words"):
        plan.expect_load(MODEL, 64)


def corpus() -> Corpus:
    """Two sources and targets."""
    facts = Facts("en", "fr", tokenised=True, reverse_source=False, tokeniser="none")
    words = Vocabulary([f"w{number}" for number in range(28)], [1] * 28)
    side = Side(torch.full((8,), 2, dtype=torch.int32), torch.tensor([0, 3, 8]))
    return Corpus(facts, words, words, Split(side, side), None, digest="d")


@pytest.mark.parametrize("devices", [2, 5, 40])
def test_what_s2s_prints_is_read(monkeypatch: pytest.MonkeyPatch, devices: int) -> None:
    """The text of `--plan` and this section must change together."""
    monkeypatch.setattr(Meter, "cost", lambda self, run: Cost(0.001))
    cpus, shape = (torch.device("cpu"),) * devices, Shape(30, 30, 3, 12, 10)
    config, sizes = TrainingConfig(batch_size=2), ModelConfig(3, 12, 10)
    with torch.device("meta"):
        model = Seq2Seq(shape)
    found = plan.figures(ours.plan(corpus(), sizes, config, cpus, "model"), devices, "model")
    placement, load = Placement.of(shape, cpus), Load(2, 4, 5)
    assert found["layer_places"] == len(set(placement.layers))
    assert found["output_places"] == len(placement.slices) - 1
    costs = measure(Meter(shape, config, cpus[0]), placement, model, load)
    moved = sum(task.size for task in update_tasks(placement, 12, load, costs))
    assert found["moved_mib"] == pytest.approx(moved / 2**20)
    places = range(len(placement.devices))
    memory = max(place_memory(model, config, placement, place, 5, 5) for place in places)
    assert found["device_gib"] == pytest.approx(memory / 2**30, abs=0.051)
    ratio = found["words_per_second"] / found["one_device_words_per_second"]
    assert found["speed_up"] == pytest.approx(ratio, abs=0.01)

    found = plan.figures(ours.plan(corpus(), sizes, config, cpus, "data"), devices, "data")
    sent = sum(ours.exchanged(model, Load(1, 4, 5), devices))
    assert found["moved_mib"] == pytest.approx(devices * sent / 2**20)
    memory = memory_estimate(model, TrainingConfig(batch_size=1), 5, 5)
    assert found["device_gib"] == pytest.approx(memory / 2**30, abs=0.051)
    ratio = found["words_per_second"] / found["one_device_words_per_second"]
    assert found["speed_up"] == pytest.approx(ratio, abs=0.01)


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
        ("4 GPUs", plan.of_one_model(MODEL, 4)),
        ("layout data", plan.of_whole_models(DATA, 2)),
    )
    for name, values in plans:
        given = records.Record("plan", "tiny", name, 1, "", "", 2, "cpu", "", "", "", "")
        kept.add(given, values | {"seconds": 1.0})
    rows = [line for line in page.page(kept).split("\n") if line.startswith("|")]
    table = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert table[2] == ["4 GPUs", "2", "1", "2,691", "7.88", "4.30", "1,285", "11.8"]
    assert table[3] == ["layout data", "", "", "545", "6.01", "", "1,926", "2.7"]
    assert len(table[0]) == len(table[2])
