"""Every writer survives a failure at every one of its calls to the system.

By default each call fails in one way, by turns a full disk, a broken one, a short write and the
death of the process; ``S2S_FAULTS=all`` tries all of them at each.
"""

import os
from collections.abc import Iterator

import pytest
from fault_shop import Fault, Shop
from fault_writers import WRITERS, Stages, Trial, faults, tree

EVERY = os.environ.get("S2S_FAULTS") == "all"


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stages]:
    shop = Shop()
    yield Stages(shop, tmp_path_factory.mktemp("faults"))
    shop.close()


@pytest.mark.parametrize("name", WRITERS)
def test_a_failure_at_any_call_leaves_whole_files_and_the_next_run_completes(
    name: str, stages: Stages
) -> None:
    trial = Trial(stages, WRITERS[name])
    turn = None if EVERY else list(WRITERS).index(name)
    tried = list(faults(trial.undisturbed, turn))
    assert len(tried) >= 5
    problems = [problem for fault in tried for problem in trial.problems(fault)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_is_on_the_disk_before_its_name_and_the_name_before_the_end(
    name: str, stages: Stages
) -> None:
    """What a power cut leaves is decided by the order of the calls."""
    calls = Trial(stages, WRITERS[name]).undisturbed.calls
    renamed = [path for operation, path in calls if operation == "rename" and path.endswith(".tmp")]
    assert renamed
    for path in renamed:
        assert calls.count(("rename", path)) == 1
        before = calls[: calls.index(("rename", path))]
        assert [operation for operation, where in before if where == path][-1] == "fsync"
        behind = calls[calls.index(("rename", path)) :]
        assert ("fsync", os.path.dirname(path) or ".") in behind  # noqa: PTH120


def test_score_and_plan_write_no_file(stages: Stages) -> None:
    for stage, *arguments in (("model", "score", "in.fr", "--hypothesis", "out.fr"),):
        place = stages.new("place", stage)
        assert stages.shop.run(place, arguments).calls == []
    place = stages.new("place", "data")
    planned = stages.shop.run(place, ["train", "--plan"])
    assert (planned.code, planned.calls) == (0, [])


def test_the_shop_would_see_a_writer_that_does_not_survive(stages: Stages) -> None:
    """A trial that never finds anything could be blind."""
    trial = Trial(stages, WRITERS["decode"])
    path = trial.place / "out.fr"
    trial.stages.new("place", "model")
    result = trial.run(Fault("write", 1, "death"))
    assert not list(trial.left_badly(Fault("write", 1, "death"), result))
    path.write_text("half a li")
    assert list(trial.left_badly(Fault("write", 1, "death"), result))
    path.unlink()
    assert list(trial.left_badly(Fault("write", 1, "death"), result))
    assert tree(trial.place) != trial.after
