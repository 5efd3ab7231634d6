"""``s2s rescore`` and ``s2s score`` on lists that have their scores: no model is near."""

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]

# The total prefers the wrong one everywhere, the model half the time, and only x tells.
LINES = [
    f"{segment} ||| {text} ||| x= {x} y= 0 1 s2s= {score} ||| {total}\n"
    for segment in range(4)
    for text, x, score, total in (
        ("le chat dort mal ici", 1, -2 + segment % 2, -1),
        ("le chat noir dort ici", 2 + segment / 8, -1.5, -1.2),
        ("un autre chat dort", 0, -9, -9),
    )
]
REFERENCE = "le chat noir dort ici\n" * 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "list").write_text("".join(LINES), "utf-8")
    (tmp_path / "in.en").write_text("a\n" * 4, "utf-8")
    (tmp_path / "ref.fr").write_text(REFERENCE, "utf-8")
    return tmp_path


RESCORE = ["rescore", "list", "--source", "in.en", "--tokenised"]
TUNE = [*RESCORE, "--tune", "ref.fr", "--weights", "w.toml", "--restarts", "2"]


def test_scores_of_the_list_are_combined_without_a_model(s2s: Run, folder: Path) -> None:
    run = s2s(*RESCORE, cwd=folder)
    assert run.returncode == 0, run.stderr.decode()
    right, wrong = b"le chat noir dort ici\n", b"le chat dort mal ici\n"
    assert run.stdout == 2 * (right + wrong)
    first, last = run.stderr.splitlines()
    assert b"no model is loaded" in first
    assert last.startswith(b"4 segments, 12 hypotheses in ")
    alone = s2s(*RESCORE, "--weight", "0", cwd=folder)
    assert alone.stdout == 4 * wrong
    as_it_was = s2s(*RESCORE, "--add-feature", cwd=folder)
    assert as_it_was.stdout.decode() == "".join(LINES)
    running = s2s("rescore", "-", *RESCORE[2:], cwd=folder, input="".join(LINES).encode())
    assert running.stdout == run.stdout


def test_a_list_that_keeps_some_scores_is_refused(s2s: Run, folder: Path) -> None:
    lines = [*LINES[:-1], LINES[-1].replace("s2s= -9 ", "")]
    (folder / "list").write_text("".join(lines), "utf-8")
    run = s2s(*RESCORE, cwd=folder)
    assert (run.returncode, run.stdout) == (1, b"")
    assert b"list:12: 0 values of the feature s2s" in run.stderr


def test_tuned_weights_are_written_read_and_better(s2s: Run, folder: Path) -> None:
    tuned = s2s(*TUNE, cwd=folder)
    assert (tuned.returncode, tuned.stdout.decode()) == (0, REFERENCE), tuned.stderr.decode()
    *_, own_line, even_line, tuned_line, size, files = tuned.stderr.decode().splitlines()
    assert size.startswith("4 segments, 12 hypotheses in ") and files == "wrote w.toml"
    told = [line.split() for line in (own_line, even_line, tuned_line)]
    assert [words[1] for words in told] == ["list's", "even", "tuned"]
    own, even, best = (float(words[0]) for words in told)
    assert own < even < best == 100
    written = tomllib.loads((folder / "w.toml").read_text("utf-8"))
    assert {name: len(each) for name, each in written["weights"].items()} == {
        "total": 1,
        "x": 1,
        "y": 2,
        "s2s": 1,
    }
    assert (written["bleu"]["list"], written["bleu"]["tuned"]) == (own, best)
    assert written["tuned"]["hypotheses"] == 12
    first = (folder / "w.toml").read_bytes()
    assert s2s(*TUNE, cwd=folder).returncode == 0
    assert (folder / "w.toml").read_bytes() == first, "the same seed, the same weights"
    again = s2s(*RESCORE, "--weights", "w.toml", cwd=folder)
    assert (again.returncode, again.stdout) == (0, tuned.stdout)


def test_a_segment_without_hypotheses_is_a_blank_line_of_bleu(s2s: Run, folder: Path) -> None:
    (folder / "list").write_text("".join(LINES[3:]), "utf-8")
    run = s2s(*TUNE, cwd=folder)
    assert run.returncode == 0, run.stderr.decode()
    assert run.stdout.decode() == "\n" + REFERENCE[len(REFERENCE) // 4 :]
    score = s2s(
        "score", "ref.fr", "--tokenised", "--bare", "bleu-tokenised", cwd=folder, input=run.stdout
    )
    assert f"  {score.stdout.decode().strip()} tuned" in run.stderr.decode()


def test_a_list_without_totals_is_tuned_too(s2s: Run, folder: Path) -> None:
    lines = [line.rpartition("|||")[0] + "|||\n" for line in LINES]
    (folder / "list").write_text("".join(lines), "utf-8")
    run = s2s(*TUNE, cwd=folder)
    assert (run.returncode, run.stdout.decode()) == (0, REFERENCE), run.stderr.decode()
    assert b"first of each list" in run.stderr and b"model alone" in run.stderr
    assert "total" not in tomllib.loads((folder / "w.toml").read_text("utf-8"))["weights"]
    # Nothing is better than the first of each.
    lines = [line.replace(line.split(" ||| ")[1], REFERENCE[:21]) for line in lines]
    (folder / "list").write_text("".join(line for line in lines if " x= 1 " in line), "utf-8")
    run = s2s(*TUNE, cwd=folder)
    assert (run.returncode, run.stdout.decode()) == (0, REFERENCE), run.stderr.decode()
    assert b"list: all weights are 0, the first hypothesis of each segment wins\n" in run.stderr


def test_weights_and_the_list_must_agree(s2s: Run, folder: Path) -> None:
    (folder / "w.toml").write_text("[weights]\nz = 1\n", "utf-8")
    run = s2s(*RESCORE, "--weights", "w.toml", cwd=folder)
    assert (run.returncode, run.stdout) == (1, b"")
    assert b"w.toml: weights of the feature z, which the list has not" in run.stderr
    (folder / "w.toml").write_text("[weights]\nx = 1\n", "utf-8")
    run = s2s(*RESCORE, "--weights", "w.toml", cwd=folder)
    assert (run.returncode, run.stdout.decode()) == (0, REFERENCE)
    assert b"no weights for total (1), y (2), s2s (1)" in run.stderr


@pytest.mark.parametrize("tuner", ["mert", "mira"])
def test_sparse_features_are_tuned_and_ranked(s2s: Run, folder: Path, tuner: str) -> None:
    lines = [line.replace("x= 0 ", "") for line in LINES]  # which every third line lacks
    (folder / "list").write_text("".join(lines), "utf-8")
    run = s2s(*TUNE, "--tuner", tuner, cwd=folder)
    assert (run.returncode, run.stdout.decode()) == (0, REFERENCE), run.stderr.decode()
    assert b"list: features that some entries do not have" in run.stderr
    assert b"count 0 there: x (line 3)\n" in run.stderr
    assert b"list: weight 0 for what never differs within a segment: y (value 1), y (value 2)" in (
        run.stderr
    )
    written = tomllib.loads((folder / "w.toml").read_text("utf-8"))
    assert list(written["sparse-weights"]) == ["x"]
    assert written["weights"]["y"] == [0, 0]
    assert written["tuned"]["tuner"] == tuner
    again = s2s(*RESCORE, "--weights", "w.toml", cwd=folder)
    assert (again.returncode, again.stdout) == (0, run.stdout)
    assert b"count 0 there: x (line 3)\n" in again.stderr
    # Another list need have neither the sparse feature nor what has no weight.
    lines = [line.replace("y= 0 1 ", "").replace("x= ", "z= ") for line in LINES]
    (folder / "list").write_text("".join(lines), "utf-8")
    other = s2s(*RESCORE, "--weights", "w.toml", cwd=folder)
    assert other.returncode == 0 and b"no weights for z (1)" in other.stderr


def test_weights_that_cannot_be_written_are_found_first(s2s: Run, folder: Path) -> None:
    (folder / "list").write_text("".join(LINES) + "damaged\n", "utf-8")
    run = s2s(*TUNE, "--weights", "in.en/w.toml", cwd=folder)
    assert (run.returncode, run.stdout) == (1, b"")
    assert b"in.en" in run.stderr and b"list:13" not in run.stderr


def test_what_tuning_cannot_do(s2s: Run, folder: Path) -> None:
    for arguments, code, told in (
        ([*RESCORE, "--tune", "ref.fr"], 2, "--weights FILE"),
        ([*TUNE, "--add-feature"], 2, "--add-feature"),
        ([*TUNE, "--source", "ref.fr", "--tune", "list"], 1, "12 lines"),
    ):
        run = s2s(*arguments, cwd=folder)
        assert run.returncode == code, run.stderr.decode()
        assert told in run.stderr.decode()
    assert not (folder / "w.toml").exists()


def test_the_oracle_of_a_list(s2s: Run, folder: Path) -> None:
    oracle = ["score", "ref.fr", "--tokenised", "--oracle", "list"]
    run = s2s(*oracle, cwd=folder)
    assert (run.returncode, run.stderr) == (0, b"")
    names = [line.split(" = ")[0] for line in run.stdout.decode().splitlines()]
    assert names == [
        "BLEU (tokenised), best by the list",
        "BLEU (tokenised), oracle by smoothed sentence BLEU",
        "BLEU (tokenised), oracle by a greedy climb in corpus BLEU",
    ]
    assert s2s(*oracle, "--bare", "oracle-corpus", cwd=folder).stdout == b"100.00\n"
    scores = json.loads(s2s(*oracle, "--json", cwd=folder).stdout)["scores"]
    assert list(scores) == ["list-best", "oracle-sentence", "oracle-corpus"]
    assert s2s(*oracle, "--bare", "chrf", cwd=folder).returncode == 2
    assert s2s(*oracle[:3], "--bare", "list-best", cwd=folder).returncode == 2
    assert s2s(*oracle, "--baseline", "ref.fr", cwd=folder).returncode == 2


def test_a_baseline_is_compared_by_each_metric(s2s: Run, folder: Path) -> None:
    (folder / "base.fr").write_text("le chat dort mal ici\n" * 4, "utf-8")
    score = ["score", "ref.fr", "--tokenised", "--hypothesis", "ref.fr", "--baseline", "base.fr"]
    run = s2s(*score, cwd=folder)
    assert (run.returncode, run.stderr) == (0, b"")
    compared = run.stdout.decode().splitlines()[3:]
    assert len(compared) == 3
    for line in compared:
        assert "difference to the baseline = +" in line
        assert "by paired bootstrap (n = 1000)" in line
        assert "by exact randomisation (all 16 exchanges of 4 lines)" in line
    tests = json.loads(s2s(*score, "--json", cwd=folder).stdout)["baseline"]
    assert list(tests) == ["bleu-tokenised", "bleu-detokenised", "chrf"]
    assert tests["chrf"]["difference"] > 0
    assert (tests["chrf"]["exact"], tests["chrf"]["differing_lines"]) == (True, 4)
    assert (tests["chrf"]["trials"], tests["chrf"]["randomisation_p"]) == (16, 2 / 16)
    (folder / "base.fr").write_text("le\n", "utf-8")
    assert b"base.fr has 1 line but" in s2s(*score, cwd=folder).stderr
