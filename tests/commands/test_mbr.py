"""``--mbr`` of ``s2s rescore`` and ``s2s decode`` chooses what sacreBLEU does over the list."""

import math
import random
from pathlib import Path
from typing import Any

import pytest
from odd_models import s2s_here, write_model
from sacrebleu.metrics.bleu import BLEU

from s2s_cli.rescoring import rescorer
from s2s_cli.text.nbest import read_segments

METRIC: Any = BLEU(tokenize="none", effective_order=True)


def best_expected(texts: list[str], scores: list[float], scale: float) -> set[str]:
    """The texts with the highest expected BLEU, by the definition."""
    top = max(scores)
    shares = [math.exp(scale * (score - top)) for score in scores]
    values = {
        text: sum(
            share * METRIC.sentence_score(text, [other]).score
            for other, share in zip(texts, shares, strict=True)
        )
        for text in texts
    }
    return {text for text in values if values[text] > max(values.values()) - 1e-5}


def write_list(folder: Path) -> list[list[tuple[str, float, float]]]:
    """A list of three segments, the second one missing."""
    rng = random.Random(4)
    lines, segments = [], []
    for segment in (0, 2, 3):
        entries = [
            (
                " ".join(rng.choices(["a", "b", "c", "d"], k=rng.randint(1, 6))),
                -float(rng.randrange(9)),
                -float(rng.randrange(9)),
            )
            for _ in range(12)
        ]
        lines += [f"{segment} ||| {t} ||| s2s= {m} ||| {n}\n" for t, m, n in entries]
        segments.append(entries)
    (folder / "list").write_text("".join(lines))
    (folder / "in").write_text("x\n" * 4)
    (folder / "w.toml").write_text("[weights]\ntotal = -0.25\ns2s = 1.5\n")
    return segments


RESCORE = ["rescore", "list", "--source", "in", "--output", "out", "--mbr"]


@pytest.mark.parametrize("longest_run", [5, 1 << 20])
def test_rescore_ranks_by_what_it_ranks_by(
    longest_run: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rescorer, "LONGEST_RUN", longest_run)
    segments = write_list(tmp_path)
    for options, scale, total, model in (
        ([], 1, 0.5, 0.5),
        (["--mbr-scale", "0.2", "--weight", "0.1"], 0.2, 0.9, 0.1),
        (["--mbr-scale", "0"], 0, 1, 1),
        (["--weights", "w.toml", "--mbr-scale", "0.5"], 0.5, -0.25, 1.5),
    ):
        done = s2s_here(*RESCORE, *options)
        assert done.code == 0, done.told
        lines = Path("out").read_text().split("\n")
        assert len(lines) == 5 and lines[1] == lines[4] == ""
        for line, entries in zip([lines[0], *lines[2:4]], segments, strict=True):
            texts = [text for text, _, _ in entries]
            scores = [total * n + model * m for _, m, n in entries]
            assert line in best_expected(texts, scores, scale)


def test_mbr_goes_with_neither_tuning_nor_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_list(tmp_path)
    for options, told in (
        (["--add-feature"], "--mbr does not go with --add-feature"),
        (["--tune", "in", "--weights", "v.toml"], "--mbr does not go with --tune"),
        (["--no-mbr", "--mbr-scale", "2"], "--mbr-scale is for --mbr"),
    ):
        done = s2s_here(*RESCORE, *options)
        assert done.code == 2 and told in done.told
    assert s2s_here("decode", "--mbr-scale", "2").code == 2


@pytest.mark.parametrize("members", [1, 2])
def test_decode_chooses_among_the_hypotheses_of_the_beam(
    members: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    models = [
        write_model(tmp_path / f"model{seed}", tokenised=True, reverse=False, seed=seed)
        for seed in range(members)
    ]
    (tmp_path / "in").write_text("one two one\n\ntwo . é\none\n", "utf-8")
    options = ["decode", "--input", "in", "--tokenised", "--beam", "6", "--max-length", "5"]
    for model in models:
        options += ["--model", str(model)]
    scale = ["--mbr", "--mbr-scale", "0.5"]
    for output, added in (
        ("list", ["--nbest", "6"]),
        ("ranked", ["--nbest", "6", *scale]),
        ("three", ["--nbest", "3", *scale]),
        ("lines", scale),
    ):
        assert s2s_here(*options, "--output", output, *added).code == 0
    lines = Path("lines").read_text("utf-8").split("\n")
    segments = zip(
        *(read_segments(Path(name)) for name in ("list", "ranked", "three")), strict=True
    )
    for (index, entries), (_, ranked), (_, three) in segments:
        assert sorted(each.line for each in entries) == sorted(each.line for each in ranked)
        assert [each.line for each in three] == [each.line for each in ranked[:3]]
        if index == 1:
            assert lines[1] == "" and ranked == entries
            continue
        texts = [" ".join(each.words) for each in entries]
        scores = [each.total or 0.0 for each in entries]
        assert " ".join(ranked[0].words) == lines[index]
        assert lines[index] in best_expected(texts, scores, 0.5)
    assert len(lines) == 5
    assert Path("ranked").read_text("utf-8") != Path("list").read_text("utf-8")
