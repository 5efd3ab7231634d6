"""The schedule of an update's tasks: against schedules worked out by hand, and what must hold."""

import random
from itertools import pairwise

import pytest
import torch

from s2s_cli.model.placement import Placement
from s2s_cli.planning.simulation import Cost, Timetable, UpdateTask, on_one_place, simulate
from s2s_cli.planning.tasks import BatchShape, Costs, stretch_lengths, update_tasks

NOTHING = Cost(0.0)


def placed(layers: tuple[int, ...], slices: tuple[int, ...]) -> Placement:
    count = layers[-1] + len(slices)
    return Placement((torch.device("cpu"),) * count, layers, slices)


PLACEMENTS = [
    placed((0, 1, 2, 3), (0, 5, 10, 15, 20)),
    placed((0, 0, 1, 1), (0, 7, 20)),
    placed((0, 0, 1), (0, 20)),
    placed((0,), (0, 10, 20)),
]


def task(
    *places: int, seconds: float, after: tuple[int, ...] = (), issue: float = 0.0, size: int = 0
) -> UpdateTask:
    return UpdateTask("work", (0, 0), places, Cost(seconds, issue), after, size)


def test_a_place_does_one_thing_after_another() -> None:
    schedule = simulate([task(0, seconds=2), task(1, seconds=1), task(0, seconds=3)])
    assert schedule.begins == (0, 0, 2)
    assert schedule.ends == (2, 1, 5)
    assert (schedule.makespan, schedule.busy(0), schedule.busy(1)) == (5, 1.0, 0.2)


def test_what_reads_a_result_waits_for_it() -> None:
    schedule = simulate([task(0, seconds=2), task(1, seconds=1, after=(0,)), task(1, seconds=4)])
    # The third could run at once, but its place does things in the order of issue.
    assert list(zip(schedule.begins, schedule.ends, strict=True)) == [(0, 2), (2, 3), (3, 7)]


def test_a_copy_takes_both_places() -> None:
    tasks = [
        task(0, seconds=1),
        task(1, seconds=5),
        task(0, 1, seconds=2, after=(0,)),
        task(0, seconds=1),
        task(1, seconds=1),
    ]
    assert simulate(tasks).begins == (0, 0, 5, 7, 7)


def test_nothing_begins_before_it_is_issued() -> None:
    tasks = [task(place, seconds=1, issue=2) for place in (0, 1, 0)]
    assert simulate(tasks).begins == (2, 4, 6)
    slow = [task(0, seconds=5, issue=2), task(0, seconds=1, issue=2)]
    assert simulate(slow).begins == (2, 7)


def test_no_task_no_time() -> None:
    assert simulate([]).makespan == 0
    assert simulate([]).busy(0) == 0


def drawn(placement: Placement, seed: int, *, issue: float = 0.0) -> Costs:
    """Costs between 0 and 1 without any order."""
    draw = random.Random(seed)

    def cost() -> Cost:
        return Cost(draw.random(), issue * draw.random())

    def costs(count: int) -> tuple[Cost, ...]:
        return tuple(cost() for _ in range(count))

    layers, places = len(placement.layers), len(placement.devices)
    return Costs(
        costs(layers), costs(layers), cost(), cost(), cost(), cost(), cost(), costs(places)
    )


def even(placement: Placement, *, layer: float = 0.0, output: float = 0.0) -> Costs:
    """Layers cost the same forward and backward, logits what is told, all else nothing."""
    layers, places = len(placement.layers), len(placement.devices)
    each, nothing = (Cost(layer),) * layers, (NOTHING,) * places
    return Costs(each, each, Cost(output), NOTHING, NOTHING, NOTHING, NOTHING, nothing)


@pytest.mark.parametrize("weights_last", [False, True])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_what_holds_for_every_schedule(placement: Placement, weights_last: bool) -> None:
    for seed in range(3):
        costs = drawn(placement, seed, issue=0.1 * seed)
        schedule = simulate(
            update_tasks(placement, 8, BatchShape(3, 10, 7), costs, weights_last=weights_last)
        )
        for place in range(len(placement.devices)):
            assert_one_at_a_time(schedule, place)
            seconds = sum(each.cost.seconds for each in schedule.tasks if place in each.places)
            assert seconds <= schedule.makespan + 1e-9
        for each, begin in zip(schedule.tasks, schedule.begins, strict=True):
            assert all(schedule.ends[number] <= begin for number in each.after)
        assert critical_path(schedule.tasks) <= schedule.makespan + 1e-9


def assert_one_at_a_time(schedule: Timetable, place: int) -> None:
    spans = sorted(
        (begin, end)
        for each, begin, end in zip(schedule.tasks, schedule.begins, schedule.ends, strict=True)
        if place in each.places
    )
    assert len(spans) > 1
    assert all(one[1] <= other[0] for one, other in pairwise(spans))


def critical_path(tasks: tuple[UpdateTask, ...]) -> float:
    """The longest chain of tasks that wait for each other's results alone."""
    lengths = list[float]()
    for each in tasks:
        before = max((lengths[number] for number in each.after), default=0.0)
        lengths.append(before + each.cost.seconds)
    return max(lengths)


@pytest.mark.parametrize("weights_last", [False, True])
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_results_are_there_before_they_are_read(placement: Placement, weights_last: bool) -> None:
    """Every arrow of the model itself, whatever the tasks say they come after."""
    stretch, batch = 4, BatchShape(3, 10, 7)
    source, target = (
        len(stretch_lengths(steps, stretch)) for steps in (batch.source, batch.target)
    )
    top = len(placement.layers) - 1
    slices = [place for place, _ in placement.sliced()]
    arrows = []
    for kind, count in (("encoder", source), ("decoder", target)):
        for layer in range(top + 1):
            for number in range(count):
                here, back = (kind, (layer, number)), (f"{kind} backward", (layer, number))
                arrows.append((here, back))
                if number:
                    arrows.append(((kind, (layer, number - 1)), here))
                    arrows.append((back, (f"{kind} backward", (layer, number - 1))))
                if layer:
                    arrows.append(((kind, (layer - 1, number)), here))
                    arrows.append((back, (f"{kind} backward", (layer - 1, number))))
    for layer in range(top + 1):
        arrows.append((("encoder", (layer, source - 1)), ("decoder", (layer, 0))))
        last = ("encoder backward", (layer, source - 1))
        arrows.append((("decoder backward", (layer, 0)), last))
    for number in range(target):
        for place in slices:
            arrows.append((("decoder", (top, number)), ("logits", (place, number))))
            arrows.append((("to rows", (place, number)), ("to weights", (place, number))))
            arrows.append((("to rows", (place, number)), ("decoder backward", (top, number))))
            arrows.append((("to weights", (place, number)), ("step", (place, 0))))
            for other in slices:
                arrows.append((("logits", (other, number)), ("to rows", (place, number))))
    for place in range(len(placement.devices)):
        for layer in range(top + 1):
            arrows.append((("encoder backward", (layer, 0)), ("step", (place, 0))))

    for seed in range(3):
        costs = drawn(placement, seed)
        schedule = simulate(
            update_tasks(placement, 8, batch, costs, stretch=stretch, weights_last=weights_last)
        )
        spans = zip(schedule.tasks, schedule.begins, schedule.ends, strict=True)
        when = {(each.kind, each.at): (begin, end) for each, begin, end in spans}
        assert not [arrow for arrow in arrows if when[arrow[0]][1] > when[arrow[1]][0]]


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_free_copies_and_equal_layers_make_a_pipeline(layers: int) -> None:
    """(stretches + stages - 1) · t each way: encoder and decoder follow without a gap."""
    placement = placed(tuple(range(layers)), (0, 10, 20))
    tasks = update_tasks(placement, 8, BatchShape(3, 20, 12), even(placement, layer=0.5))
    assert simulate(tasks).makespan == pytest.approx(2 * (5 + 3 + layers - 1) * 0.5)


def test_the_output_layer_is_one_more_stage() -> None:
    placement = placed((0, 1, 2), (0, 5, 10, 20))
    costs, batch = even(placement, layer=0.5, output=0.5), BatchShape(3, 20, 12)
    tasks = update_tasks(placement, 8, batch, costs, weights_last=False)
    assert simulate(tasks).makespan == pytest.approx(((5 + 3 + 4 - 1) + (5 + 3 + 3 - 1)) * 0.5)


def test_gradients_of_the_weights_hide_behind_the_layers() -> None:
    placement, batch = placed((0,), (0, 10)), BatchShape(3, 4, 12)
    costs = Costs(
        forward=(NOTHING,),
        backward=(Cost(1.0),),
        logits=NOTHING,
        to_rows=NOTHING,
        to_weights=Cost(1.0),
        rows=NOTHING,
        numbers=NOTHING,
        step=(NOTHING, NOTHING),
    )
    found = [
        simulate(update_tasks(placement, 8, batch, costs, weights_last=last)).makespan
        for last in (False, True)
    ]
    assert found == [3 + 4, 4]


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_one_device_does_the_sum_without_copies(placement: Placement) -> None:
    costs, batch = drawn(placement, 1), BatchShape(3, 8, 8)
    schedule = simulate(on_one_place(update_tasks(placement, 8, batch, costs)))
    layers = sum(each.seconds for each in (*costs.forward, *costs.backward))
    output = costs.logits.seconds + costs.to_rows.seconds + costs.to_weights.seconds
    slices = len(placement.slices) - 1
    steps = sum(each.seconds for each in costs.step)
    assert schedule.makespan == pytest.approx((2 + 2) * layers + 2 * slices * output + steps)
    assert schedule.busy(0) == pytest.approx(1.0)


def test_the_last_stretch_is_what_is_left() -> None:
    assert stretch_lengths(9, 4) == [4, 4, 1]
    assert stretch_lengths(8, 4) == [4, 4]
    assert stretch_lengths(1, 4) == [1]


def test_one_slice_alone_computes_the_gradient_of_its_weights_at_once() -> None:
    """What it would have to keep for later are probabilities of all words."""
    assert [each.keeps for each in PLACEMENTS] == [True, True, False, True]
