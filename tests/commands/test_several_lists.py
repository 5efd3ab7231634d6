"""``s2s rescore`` of several lists: their union, with the features of each under its label."""

import gzip
import random
import re
import tomllib
from pathlib import Path

import pytest
from odd_models import s2s_here, write_model

from s2s_cli.rescoring import union
from s2s_cli.text.features import entry_features
from s2s_cli.text.nbest import parse_entry

A = """\
0 ||| le chat dort ici ||| LM0= -3 TM0= -1 -2 lstm= -1.5 ||| -4.50
0 ||| le chien dort ici ||| LM0= -2 TM0= -2 -2 lstm= -2.5 ||| -4
0 ||| le chat dort ici ||| LM0= -9 TM0= -1 -2 lstm= -1.5 ||| -9
1 ||| oui ||| LM0= -1 TM0= -1 -1 lstm= -1 ||| -1
"""
B = """\
0 ||| le  chat dort ici ||| -7 lm: -30 w: -3 lstm: -1.5 ||| -40.25
0 ||| un chat dort ici ||| -8 lm: -31 w: -3 lstm: -1.25 ||| -41 ||| 0-0
3 ||| non ||| -9 lm: -10 w: -1 lstm: -2 ||| -11
"""
UNION = """\
0 ||| le chat dort ici ||| a= 1 a.total= -4.50 a.LM0= -3 a.TM0= -1 -2 \
b= 1 b.total= -40.25 b.unlabelled= -7 b.lm= -30 b.w= -3 lstm= -1.5
0 ||| le chien dort ici ||| a= 1 a.total= -4 a.LM0= -2 a.TM0= -2 -2 b= 0 lstm= -2.5
0 ||| un chat dort ici ||| a= 0 b= 1 b.total= -41 b.unlabelled= -8 b.lm= -31 b.w= -3 lstm= -1.25
1 ||| oui ||| a= 1 a.total= -1 a.LM0= -1 a.TM0= -1 -1 b= 0 lstm= -1.0
3 ||| non ||| a= 0 b= 1 b.total= -11 b.unlabelled= -9 b.lm= -10 b.w= -1 lstm= -2.0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "a.nbest.txt").write_text(A)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(B.encode()))
    (tmp_path / "in").write_text("one\ntwo\n.\none\n")
    (tmp_path / "ref").write_text("le chat dort ici\noui\n\nnon\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


LISTS = ["rescore", "a.nbest.txt", "b.txt", "--source", "in", "--output", "out"]
KEPT = [*LISTS, "--feature-name", "lstm"]


def rescored(*arguments: str) -> tuple[str, str]:
    """What the command writes and tells."""
    done = s2s_here(*arguments)
    assert (done.code, done.out) == (0, ""), done.told
    return Path("out").read_text("utf-8"), done.told


@pytest.mark.parametrize("longest", [1, 2, 100])
def test_a_hypothesis_of_both_is_one_entry(
    folder: Path, longest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(union, "LONGEST_RUN", longest)
    written, told = rescored(*KEPT, "--add-feature")
    assert written == UNION and "no model is loaded" in told
    best, told = rescored(*KEPT)
    assert best == "un chat dort ici\noui\n\nnon\n"
    assert "totals of several lists do not compare; winners are chosen by the model alone" in told
    assert "no hypotheses for 1 of the sources (ids 2)" in told


def test_the_union_is_a_list_like_any_other(folder: Path) -> None:
    rescored(*KEPT, "--add-feature")
    (folder / "union").write_bytes((folder / "out").read_bytes())
    (folder / "w.toml").write_text(
        "[weights]\nb = 3\nlstm = 1\n[sparse-weights]\n'a.LM0' = 2\n'a.TM0' = [1, 0]\n"
    )
    again = ["rescore", "union", *KEPT[3:]]
    for options in ([], ["--weights", "w.toml"], ["--mbr"], ["--add-feature"]):
        assert rescored(*again, *options)[0] == rescored(*KEPT, *options)[0]
    best, told = rescored(*KEPT, "--weights", "w.toml")
    assert best == "un chat dort ici\noui\n\nnon\n"
    assert "count 0 there: b.total (line 2), b.unlabelled (line 2)" in told
    tune = ["--tokenised", "--tune", "ref", "--weights", "tuned.toml", "--restarts", "1"]
    assert rescored(*again, *tune)[0] == rescored(*KEPT, *tune)[0] == (folder / "ref").read_text()
    tuned = tomllib.loads((folder / "tuned.toml").read_text())
    assert {"a", "b", "lstm"} <= tuned["weights"].keys()
    assert {"a.total", "a.TM0", "b.lm"} <= tuned["sparse-weights"].keys()
    assert rescored(*KEPT, "--weights", "tuned.toml")[0] == (folder / "ref").read_text()


def test_the_model_scores_the_union(folder: Path) -> None:
    model = write_model(folder / "m", tokenised=True, reverse=False, seed=1)
    b = re.sub(" lstm: [-.0-9]+", "", B)
    (folder / "b.txt.gz").write_bytes(gzip.compress(b.encode()))
    for name, kept_told in (("lstm", True), ("s2s", False)):
        options = ["--model", str(model), "--add-feature", "--feature-name", name]
        written, told = rescored(*LISTS, *options)
        assert ("b.txt: without the feature lstm" in told) == kept_told
        scores = {}
        for line in written.splitlines():
            entry = parse_entry(line, folder, 1)
            features = entry_features(entry)
            scores[entry.segment, entry.hypothesis] = features[name]
            assert ("a.lstm" in features) == (features["a"] == [1])
        assert len(scores) == 5
        (folder / "a.s2s").write_text(A)
        alone = ["rescore", "a.s2s", *LISTS[3:], "--feature-name", "own"]
        for line in rescored(*alone, *options[:3])[0].splitlines():
            entry = parse_entry(line, folder, 1)
            assert entry_features(entry)["own"] == scores[entry.segment, entry.hypothesis]


def test_lists_without_entries_and_lists_that_agree(folder: Path) -> None:
    (folder / "empty").write_text("\n")
    (folder / "c").write_text(A)
    both, _ = rescored("rescore", "a.nbest.txt", "empty", *KEPT[3:], "--add-feature")
    assert both.count("\n") == 3 and both.count("empty= 0") == 3
    _, told = rescored("rescore", "a.nbest.txt", "c", *KEPT[3:])
    assert "disagree" not in told
    (folder / "c").write_text(A.replace("lstm= -2.5", "lstm= -3"))
    best, told = rescored("rescore", "a.nbest.txt", "c", *KEPT[3:])
    assert "the lists disagree on lstm of 1 hypothesis;" in told
    same = ["rescore", "a.nbest.txt", "a.nbest.txt", "--list-name", "x", "--list-name", "y"]
    assert rescored(*same, *KEPT[3:])[0] == best


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["a.nbest.txt", "sub/a.txt"], 2, "another list is labelled a, too"),
        (["a.nbest.txt", "b.txt", "--list-name", "x"], 2, "1 of --list-name for 2 lists"),
        (["a.nbest.txt", "b.txt", "--list-name", "x.y", "--list-name", "z"], 2, "'x.y'"),
        (["a.nbest.txt", "lstm.txt"], 2, "'lstm'"),
        (["a.nbest.txt", "b.txt", "--weight", "0.3"], 2, "--weight is a share"),
        (["a.nbest.txt", "--list-name", "x"], 2, "--list-name is for several lists"),
        (["-", "-", "--list-name", "x", "--list-name", "y"], 2, "only one can be stdin"),
        (["a.nbest.txt", "falling"], 1, "falling:2: id 0 comes after a higher one"),
        (["a.nbest.txt", "back"], 1, "back:3: id 0 comes back"),
        (["a.nbest.txt", "far"], 1, "far:1: id 9 has no source"),
        (["a.nbest.txt", "text"], 1, "text:2: a feature that is not a finite number: 'x'"),
        (["a.nbest.txt", "nowhere"], 1, "nowhere: no such file"),
    ],
)
def test_what_several_lists_cannot_be(
    folder: Path, arguments: list[str], code: int, told: str
) -> None:
    for name, lines in {
        "falling": "1 ||| a ||| lstm= 1\n0 ||| b ||| lstm= 1\n",
        "back": "0 ||| a ||| lstm= 1\n1 ||| b ||| lstm= 1\n0 ||| c ||| lstm= 1\n",
        "far": "9 ||| a ||| lstm= 1\n",
        "text": "0 ||| a ||| lstm= 1\n1 ||| b ||| lstm= 1 y= x\n",
    }.items():
        (folder / name).write_text(lines)
    done = s2s_here("rescore", *arguments, *KEPT[3:])
    assert (done.code, told in done.told) == (code, True), done.told
    assert not (folder / "out").exists() and done.told.count("\n") <= 2


@pytest.mark.parametrize("name", ["my list.txt", ".nbest", "lstm.txt", "total", "a=b"])
def test_one_list_may_have_any_name(folder: Path, name: str) -> None:
    (folder / name).write_text(A)
    assert rescored("rescore", name, *KEPT[3:])[0] == "le chat dort ici\noui\n\n\n"


def test_random_lists_have_the_union_of_their_hypotheses(folder: Path) -> None:
    rng = random.Random(5)
    for _ in range(3):
        expected: dict[tuple[int, str], dict[str, float]] = {}
        for label in "pqr":
            lines = []
            for segment in sorted(rng.sample(range(4), rng.randint(0, 4))):
                for _ in range(rng.randint(1, 6)):
                    text, total = rng.choice("uvwxyz"), rng.randint(-9, 0)
                    lines.append(f"{segment} ||| {text} ||| f= {total} lstm= -1 ||| {total}\n")
                    known = expected.setdefault((segment, text), {})
                    known[label] = max(known.get(label, total), total)
            (folder / label).write_text("".join(lines))
        written, _ = rescored("rescore", "p", "q", "r", *KEPT[3:], "--add-feature")
        found = {}
        for line in written.splitlines():
            entry = parse_entry(line, folder, 1)
            features = entry_features(entry)
            found[entry.segment, entry.hypothesis] = {
                label: features[f"{label}.total"][0] for label in "pqr" if features[label] == [1]
            }
        assert found == expected and len(found) == written.count("\n")
        assert [segment for segment, _ in found] == sorted(segment for segment, _ in found)


def test_the_example_in_the_docs(folder: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/nbest.md").read_text("utf-8")
    shown, *runs = page.partition("$ cat a.txt b.txt\n")[2].partition("```")[0].split("$ ")
    lines = shown.splitlines(keepends=True)
    (folder / "a.txt").write_text("".join(lines[:2]), "utf-8")
    (folder / "b.txt").write_text("".join(lines[2:]), "utf-8")
    (folder / "one.en").write_text("the summer lasts here\n")
    assert len(runs) == 3
    for run in runs:
        command, _, expected = run.partition("\n")
        assert rescored(*command.split()[1:], "--output", "out")[0] == expected
