"""The stages of a recipe: order, markers, failures, entering and leaving."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "recipes/lib.sh"
# Each stage notes that it ran; the second fails in its middle while a file named broken exists.
RECIPE = f"""\
set -euo pipefail
source {LIBRARY}
note() {{ mkdir -p "work/$1"; echo "$1" >>log; echo "$1" >>"work/$1/made"; }}
one() {{ note one; }}
two() {{ note two; test ! -e broken; note two-ended; }}
three() {{ note three; }}
run_stages one two three -- "$@"
"""

Recipe = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Run the recipe with options; an ``s2s`` is on the PATH, as run_stages wants one."""
    stub = tmp_path / "bin/s2s"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\n")
    stub.chmod(0o755)
    (tmp_path / "run.sh").write_text(RECIPE)
    environment = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}"}

    def run(*options: str) -> "subprocess.CompletedProcess[str]":
        (tmp_path / "log").write_text("")
        command = ["bash", "run.sh", *options]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().split()


def markers(folder: Path) -> set[str]:
    return {path.name for path in (folder / "work/.done").iterdir()}


def test_stages_run_in_order_and_once(recipe: Recipe, tmp_path: Path) -> None:
    first = recipe()
    assert first.returncode == 0, first.stderr
    assert log(tmp_path) == ["one", "two", "two-ended", "three"]
    assert markers(tmp_path) == {"one", "two", "three"}
    assert first.stdout == ""
    assert recipe().returncode == 0
    assert log(tmp_path) == []


def test_a_failure_within_a_stage_ends_the_run_and_leaves_no_marker(
    recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "broken").touch()
    assert recipe().returncode != 0
    assert log(tmp_path) == ["one", "two"]
    assert markers(tmp_path) == {"one"}


def test_after_a_failure_the_stage_goes_on_with_what_it_had_made(
    recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "broken").touch()
    recipe()
    (tmp_path / "broken").unlink()
    assert recipe().returncode == 0
    assert log(tmp_path) == ["two", "two-ended", "three"]
    assert (tmp_path / "work/two/made").read_text() == "two\ntwo\n"


def test_the_seconds_of_a_run_that_broke_off_count(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    recipe()
    spent = tmp_path / "work/.spent/two"
    spent.write_text(f"{int(spent.read_text()) + 1000}\n")
    (tmp_path / "broken").unlink()
    recipe()
    assert 1000 <= int((tmp_path / "work/.done/two").read_text()) < 2000
    assert not spent.exists()
    assert recipe("--stage", "2").returncode == 0
    assert int((tmp_path / "work/.done/two").read_text()) < 1000  # made anew


def test_leaving_early_and_going_on(recipe: Recipe, tmp_path: Path) -> None:
    assert recipe("--stop-stage", "1").returncode == 0
    assert log(tmp_path) == ["one"]
    assert recipe("--stop-stage", "2").returncode == 0
    assert log(tmp_path) == ["two", "two-ended"]


def test_a_stage_made_anew_takes_the_later_ones_with_it(recipe: Recipe, tmp_path: Path) -> None:
    recipe()
    assert recipe("--stage", "2", "--stop-stage", "2").returncode == 0
    assert log(tmp_path) == ["two", "two-ended"]
    assert markers(tmp_path) == {"one", "two"}
    assert not (tmp_path / "work/three").exists()
    assert (tmp_path / "work/two/made").read_text() == "two\n"  # nothing old is left in it
    assert recipe().returncode == 0
    assert log(tmp_path) == ["three"]


def test_a_stage_cannot_be_entered_before_its_forerunners_are_done(
    recipe: Recipe, tmp_path: Path
) -> None:
    done = recipe("--stage", "3")
    assert done.returncode == 2
    assert "stage 1 (one) must be done" in done.stderr
    assert log(tmp_path) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--stage",),
        ("--stage", "0"),
        ("--stage", "4"),
        ("--stage", "two"),
        ("--stop-stage", "-1"),
        ("--stage", "3", "--stop-stage", "2"),
        ("--stages", "1"),
    ],
)
def test_a_wrong_option_runs_nothing(
    recipe: Recipe, tmp_path: Path, options: tuple[str, ...]
) -> None:
    recipe()
    done = recipe(*options)
    assert done.returncode == 2
    assert done.stderr.startswith("run.sh: ")
    assert log(tmp_path) == []
    assert markers(tmp_path) == {"one", "two", "three"}


# All that lib.sh offers a recipe beyond its stages.
STEPS = f"""\
set -euo pipefail
source {LIBRARY}
work=made
more_usage='  --size  something more
'
inputs() {{ printf 'SIZE=%s\\ncolour=%s\\n' "$(wc -c <colour)" "$(cat colour)"; }}
announce() {{ echo "next: $1"; }}
one() {{
  call mkdir -p made/one
  into made/one/list printf '%s\\n' "a b"
  once made/one/copy cp made/one/list made/one/copy
  into made/one/last cat broken
}}
two() {{ into made/two cat made/one/copy; }}
if [[ ${{1-}} == --dry-run ]]; then
  dry_run=yes
  shift
fi
run_stages one two -- "$@"
"""


@pytest.fixture
def steps(recipe: Recipe, tmp_path: Path) -> Recipe:
    (tmp_path / "colour").write_text("red")
    (tmp_path / "broken").write_text("x\n")
    (tmp_path / "run.sh").write_text(STEPS)
    return recipe


def test_what_a_dry_run_prints_can_be_pasted(steps: Recipe, tmp_path: Path) -> None:
    done = steps("--dry-run")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "made").exists()
    assert "mkdir -p made/one\n" in done.stdout
    subprocess.run(["bash", "-e"], input=done.stdout, text=True, check=True)
    assert (tmp_path / "made/two").read_text() == "a b\n"
    assert steps("--dry-run", "--stage", "2").stdout.split("\n\n")[1:] == [
        "# stage 2: two\ncat made/one/copy > made/two\n"
    ]


def test_what_a_stage_had_made_before_it_broke_off_is_kept(steps: Recipe, tmp_path: Path) -> None:
    (tmp_path / "broken").unlink()
    assert steps().returncode != 0
    assert not (tmp_path / "made/one/last").exists()  # cat had begun it
    (tmp_path / "made/one/list").write_text("kept")
    (tmp_path / "made/one/copy").write_text("kept too")
    (tmp_path / "broken").write_text("mended")
    done = steps()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "made/one/list").read_text() == "kept"
    assert (tmp_path / "made/one/last").read_text() == "mended"
    assert (tmp_path / "made/two").read_text() == "kept too"
    assert done.stderr.index("next: one") < done.stderr.index("next: two")


def test_a_stage_of_other_inputs_is_refused(steps: Recipe, tmp_path: Path) -> None:
    assert steps().returncode == 0
    assert steps().returncode == 0
    (tmp_path / "colour").write_text("blue")
    done = steps()
    assert done.returncode == 2
    assert done.stderr == (
        "run.sh: stage 1 (one) was made, or begun, from other inputs: SIZE colour; "
        "--stage 1 makes it anew\n"
    )
    assert steps("--stage", "2").returncode == 2
    assert (tmp_path / "made/two").exists()  # refused before anything was removed
    assert steps("--stage", "1").returncode == 0
    assert steps().returncode == 0


def test_also_a_stage_that_broke_off_is_refused_with_other_inputs(
    steps: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "broken").unlink()
    assert steps().returncode == 1
    (tmp_path / "colour").write_text("tan")
    assert "stage 1 (one) was made, or begun, from other inputs: colour;" in steps().stderr


def test_help_has_the_options_of_the_recipe(steps: Recipe) -> None:
    assert "  --size  something more\n\nWithout options" in steps("--help").stdout


# Two meet, which they do only side by side; one then fails while another is at work.
BESIDE = f"""\
set -euo pipefail
source {LIBRARY}
at_a_time=2
meet() {{
  touch "work/$1"
  timeout 30 bash -c 'until [[ -e work/$0 ]]; do sleep 0.01; done' "$2"
}}
fail() {{
  timeout 30 bash -c 'until [[ -e work/slow ]]; do sleep 0.01; done'
  test ! -e broken || exit 7
}}
slow() {{
  touch work/slow
  sleep 0.2
  into work/whole echo made
}}
one() {{
  beside meet a b
  beside meet b a
  finished
  beside fail
  beside slow
  finished
}}
run_stages one -- "$@"
"""


def test_a_failure_beside_others_ends_the_run_once_they_have_ended(
    recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "run.sh").write_text(BESIDE)
    (tmp_path / "broken").touch()
    assert recipe().returncode == 7
    assert (tmp_path / "work/whole").read_text() == "made\n"
    assert markers(tmp_path) == set()
    (tmp_path / "broken").unlink()
    assert recipe().returncode == 0
    assert markers(tmp_path) == {"one"}
