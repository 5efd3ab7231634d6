"""A model with everything beyond the paper goes through all commands."""

import shutil
from pathlib import Path

import pytest
from conftest import Run

OPTIONS = {
    "attentive": [
        *("--attention", "additive", "--input-feeding", "--bidirectional", "--bridge", "linear"),
        *("--decoder-layers", "2", "--decoder-hidden-size", "24", "--cell", "gru", "--peeky"),
    ],
    "peephole": ["--cell", "lstm-peephole", "--bridge", "concat"],
}


@pytest.fixture(scope="module")
def trained(s2s: Run, tiny_experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny experiment, with two more models."""
    directory = tmp_path_factory.mktemp("variants") / "experiment"
    shutil.copytree(tiny_experiment, directory)
    for name, options in OPTIONS.items():
        run = s2s("train", "--model", name, *options, cwd=directory)
        assert run.returncode == 0, run.stderr.decode()
    return directory


def test_all_commands(s2s: Run, trained: Path) -> None:
    test = (trained / "corpus/test.en").read_bytes()
    models = ["--model", "attentive", "--model", "peephole", "--model", "model"]
    decoded = s2s("decode", *models, "--nbest", "2", input=test, cwd=trained)
    assert decoded.returncode == 0, decoded.stderr.decode()
    (trained / "list").write_bytes(decoded.stdout)
    rescored = s2s("rescore", "list", *models, "--add-feature", cwd=trained)
    assert rescored.returncode == 0, rescored.stderr.decode()
    for line in rescored.stdout.decode().splitlines():
        _, _, features, total = line.split(" ||| ")
        assert float(features.split()[-1]) == pytest.approx(float(total), rel=1e-4)
    best = s2s("decode", "--model", "attentive", input=test, cwd=trained)
    scored = s2s(
        *("score", "corpus/test.fr", "--bare", "perplexity", "--model", "attentive"),
        *("--source", "corpus/test.en"),
        input=best.stdout,
        cwd=trained,
    )
    assert scored.returncode == 0, scored.stderr.decode()
    assert 1 < float(scored.stdout) < 10
    again = s2s("train", "--model", "attentive", *OPTIONS["attentive"], cwd=trained)
    assert b"already finished" in again.stderr


def test_phrases_of_both_readers(s2s: Run, trained: Path) -> None:
    (trained / "phrases").write_text("one two\ntwo one\nthree\n")
    run = s2s(
        *("show", "states", "phrases", "--model", "attentive", "--output", "s.tsv"), cwd=trained
    )
    assert run.returncode == 0, run.stderr.decode()
    assert (trained / "s.tsv").read_text().count("\n") > 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--input-feeding"], "choose an --attention"),
        (["--bidirectional"], "take --bridge linear"),
        (["--decoder-hidden-size", "7"], "take --bridge linear"),
    ],
)
def test_what_does_not_go_together_is_a_mistake_of_usage(
    options: list[str], told: str, s2s: Run, experiment: Path
) -> None:
    run = s2s("train", *options, cwd=experiment)
    assert run.returncode == 2
    assert told in run.stderr.decode()
    assert not (experiment / "model").exists()
