"""Simulation of an update: when its tasks begin and end, in the order of issue at each place."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Cost:
    """The time that a task takes.

    Attributes:
        seconds: of its place.
        issue: seconds of the one process that hands the tasks of all places over, before the task
            can begin; 0 where the call is the work, as on a CPU.
    """

    seconds: float
    issue: float = 0.0

    def share(self, part: float) -> "Cost":
        """The cost of ``part`` of the work, which takes as many calls."""
        return Cost(part * self.seconds, self.issue)


@dataclass(frozen=True)
class UpdateTask:
    """A piece of work.

    Attributes:
        kind: what is done.
        at: the layer or the place, and the stretch of time steps.
        places: where. A copy between two devices takes both: torch has each of them wait until
            the other has done all that was issued before.
        cost: what it takes.
        after: numbers of the earlier tasks whose results it reads.
        size: bytes that are copied from one place to another.
    """

    kind: str
    at: tuple[int, int]
    places: tuple[int, ...]
    cost: Cost
    after: tuple[int, ...] = ()
    size: int = 0


@dataclass(frozen=True)
class Timetable:
    """Tasks in the order of issue, and the seconds at which each begins and ends."""

    tasks: tuple[UpdateTask, ...]
    begins: tuple[float, ...]
    ends: tuple[float, ...]

    @cached_property
    def makespan(self) -> float:
        """Seconds from the first task's issue to the end of all."""
        return max(self.ends, default=0.0)

    def busy(self, place: int) -> float:
        """Share of the makespan in which ``place`` has a task, a copy too."""
        seconds = sum(task.cost.seconds for task in self.tasks if place in task.places)
        return seconds / self.makespan if self.makespan else 0.0


def simulate(tasks: Sequence[UpdateTask]) -> Timetable:
    """Let each task begin as soon as it can.

    It has been issued, its places have done all that was issued to them before, and the tasks
    that it is ``after`` are done.
    """
    issued, free = 0.0, dict[int, float]()
    begins, ends = list[float](), list[float]()
    for task in tasks:
        issued += task.cost.issue
        places = (free.get(place, 0.0) for place in task.places)
        begins.append(max(issued, *places, *(ends[number] for number in task.after)))
        ends.append(begins[-1] + task.cost.seconds)
        free.update(dict.fromkeys(task.places, ends[-1]))
    return Timetable(tuple(tasks), tuple(begins), tuple(ends))


def on_one_place(tasks: Sequence[UpdateTask]) -> list[UpdateTask]:
    """The tasks of one device alone: no copies, and every task after all before."""
    return [
        UpdateTask(each.kind, each.at, (0,), each.cost) for each in tasks if len(each.places) == 1
    ]
