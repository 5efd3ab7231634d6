"""Models with everything beyond the paper go through all commands."""

import shutil
from pathlib import Path

import pytest
from odd_models import s2s_here

OPTIONS = {
    "attentive": [
        *("--attention", "additive", "--input-feeding", "--bidirectional", "--bridge", "linear"),
        *("--decoder-layers", "2", "--decoder-hidden-size", "24", "--cell", "gru", "--peeky"),
    ],
    "peephole": ["--cell", "lstm-peephole", "--bridge", "concat"],
}


@pytest.fixture(scope="module")
def trained(tiny_experiment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny experiment, with two more models."""
    directory = tmp_path_factory.mktemp("variants") / "experiment"
    shutil.copytree(tiny_experiment, directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        for name, options in OPTIONS.items():
            run = s2s_here("train", "--model", name, *options)
            assert run.code == 0, run.told
    return directory


@pytest.fixture(autouse=True)
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trained)


def test_all_commands() -> None:
    models = ["--model", "attentive", "--model", "peephole", "--model", "model"]
    test = ["--input", "corpus/test.en"]
    assert s2s_here("decode", *models, *test, "--nbest", "2", "--output", "list").code == 0
    kept = ["--add-feature", "--output", "scored"]
    assert s2s_here("rescore", "list", *models, *kept).code == 0
    for line in Path("scored").read_text("utf-8").splitlines():
        _, _, features, total = line.split(" ||| ")
        assert float(features.split()[-1]) == pytest.approx(float(total), rel=1e-4)
    assert s2s_here("decode", "--model", "attentive", *test, "--output", "out.fr").code == 0
    scored = s2s_here(
        *("score", "corpus/test.fr", "--hypothesis", "out.fr", "--bare", "perplexity"),
        *("--model", "attentive", "--source", "corpus/test.en"),
    )
    assert 1 < float(scored.out) < 10
    again = s2s_here("train", "--model", "attentive", *OPTIONS["attentive"])
    assert "already finished" in again.told


def test_a_list_of_a_text_with_blank_lines_is_weighed() -> None:
    Path("in").write_text("\none two\n\nthree\n")
    models = ["--model", "attentive", "--model", "model"]
    listed = ["--input", "in", "--beam", "3", "--nbest", "3", "--alignments", "--output", "list"]
    assert s2s_here("decode", *models, *listed).code == 0
    blank = [line for line in Path("list").read_text("utf-8").split("\n") if line[:1] in ("0", "2")]
    scores = [line.split(" ||| ")[2:4] for line in blank]
    assert [line.split(" ||| ")[:2] for line in blank] == [["0", ""], ["2", ""]]
    assert scores[0] == scores[1] and float(scores[0][1]) < 0
    own = ["rescore", "list", *models, "--source", "in", "--add-feature", "--output", "own"]
    assert s2s_here(*own).code == 0
    for line in Path("own").read_text("utf-8").splitlines():
        _, _, features, total, _ = line.split(" ||| ")
        assert features.split()[-1] == total, "one log probability, of blank lines, too"
    kept = ["--source", "in", "--add-feature", "--feature-name", "again", "--output", "again"]
    assert s2s_here("rescore", "list", "--model", "peephole", *kept).code == 0
    Path("weights").write_text("[weights]\nS2S0 = 1\nS2S1 = 1\nagain = 1\ntotal = 0\n")
    weighed = ["--source", "in", "--feature-name", "again", "--weights", "weights"]
    run = s2s_here("rescore", "again", *weighed, "--output", "best")
    assert run.code == 0, run.told
    best = Path("best").read_text("utf-8").split("\n")
    assert len(best) == 5 and not best[0] and not best[2]


def test_phrases_of_both_readers() -> None:
    Path("phrases").write_text("one two\ntwo one\nthree\n")
    run = s2s_here("show", "states", "phrases", "--model", "attentive", "--output", "s.tsv")
    assert run.code == 0, run.told
    assert Path("s.tsv").read_text().count("\n") > 3


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--input-feeding"], "choose an --attention"),
        (["--bidirectional"], "take --bridge linear"),
        (["--decoder-hidden-size", "7"], "take --bridge linear"),
    ],
)
def test_what_does_not_go_together_is_a_mistake_of_usage(options: list[str], told: str) -> None:
    run = s2s_here("train", "--model", "none", *options)
    assert run.code == 2
    assert told in run.told
    assert not Path("none").exists()
