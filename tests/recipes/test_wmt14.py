"""The recipe of WMT'14: rehearsed, killed and resumed; its commands; what it refuses."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OURS = (
    "SOURCE",
    "SCHWENK",
    "MOSES",
    "MGIZA",
    "NBEST",
    "FIRST_ID",
    "FEATURE",
    "KEEP",
    "GPUS",
    "LAYOUT",
    "PAUSES",
)
RESCORED = ("forward", "reversed", "five")
ROWS = [
    *("forward-12", "reversed-12", "five-1", "two-12", "five-2", "five-12"),
    *("baseline", *RESCORED, "oracle", "baseline-tuned", *(f"{row}-tuned" for row in RESCORED)),
]


def a_copy(folder: Path) -> Path:
    ignored = shutil.ignore_patterns("work", "RESULTS.md", "__pycache__")
    shutil.copytree(ROOT / "recipes", folder / "recipes", ignore=ignored)
    return folder / "recipes/wmt14_en_fr"


pytestmark = pytest.mark.usefixtures("fast_s2s")


def environment(**variables: str) -> dict[str, str]:
    """That of these tests, and this clone's code."""
    ours = {key: value for key, value in os.environ.items() if key not in OURS}
    return ours | {"PYTHONPATH": str(ROOT)} | variables


def run(recipe: Path, *options: str, **variables: str) -> Any:
    return subprocess.run(
        [str(recipe / "run.sh"), *options],
        cwd=recipe.parent,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )


def kill_when(path: Path, recipe: Path, *options: str) -> None:
    """Run the recipe, and kill it and all that it started once ``path`` is there.

    With an ``s2s`` that is killed with its group.
    """
    own = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        [str(recipe / "run.sh"), *options],
        env=environment(PATH=own),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not path.exists():
        assert process.poll() is None, "the run ended before it came so far"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def rehearsal(fast_s2s: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """--smoke, killed in its fourth stage and in its sixth, then run to its end."""
    recipe = a_copy(tmp_path_factory.mktemp("wmt14"))
    work = recipe / "work/smoke"
    kill_when(work / "prep/forward/facts.json", recipe, "--smoke")
    archives = {path: path.stat().st_mtime_ns for path in (work / "downloads").iterdir()}
    kill_when(work / "train/forward/metrics.jsonl", recipe, "--smoke")
    done = run(recipe, "--smoke")
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (work / "downloads").iterdir()} == archives
    return recipe, done


def test_a_killed_run_goes_on_with_the_stage_it_was_in(rehearsal: tuple[Path, Any]) -> None:
    _, done = rehearsal
    for stage in ("1: fetch", "2: unpack", "3: selection", "4: prep", "5: vocab"):
        assert f"== stage {stage} is done" in done.stderr
    assert "== stage 6: train\n" in done.stderr


def test_every_row_of_both_tables_is_run(rehearsal: tuple[Path, Any]) -> None:
    recipe, done = rehearsal
    work = recipe / "work/smoke"
    made = {
        path.stem: path for path in work.glob("table?/*.fr") if not path.stem.endswith(".valid")
    }
    assert {path.stem for path in work.glob("scores/*.json") if ".against-" not in path.name} == {
        f"{path.parent.name}-{name}" for name, path in made.items()
    }
    assert sorted(made) == sorted(ROWS)
    assert all(path.read_bytes().count(b"\n") == 8 for path in made.values())
    assert "not run" not in done.stdout
    assert len([line for line in done.stdout.split("\n") if line.startswith("| Ensemble")]) == 4
    page = (work / "RESULTS.md").read_text()
    assert done.stdout in page
    assert "SOURCE=statmt KEEP=240 GPUS=1 LAYOUT=model recipes/wmt14_en_fr/run.sh --smoke" in page
    assert not (recipe / "RESULTS.md").exists()  # that page is of full runs


def test_models_and_data_are_those_of_the_paper(rehearsal: tuple[Path, Any]) -> None:
    recipe, _ = rehearsal
    work = recipe / "work/smoke"
    names = ["forward", *(f"reversed-{seed}" for seed in range(1, 6))]
    assert sorted(path.name for path in (work / "train").iterdir()) == names
    for name in names:
        facts = json.loads((work / f"train/{name}/model.json").read_text())
        assert re.search(r'"reverse_source": (true|false)', json.dumps(facts))
        assert ('"reverse_source": true' in json.dumps(facts)) == (name != "forward")
    weights = {(work / f"train/{name}/best.pt").read_bytes() for name in names}
    assert len(weights) == 6


def test_noise_is_not_selected(rehearsal: tuple[Path, Any]) -> None:
    recipe, _ = rehearsal
    report = json.loads((recipe / "work/smoke/selection/train.json").read_text())
    assert report["pairs"] == 240
    assert report["from"]["news-commentary-v9"] == 90
    assert "qqq" not in (recipe / "work/smoke/prep/forward/train.en").read_text()


def test_each_stage_says_beforehand_what_it_takes(rehearsal: tuple[Path, Any]) -> None:
    _, done = rehearsal
    assert re.search(
        r"^train, estimated: disk .* GB .*, memory .* GB, time .* h", done.stderr, re.M
    )


def test_a_changed_setting_is_refused(rehearsal: tuple[Path, Any]) -> None:
    recipe, _ = rehearsal
    settings = recipe / "smoke.toml"
    before = settings.read_text()
    settings.write_text(before.replace("learning-rate = 0.02", "learning-rate = 0.03"))
    done = run(recipe, "--smoke")
    settings.write_text(before.replace("threads = 1", "threads = 2"))  # changes no number
    again = run(recipe, "--smoke")
    settings.write_text(before)
    assert done.returncode == 2
    assert "stage 6 (train) was made, or begun, from other inputs: settings" in done.stderr
    assert again.returncode == 0


def test_without_lists_table_2_is_said_not_to_run(rehearsal: tuple[Path, Any]) -> None:
    """The last stages of a rehearsal that makes no list of its own."""
    recipe, _ = rehearsal
    script = recipe / "without.sh"
    script.write_text((recipe / "run.sh").read_text().replace("lists=$system/lists", "lists="))
    script.chmod(0o755)
    command = [str(script), "--smoke", "--stage", "9"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Table 2 cannot be run" in done.stderr
    rows = [line for line in done.stdout.split("\n") if line.startswith("| Rescored")]
    assert len(rows) == 6  # even average, and tuned
    assert all("not run" in row for row in rows)
    direct = [line for line in done.stdout.split("\n") if "beam size" in line]
    assert len(direct) == 6
    assert not any("not run" in row for row in direct)


def test_the_paper_s_archive_is_taken_from_a_directory(tmp_path: Path) -> None:
    recipe, smoke = a_copy(tmp_path), {"SOURCE": "schwenk"}
    assert run(recipe, "--smoke", "--stop-stage", "1", **smoke).returncode == 0
    work = recipe / "work/smoke"
    subprocess.run(["gunzip", work / "given/schwenk/bitexts.selected/nc9.fr.gz"], check=True)
    done = run(recipe, "--smoke", "--stage", "1", "--stop-stage", "5", **smoke)
    assert done.returncode == 0, done.stderr
    report = json.loads((work / "prep/reversed/prep.json").read_text())["splits"]
    assert [report[split]["read"] for split in ("train", "valid", "test")] == [540, 8, 8]
    assert json.loads((work / "prep/reversed/facts.json").read_text())["tokenised"]
    assert not (work / "downloads").exists()
    with (work / "given/schwenk/bitexts.selected/nc9.fr").open("a") as stream:
        stream.write("Une ligne de trop .\n")
    done = run(recipe, "--smoke", "--stage", "1", **smoke)
    assert done.returncode == 2
    assert re.search(r"nc9.en.gz has \d+ lines, .*nc9.fr \d+: ", done.stderr)
    (work / "given/schwenk/dev/ntst14.fr.gz").unlink()
    done = run(recipe, SOURCE="schwenk", SCHWENK=str(work / "given/schwenk"))
    assert done.returncode == 2
    assert "has no dev/ntst14.fr.gz" in done.stderr


def test_a_dry_run_prints_commands_and_touches_nothing(tmp_path: Path) -> None:
    recipe = a_copy(tmp_path)
    done = run(recipe, "--dry-run", GPUS="8", LAYOUT="data")
    assert done.returncode == 0, done.stderr
    assert not (recipe / "work").exists()
    trainings = [line for line in done.stdout.split("\n") if line.startswith("s2s train ")]
    assert len(trainings) == 6
    assert all(line.endswith("--gpus 8 --layout data") for line in trainings)
    assert [re.findall(r"--seed (\d)", line)[0] for line in trainings] == list("112345")
    assert done.stdout.count("s2s decode ") == 6
    assert "s2s rescore" not in done.stdout
    assert "Table 2 cannot be run" in done.stderr
    with_lists = run(recipe, "--dry-run", "--stage", "9", NBEST="lists", FIRST_ID="1").stdout
    # Of three rows each: both lists scored, weights tuned, two winners. The baseline tuned alone.
    assert with_lists.count("s2s rescore ") == 3 * 5 + 2
    assert f" {recipe.parent}/lists/test.nbest.gz " in with_lists
    assert f" {recipe.parent}/lists/valid.nbest.gz " in with_lists
    assert "s2s train" not in with_lists


def test_a_dry_rehearsal_scores_what_it_rescores(tmp_path: Path) -> None:
    done = run(a_copy(tmp_path), "--smoke", "--dry-run")
    assert done.returncode == 0, done.stderr
    for row in ("forward", "reversed", "five", "oracle", "baseline-tuned", "five-tuned"):
        assert f" > work/smoke/scores/table2-{row}.json\n" in done.stdout


@pytest.mark.parametrize("feature", ["LM0", "tm"])
def test_a_feature_that_the_lists_have_not_or_more_than_once(tmp_path: Path, feature: str) -> None:
    for split in ("valid", "test"):
        line = "0 ||| un chat ||| d: 0 lm: -4.5 tm: -1 -2 ||| -5\n"
        (tmp_path / f"{split}.nbest").write_text(line)
    recipe = a_copy(tmp_path)
    lists = {"NBEST": str(tmp_path)}
    done = run(recipe, "--dry-run", FEATURE=feature, **lists)
    assert done.returncode == 2
    assert f"FEATURE={feature} is no feature of one value" in done.stderr
    assert run(recipe, "--dry-run", FEATURE="lm", **lists).returncode == 0


def test_a_truncated_list_is_not_taken(tmp_path: Path) -> None:
    recipe = a_copy(tmp_path)
    lines = b"".join(b"%d ||| un chat ||| LM0= -4 ||| -5\n" % each for each in range(9))
    (tmp_path / "test.nbest.gz").write_bytes(gzip.compress(lines)[:-4])
    done = run(recipe, "--dry-run", "--stage", "9", "--stop-stage", "9", NBEST=str(tmp_path))
    command = next(line for line in done.stdout.split("\n") if line.startswith("bash -c"))
    (recipe / "work/table2").mkdir(parents=True)
    made = subprocess.run(["bash", "-c", command], cwd=recipe, capture_output=True, check=False)
    assert made.returncode != 0


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"SOURCE": "elsewhere"}, "SOURCE is statmt or schwenk"),
        ({"SOURCE": "schwenk"}, "SCHWENK=DIRECTORY"),
        ({"SOURCE": "schwenk", "SCHWENK": "/nowhere"}, "has no bitexts.selected/ep7_pc45.en.gz"),
        ({"NBEST": "/nowhere"}, "has no test.nbest"),
        ({"MOSES": "/nowhere"}, "has no bin/moses"),
        ({"MOSES": "/usr", "NBEST": "/nowhere"}, "has no test.nbest"),
        ({"GPUS": "all"}, "GPUS and KEEP are numbers"),
        ({"PAUSES": "soon"}, "PAUSES are seconds"),
    ],
)
def test_what_cannot_work_is_refused_at_once(
    tmp_path: Path, variables: dict[str, str], message: str
) -> None:
    recipe = a_copy(tmp_path)
    done = run(recipe, "--stop-stage", "1", **variables)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (recipe / "work/.done").exists()


# Programs of Moses that note how they are called, and make next to nothing: for each, what it does
# with its arguments.
PROGRAMS = {
    "bin/lmplz": 'touch "${@: -1}"',
    "bin/build_binary": 'cp "$2" "$3"',
    "scripts/tokenizer/escape-special-chars.perl": r"sed 's/&/\&amp;/g; s/|/\&#124;/g' | "
    r"""sed "s/'/\&apos;/g" """,
    "scripts/training/clean-corpus-n.perl": 'cp "$1.$2" "$4.$2"; cp "$1.$3" "$4.$3"',
    "scripts/training/train-model.perl": 'mkdir -p "$2/model"; echo weights >"$2/model/moses.ini"',
    "scripts/training/filter-model-given-input.pl": 'mkdir "$1"; cp "$2" "$1/moses.ini"',
    "scripts/training/mert-moses.pl": 'mkdir -p "$6"; echo 1 >"$6/finished_step.txt"; '
    '[[ ! -e broken ]]; cp "$4" "$6/moses.ini"',
    # `moses -f INI -threads N -n-best-list FILE ...`: what it reads, as it is and without spaces
    "bin/moses": r"""awk '{ print NR - 1 " ||| " $0 " ||| LM0= -1 ||| -1"; gsub(" ", "");
        print NR - 1 " ||| " $0 " ||| LM0= -2 ||| -2" }' >"$6" """,
}
SYSTEM = """\
set -euo pipefail
cd "{recipe}"
source ../lib.sh
source moses.sh
source ../tables.sh
NBEST= smoke= work=work cores=2 MOSES="{moses}" MGIZA=mgiza
baseline
"""


@pytest.fixture
def moses(tmp_path: Path) -> tuple[Path, str]:
    """A recipe with prepared text, and the script that has a Moses make its lists."""
    recipe, moses = a_copy(tmp_path), tmp_path / "moses"
    for name, body in PROGRAMS.items():
        path = moses / name
        path.parent.mkdir(parents=True, exist_ok=True)
        note = f'echo "{path.name} $*" >>"{tmp_path}/calls"\n'
        path.write_text(f"#!/usr/bin/env bash\nset -e\n{note}{body}\n")
        path.chmod(0o755)
    (recipe / "work/prep/forward").mkdir(parents=True)
    for split in ("train", "valid", "test"):
        for side in ("en", "fr"):
            text = f"{split} {side} l' ami\nR & D ||| &apos; [ {side}\n"
            (recipe / f"work/prep/forward/{split}.{side}").write_text(text)
    return recipe, SYSTEM.format(recipe=recipe, moses=moses)


def run_moses(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)


def calls(recipe: Path) -> list[str]:
    """Names of the programs that were called since the last time."""
    path = recipe.parents[1] / "calls"
    names = [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return names


def test_moses_makes_the_lists_of_both_texts(moses: tuple[Path, str]) -> None:
    recipe, script = moses
    done = run_moses(script)
    assert done.returncode == 0, done.stderr
    training = ["clean-corpus-n.perl", "lmplz", "build_binary", "train-model.perl"]
    tuning = ["filter-model-given-input.pl", "mert-moses.pl", "moses", "moses"]
    assert calls(recipe) == ["escape-special-chars.perl"] * 6 + training + tuning
    system = recipe / "work/baseline"
    both = (system / "corpus/both.en").read_text().split("\n")
    assert both[:3:2] == ["valid en l&apos; ami", "test en l&apos; ami"]
    lines = gzip.decompress((system / "lists/test.nbest.gz").read_bytes()).decode().split("\n")
    assert lines[0] == "0 ||| test en l' ami ||| LM0= -1 ||| -1"
    # What the text had as an entity is one again, and no hypothesis has a bar.
    assert lines[2] == "1 ||| R & D &#124;&#124;&#124; &apos; [ en ||| LM0= -1 ||| -1"
    assert run_moses(script).returncode == 0
    assert calls(recipe) == []


def test_a_tuning_that_broke_off_goes_on(moses: tuple[Path, str]) -> None:
    recipe, script = moses
    (recipe / "broken").touch()
    assert run_moses(script).returncode != 0
    assert calls(recipe)[-1] == "mert-moses.pl"
    assert not (recipe / "work/baseline/lists/test.nbest.gz").exists()
    (recipe / "broken").unlink()
    done = run_moses(script)
    assert done.returncode == 0, done.stderr
    told = (recipe.parents[1] / "calls").read_text().splitlines()
    assert [line.split()[0] for line in told] == ["mert-moses.pl", "moses", "moses"]
    assert told[0].endswith(" --continue")


def test_a_dry_run_prints_the_commands_of_moses(tmp_path: Path) -> None:
    recipe = a_copy(tmp_path)
    done = run(recipe, "--dry-run", MOSES="/opt/moses")
    assert done.returncode == 0, done.stderr
    for command in (
        "/opt/moses/scripts/training/clean-corpus-n.perl work/baseline/corpus/train en fr ",
        "/opt/moses/bin/lmplz -o 5 ",
        "/opt/moses/scripts/training/train-model.perl -root-dir work/baseline/model ",
        "-external-bin-dir /opt/moses/tools -mgiza ",
        "/opt/moses/scripts/training/mert-moses.pl work/baseline/corpus/valid.en ",
        " 1000 distinct -n-best-factor 200 ",
    ):
        assert command in done.stdout
    # Table 2 is then of its lists.
    assert " work/baseline/lists/test.nbest.gz " in done.stdout
    assert done.stdout.count("s2s rescore ") == 3 * 5 + 2
    assert not (recipe / "work").exists()


def estimate(stage: str, work: Path, *options: str) -> str:
    recipe = ROOT / "recipes/wmt14_en_fr"
    given = ["--source=statmt", f"--sources={recipe}/sources.toml", "--keep=12000000"]
    config = [f"--work={work}", f"--config={recipe}/s2s.toml", "--gpus=8", *options]
    command = [sys.executable, str(recipe / "estimate.py"), stage, *given, *config]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_estimates_follow_from_the_counts(tmp_path: Path) -> None:
    # 384 M weights in fp32, three files of each of 6 models; 652 M words, 7.5 times, 6,300 a second
    hours = 6 * 7.5 * 652e6 / 6300 / 3600
    told = estimate("train", tmp_path)
    assert f"disk {6 * 3 * 4 * 0.384:.1f} GB" in told
    assert f"time {hours:.1f} h" in told
    (tmp_path / "prep/forward").mkdir(parents=True)
    train = {"kept": 1000, "words": {"en": 163_000_000, "fr": 163_000_000}}
    (tmp_path / "prep/forward/prep.json").write_text(json.dumps({"splits": {"train": train}}))
    assert f"time {hours / 2:.1f} h" in estimate("train", tmp_path)
    (tmp_path / "train/forward").mkdir(parents=True)
    log = '{"words_per_second": 5.0}\n{"words_per_second": 12600.0}\n{"validation": 1}\n'
    (tmp_path / "train/forward/metrics.jsonl").write_text(log)
    assert f"time {hours / 4:.1f} h" in estimate("train", tmp_path)
    assert "at the speed of the last training" in estimate("train", tmp_path)


def test_a_disk_that_is_too_small_is_said(tmp_path: Path) -> None:
    assert "run full" in estimate("prep", tmp_path, "--keep=1000000000000000")
    assert "run full" not in estimate("prep", tmp_path, "--keep=10")


def test_the_settings_are_the_paper_s() -> None:
    """s2s.toml says nothing but the defaults, and that the tables have intervals."""
    settings = tomllib.loads((ROOT / "recipes/wmt14_en_fr/s2s.toml").read_text())
    assert settings.pop("score") == {"bootstrap": 1000}
    for command in settings:
        dump = [sys.executable, "-m", "s2s_cli", command, "--dump-config"]
        done = subprocess.run(dump, cwd=ROOT, capture_output=True, text=True, check=True)
        defaults = tomllib.loads(done.stdout)[command]
        assert {key: defaults[key] for key in settings[command]} == settings[command]
