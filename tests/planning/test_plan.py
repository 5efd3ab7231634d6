"""What `--plan` tells: bytes counted word by word, memory that adds up, every device named."""

import json
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch

from s2s_cli.data.corpus import Corpus, Side, Split
from s2s_cli.model import work
from s2s_cli.model.config import ModelConfig, Shape, TrainingPrecision
from s2s_cli.model.placement import Placement
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.planning import costs as costs_module
from s2s_cli.planning.costs import Meter, measure_costs, on_one_device, whole_updates
from s2s_cli.planning.plan import exchanged, make_plan, mean_batch
from s2s_cli.planning.simulation import Cost, simulate
from s2s_cli.planning.tasks import BatchShape, Costs, update_tasks
from s2s_cli.planning.text import plan_json, plan_text
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary
from s2s_cli.training import memory, report
from s2s_cli.training.config import TrainingConfig

CPU = torch.device("cpu")
TINY = ModelConfig(layers=3, hidden_size=12, embedding_size=10)
PAPER = Shape(160_000, 80_000, layers=4, hidden_size=1000, embedding_size=1000)


@pytest.fixture(autouse=True)
def one_run_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "SECONDS_A_TRIAL", 0.0)


def side(*lengths: int) -> Side:
    ids = torch.full((sum(lengths),), 2, dtype=torch.int32)
    return Side(ids, torch.tensor([0, *lengths]).cumsum(0))


@pytest.fixture
def corpus() -> Corpus:
    facts = Facts("en", "fr", tokenised=True, reverse_source=False, tokeniser="none")
    source, target = (Vocabulary([f"w{n}" for n in range(size)], [1] * size) for size in (28, 19))
    train = Split(side(6, 9, 3), side(9, 14, 6))
    return Corpus(facts, source, target, train, None, digest="d")


def meta(shape: Shape) -> Seq2Seq:
    with torch.device("meta"):
        return Seq2Seq(shape)


def no_costs(layers: int, places: int) -> Costs:
    one = Cost(1.0)
    return Costs((one,) * layers, (one,) * layers, one, one, one, one, one, (one,) * places)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(
    ("layers", "slices"), [((0, 1, 2), (0, 6, 13, 20)), ((0, 0, 1), (0, 20)), ((0, 0), (0, 9, 20))]
)
def test_bytes_are_those_of_every_word(
    layers: tuple[int, ...], slices: tuple[int, ...], last: bool
) -> None:
    """Each word's vectors are followed from place to place, forward and back."""
    places = layers[-1] + len(slices)
    placement = Placement((CPU,) * places, layers, slices)
    cells, batch = 8, BatchShape(pairs=3, source=10, target=7)
    expected = Counter[tuple[int, int]]()
    for word in range(batch.pairs * (batch.source + batch.target)):
        for below, above in pairwise(layers):
            if below != above:
                expected[below, above] += 4 * cells
                expected[above, below] += 4 * cells
        if word >= batch.pairs * batch.source:
            first = layers[-1] + 1
            for place in range(first, places):
                expected[layers[-1], place] += 2 * cells
                expected[place, layers[-1]] += 2 * cells
                if place != first:
                    # The largest logit, the sum of exponentials, the logit at the word.
                    expected[place, first] += 4 * 3
                    expected[first, place] += 4
    for place in range(1, places):
        expected[place, 0] += 4  # its share of the norm
    found = Counter[tuple[int, int]]()
    costs = no_costs(len(layers), places)
    for task in update_tasks(placement, cells, batch, costs, weights_last=last, low_bytes=2):
        assert bool(task.size) == (len(task.places) == 2)
        if task.size:
            found[task.places[0], task.places[1]] += task.size
    assert found == expected


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
@pytest.mark.parametrize("count", [2, 4, 8])
def test_the_places_memory_adds_up_to_one_device_s(count: int, optimiser: Any) -> None:
    """But for torch itself on each, and what the output layer's places have on top.

    Those are the rows once more and, where there are several, probabilities of all words.
    """
    model, config = meta(PAPER), TrainingConfig(optimiser=optimiser, precision="bf16")
    placement = Placement.of(PAPER, (CPU,) * count)
    lengths = 50, 50
    places = [
        memory.place_memory(model, config, placement, place, *lengths) for place in range(count)
    ]
    slices = len(placement.slices) - 1
    rows = 51 * config.batch_size
    twice = slices * 2 * rows * PAPER.hidden_size * memory.BYTES
    probabilities = 2 * rows * PAPER.target_vocabulary if slices > 1 else 0
    known = (count - 1) * memory.RUNTIME_BYTES + twice + probabilities
    whole = memory.memory_estimate(model, config, *lengths)
    assert sum(places) - known == pytest.approx(whole, rel=0.01)
    assert max(places) < whole


def test_every_parameter_is_in_one_place() -> None:
    model = meta(PAPER)
    for count in (2, 3, 6, 8, 16):
        placement = Placement.of(PAPER, (CPU,) * count)
        dense = [memory.dense(model, placement, place) for place in range(count)]
        assert all(dense)
        every = memory.total_numel(model.parameters())
        assert sum(dense) + memory.total_numel(model.tables()) == every


def test_memory_of_one_device_is_what_it_was() -> None:
    """Weights, gradients, two moments; activations; blocks of logits: written out."""
    shape = Shape(30, 20, layers=3, hidden_size=12, embedding_size=10)
    model = meta(shape)
    weights, tables = memory.total_numel(model.parameters()), 50 * 10
    found = memory.memory_estimate(model, TrainingConfig(optimiser="adam", batch_size=7), 5, 6)
    activations = 7 * (5 + 6 + 1) * (3 * 16 * 12 + 4 * 10)
    logits = 3 * 7 * (6 + 1) * 20  # fewer rows than a block
    numbers = 3 * weights + (weights - tables) + activations + logits
    assert found == memory.RUNTIME_BYTES + 4 * numbers


def test_memory_counts_both_readers_and_the_decoder_s_own_size() -> None:
    plain = Shape(30, 20, layers=3, hidden_size=12, embedding_size=10)
    other = replace(
        plain, bidirectional=True, bridge="concat", decoder_layers=2, decoder_hidden_size=7
    )

    def activations(shape: Shape, source: int, target: int) -> int:
        """Of so many more words of each side."""
        with torch.device("meta"):
            model = Seq2Seq(shape)
        config = TrainingConfig(batch_size=7)
        sizes = [
            memory.memory_estimate(model, config, 5 + more * source, 6 + more * target)
            for more in (0, 1)
        ]
        return (sizes[1] - sizes[0]) // (4 * 7)

    assert activations(other, 1, 0) == 2 * 3 * 16 * 12 + 4 * 10
    assert activations(other, 0, 1) == 2 * 16 * 7 + 4 * 10 + 3 * 20


def test_lengths_are_the_corpus_s_means(corpus: Corpus) -> None:
    # 18 / 3 source words, 29 / 3 target words and <EOS>; no batch holds more than all pairs.
    assert mean_batch(corpus, 2) == BatchShape(2, 6, 11)
    assert mean_batch(corpus, 128) == BatchShape(3, 6, 11)
    assert mean_batch(corpus, 2).words == 2 * (6 + 10)


def devices(count: int) -> tuple[torch.device, ...]:
    return tuple(torch.device("cpu", number) for number in range(count))


def test_one_model_over_devices(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    told = plan_text(make_plan(corpus, TINY, TrainingConfig(batch_size=2), devices(5), "model"))
    table = told.splitlines()[1:6]
    for place, line in enumerate(table):
        assert re.match(rf"{place} +cpu:{place} +\d+\.\d GiB +\d+%  ", line)
    assert table[0].count("embeddings, layer") == 1
    layers = [number for line in table for number in re.findall(r"layers? (\d)(?:-(\d))?", line)]
    assert layers
    words = [(int(a), int(b)) for a, b in re.findall(r"words (\d+)-(\d+)", told)]
    assert (words[0][0], words[-1][1]) == (0, 20)
    assert all(one[1] + 1 == other[0] for one, other in pairwise(words))
    assert "2 pairs of 6 source and 10 target words" in told
    assert re.search(r"predicted speed-up \d+\.\d\d", told)
    assert "1,700 words/s on one GPU, 6,300 on eight" in told
    out, err = capsys.readouterr()
    assert out == ""
    assert "measuring" in err


def test_devices_without_work_are_named(corpus: Corpus) -> None:
    told = plan_text(make_plan(corpus, TINY, TrainingConfig(batch_size=2), devices(25), "model"))
    named = re.findall(r"^(\d+) +cpu:(\d+) +(nothing)?", told, re.MULTILINE)
    assert [(int(place), int(device)) for place, device, _ in named] == [(n, n) for n in range(25)]
    assert named[-1][2] == "nothing"


def test_a_model_for_each_device(corpus: Corpus) -> None:
    told = plan_text(
        make_plan(corpus, TINY, TrainingConfig(batch_size=2, optimiser="adam"), devices(2), "data")
    )
    for rank, line in enumerate(told.splitlines()[1:3]):
        assert re.fullmatch(rf"{rank} +cpu:{rank} +\d+\.\d GiB", line)
    assert "at most 1 pair a device" in told
    assert "communication is not in it" in told


@pytest.mark.parametrize("layout", ["model", "data"])
def test_one_device_alone_needs_no_schedule(corpus: Corpus, layout: Any) -> None:
    told = plan_text(make_plan(corpus, TINY, TrainingConfig(batch_size=2), (CPU,), layout))
    assert "cpu" in told
    assert "one device: " in told
    assert "communication" not in told


@pytest.mark.parametrize(("count", "layout"), [(1, "model"), (1, "data"), (2, "data")])
def test_variants_are_planned_from_whole_updates(corpus: Corpus, count: int, layout: Any) -> None:
    """Memory is that of a training; what ranks send, that of all its parameters."""
    config = TrainingConfig(batch_size=2, optimiser="adam", dropout=0.2)
    variant = replace(TINY, attention="general", bidirectional=True, bridge="linear")
    with torch.device("meta"):
        model = Seq2Seq(Shape.of(variant, 30, 21))
    told = plan_text(make_plan(corpus, variant, config, devices(count), layout))
    needed = replace(config, batch_size=2 // count)
    told_memory = report.gibibytes(memory.memory_estimate(model, needed, 9, 14))
    assert [told_memory in line for line in told.splitlines()[1 : count + 1]] == [True] * count
    dense = 4 * (memory.total_numel(model.parameters()) - memory.total_numel(model.tables()))
    assert (f"{dense:,} bytes of the gradients of layers" in told) == (count == 2)


def test_whole_updates_are_of_the_load_s_words(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = costs_module.idle_update

    def idle_update(model: Any, optimisers: Any, batch: Any, precision: TrainingPrecision) -> Any:
        before = [each.clone() for each in model.parameters()]
        norm = real(model, optimisers, batch, precision)
        assert norm > 0
        assert all(map(torch.equal, before, model.parameters()))
        seen.append((batch.sentences, len(batch.source.data), len(batch.words), precision))
        return norm

    monkeypatch.setattr(costs_module, "idle_update", idle_update)
    meter = Meter(Shape(30, 22, 2, 8, 6, cell="gru"), TrainingConfig(precision="bf16"), CPU)
    assert all(
        each > 0 for each in whole_updates(meter, [BatchShape(4, 5, 6), BatchShape(2, 5, 1)])
    )
    assert set(seen) == {(4, 20, 24, "bf16"), (2, 10, 2, "bf16")}


def test_what_ranks_send() -> None:
    """A ring sends each part N - 1 times to sum it and N - 1 times to hand it round."""
    model, ranks = meta(Shape(30, 20, 1, 12, 10)), 4
    dense, rows = exchanged(model, BatchShape(pairs=5, source=3, target=4), ranks)
    parts = memory.total_numel([*model.encoder.parameters(), *model.decoder.parameters()]) + 20 * 13
    assert dense == 4 * 2 * (ranks - 1) * parts // ranks
    assert rows == (ranks - 1) * 5 * (3 + 4) * (10 * 4 + 8)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_everything_is_measured(precision: Any) -> None:
    shape = Shape(30, 22, layers=3, hidden_size=16, embedding_size=8)
    model, batch = meta(shape), BatchShape(4, 5, 6)
    meter = Meter(shape, TrainingConfig(precision=precision), CPU)
    placement = Placement.of(shape, devices(4))
    costs = measure_costs(meter, placement, model, batch)
    assert len(costs.forward) == len(costs.backward) == 3
    assert len(costs.step) == 4
    assert all(each.seconds > 0 for each in (*costs.forward, costs.logits, *costs.step))
    assert not any(each.issue for each in (*costs.forward, *costs.step, costs.rows))
    assert simulate(update_tasks(placement, 16, batch, costs)).makespan > 0
    assert all(seconds > 0 for seconds in on_one_device(meter, model, [batch, batch], 11))


def test_long_batches_are_measured_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two blocks of the output layer, and as much for each block more as the second took."""
    took = {100: 3.0, 200: 5.0, 150: 4.5}
    monkeypatch.setattr("s2s_cli.planning.costs.block_rows", lambda words, device_type: 100)
    monkeypatch.setattr(Meter, "output", lambda self, words, rows: (rows, rows))
    monkeypatch.setattr(Meter, "cost", lambda self, run: Cost(took[run]))
    meter = Meter(PAPER, TrainingConfig(), CPU)
    assert meter.output_seconds(7, [450, 150]) == [5.0 + 2.5 * 2.0, 4.5]
    assert meter.output_seconds(7, [150]) == [4.5]


@pytest.mark.parametrize(("count", "layout"), [(5, "model"), (2, "data"), (1, "data")])
def test_json_has_the_numbers_of_the_text(corpus: Corpus, count: int, layout: Any) -> None:
    made = make_plan(corpus, TINY, TrainingConfig(batch_size=2), devices(count), layout)
    found, told = json.loads(plan_json(made)), plan_text(made)
    assert found["layout"] == layout
    assert found["batch"] == {"pairs": 2, "source": 6, "target": 11}
    assert f"one device: {found['one_device']['seconds_per_update']:.3g} s an update, " in told
    if layout == "model":
        assert [each["layers"] for each in found["places"]].count(0) < count
        assert sum(each["output_words"] for each in found["places"]) == 21
        assert sum(each["layers"] for each in found["places"]) == TINY.layers
    if count > 1:
        assert f"{found['predicted']['words_per_second']:,.0f} words/s" in told
        assert f"{found['speed_up']:.2f}" in told
    else:
        assert (found["predicted"], found["speed_up"]) == (None, None)
