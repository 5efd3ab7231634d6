"""Each path option of each command is tried with some kinds of path; ``paths.py`` tries all."""

from collections import Counter
from pathlib import Path

import pytest
from paths import BESIDE, KINDS, WORKING, Trials, is_tried, path_options, run_here


@pytest.fixture(scope="module")
def trials(tiny_experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Trials:
    return Trials(tiny_experiment, tmp_path_factory.mktemp("paths"))


def test_every_path_option_has_a_command_line_that_works() -> None:
    missing = [
        str(each)
        for each in path_options()
        if each.key not in WORKING[each.section] and (each.section, each.key) not in BESIDE
    ]
    assert not missing, "name it in WORKING or BESIDE, with a value that works"
    assert len(path_options()) > 40


def test_every_path_that_can_be_given_is_used_or_told_of_in_one_sentence(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with one kind, by turns, and with a new name: what is made is marked as written."""
    monkeypatch.chdir(trials.folder)  # where it goes back to
    outcomes: Counter[str] = Counter()
    kinds = [kind for kind in KINDS if kind != "missing"]
    problems = []
    for number, option in enumerate(path_options()):
        for kind in ("missing", kinds[number % len(kinds)]):
            if is_tried(option, kind):
                problems += trials.problems(option, kind, outcomes)
    assert not problems, "\n".join(problems)
    assert min(outcomes.values()) > 10


def test_all_kinds_were_tried_and_the_result_is_kept() -> None:
    table = Path(__file__).with_name("paths.txt").read_text().split("\n\n")[1].splitlines()[1:]
    rows = [line.rsplit(maxsplit=3) for line in table]
    assert [name for name, *_ in rows] == list(KINDS)
    for kind, *counts in rows:
        options, works, refused = map(int, counts)
        assert options == sum(is_tried(each, kind) for each in path_options())
        assert options == works + refused


def test_names_that_are_not_utf8_are_used_and_other_text_is_refused(
    trials: Trials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trials.folder)
    for option in path_options():
        if (option.section, option.key) in {("rescore", "tune"), ("show.lengths", "translation")}:
            name, code, stderr = trials.run(option, "bytes")
            assert (name, code) == (f"na\udcffme{Path(name).suffix}", 0), stderr
    for line in (["rescore", "--feature-name"], ["show", "lengths", "in.fr", "out.fr", "--name"]):
        code, told = run_here([*line, "a\udcff"])
        assert code == 2
        assert told.endswith(" 'a\\udcff': is not UTF-8\n") and told.count("\n") == 1
