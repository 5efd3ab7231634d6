"""Any text and any list through the commands: N lines in, N lines out, each as if alone."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odd_models import SOURCE_WORDS, TARGET_WORDS, loaded, s2s_here, write_model
from strategies import Dress, as_read, dresses, enormous, examples, lines

from s2s_cli.console import counted
from s2s_cli.decoding.beam import Hypothesis, empty_hypotheses
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.translate import ChunkTranslator, LineChunk
from s2s_cli.inference.replicas import LoadedModel, Replicas
from s2s_cli.rescoring import prefix_tree as rescoring
from s2s_cli.rescoring import rescorer as rescorer_module
from s2s_cli.text.nbest import format_entry, format_number, parse_entry

LIST = Path("list")
PLAIN = Dress(mark=False, returns=False, ended=True, packed=False)
MODELS = {"raw": (False, True), "words": (True, False)}  # tokenised, reversed
known = st.lists(st.sampled_from(SOURCE_WORDS), max_size=8).map(" ".join)
texts = st.lists(st.one_of(lines, known), max_size=8)
models = st.sampled_from(list(MODELS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the models are."""
    directory = tmp_path_factory.mktemp("models")
    for seed, (name, (tokenised, reverse)) in enumerate(MODELS.items()):
        write_model(directory / name, tokenised=tokenised, reverse=reverse, seed=seed)
    return directory


@pytest.fixture(scope="module", autouse=True)
def all_models_stay_loaded() -> Iterator[None]:
    with patch.object(Replicas, "load", cache(Replicas.load)):
        yield


@cache
def model_of(directory: Path, tokenised: bool) -> LoadedModel:
    return loaded(directory, tokenised=tokenised)


@cache
def alone(directory: Path, tokenised: bool, config: BeamConfig, line: str) -> str:
    """What ``line`` becomes where there is no other."""
    model = model_of(directory, tokenised)
    return ChunkTranslator(config, 1).translate(model, LineChunk(0, [line])).text.decode()


def write(directory: Path, name: str, text: list[str], dress: Dress) -> Path:
    (directory / (name + dress.suffix)).write_bytes(dress.put_on(text))
    return directory / name


def read(path: Path) -> list[str]:
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


@examples(40)
@given(
    which=models,
    text=texts,
    dress=dresses,
    tokenised=st.booleans(),
    beam=st.integers(1, 4),
    size=st.integers(0, 5),
    packed=st.booleans(),
)
def test_each_line_is_decoded_as_if_alone(
    folder: Path,
    which: str,
    text: list[str],
    dress: Dress,
    tokenised: bool,
    beam: int,
    size: int,
    packed: bool,
) -> None:
    config = BeamConfig(beam=beam, max_length=5)
    with TemporaryDirectory() as name:
        source = write(Path(name), "in", text, dress)
        output = Path(name) / ("out.gz" if packed else "out")
        run = s2s_here(
            *("decode", "--model", folder / which, "--input", source, "--output", output),
            *("--beam", beam, "--batch-size", size, "--max-length", 5, "--device", "cpu"),
            *["--tokenised"] * tokenised,
        )
        assert run.code == 0, run.told
        got = read(output)
    given_lines = as_read(text, dress)
    assert len(got) == len(given_lines)
    expected = [alone(folder / which, tokenised, config, line) for line in given_lines]
    assert [line + "\n" for line in got] == expected


@examples(4)
@given(models, enormous, st.lists(known, max_size=3), st.integers(1, 4))
def test_an_enormous_line_is_cut_and_disturbs_no_other(
    folder: Path, which: str, line: str, others: list[str], size: int
) -> None:
    config = BeamConfig(beam=2, max_length=5)
    text = [*others, line, *others]
    model = model_of(folder / which, False)
    translated = ChunkTranslator(config, size).translate(model, LineChunk(0, text))
    expected = [alone(folder / which, False, config, each) for each in text]
    assert translated.text.decode() == "".join(expected)
    assert translated.counts.lines == len(text)


@examples(40)
@given(
    which=models,
    text=texts,
    tokenised=st.booleans(),
    nbest=st.integers(1, 4),
    most=st.integers(1, 9),
    share=st.sampled_from([0, 0.5, 1]),
)
def test_a_list_of_decode_is_rescored_to_the_same_scores(
    folder: Path, which: str, text: list[str], tokenised: bool, nbest: int, most: int, share: float
) -> None:
    config = BeamConfig(beam=4, nbest=nbest, max_length=5)
    options = ["--tokenised"] * tokenised
    with TemporaryDirectory() as name, patch.multiple(rescoring, MOST_HYPOTHESES=most):
        source = write(Path(name), "in", text, PLAIN)
        files = [Path(name) / each for each in ("list", "added", "best")]
        facts = ["--model", folder / which, "--device", "cpu", *options]
        beam = ["--beam", 4, "--nbest", nbest, "--max-length", 5]
        runs = [s2s_here("decode", *facts, "--input", source, "--output", files[0], *beam)]
        rescore = ["rescore", files[0], "--source", source, *facts]
        runs += [s2s_here(*rescore, "--add-feature", "--output", files[1])]
        runs += [s2s_here(*rescore, "--weight", share, "--output", files[2])]
        assert [run.code for run in runs] == [0, 0, 0], [run.told for run in runs]
        listed, added, best = map(read, files)
    given_lines = as_read(text, PLAIN)
    assert len(best) == len(given_lines)
    model, translator = model_of(folder / which, tokenised), ChunkTranslator(config, 1)
    found = [translator.search(model, [model.codec.source_ids(line)])[0] for line in given_lines]
    expected = [
        (number, each)
        for number, hypotheses in enumerate(found)
        for each in cast(list[Hypothesis | None], hypotheses) or [None]
    ]
    assert len(listed) == len(added) == len(expected)
    for before, after, (number, hypothesis) in zip(listed, added, expected, strict=True):
        entry = parse_entry(before, LIST, 1)
        assert entry.segment == number
        if hypothesis is None:
            assert entry.words == []
            ids = model.codec.source_ids(given_lines[number])
            (hypothesis,) = empty_hypotheses(model.scorer, [ids])
        score = format_number(hypothesis.log_prob)
        fields = before.split(" ||| ")
        assert after == " ||| ".join([*fields[:2], f"{fields[2]} s2s= {score}", fields[3]])
        assert fields[2:] == [f"S2S0= {score}", score]
    for line, hypotheses in zip(best, found, strict=True):
        assert line == (" ".join(model.codec.pieces(hypotheses[0].tokens)) if hypotheses else "")


hypotheses = st.lists(
    st.lists(st.sampled_from([*TARGET_WORDS, "nowhere", "UNK_"]), max_size=6),
    min_size=1,
    max_size=6,
)


@st.composite
def lists(draw: st.DrawFn) -> tuple[list[str], list[tuple[int, list[str]]], bool]:
    """Sources; ids and lines of segments for some of them, in any order; whether with totals."""
    sources = draw(st.lists(st.one_of(lines, known), min_size=1, max_size=5))
    ids = draw(st.lists(st.sampled_from(range(len(sources))), unique=True))
    totals = draw(st.booleans())
    segments = []
    for segment in ids:
        entries = []
        for made in draw(hypotheses):
            total = draw(st.floats(-50, 0)) if totals else 0.0
            line = format_entry(segment, " ".join(made), [("LM0", [1.0])], total)
            entries.append(line if totals else line.rpartition(" ||| ")[0])
        segments.append((segment, entries))
    return sources, segments, totals


@examples(40)
@given(models, lists(), dresses, st.integers(1, 9), st.integers(1, 9), st.sampled_from([0.2, 1.0]))
def test_each_hypothesis_is_scored_as_if_alone_and_the_best_win(
    folder: Path,
    which: str,
    made: tuple[list[str], list[tuple[int, list[str]]], bool],
    dress: Dress,
    most: int,
    run_length: int,
    share: float,
) -> None:
    sources, segments, totals = made
    directory = folder / which
    text = [line for _, entries in segments for line in entries]
    with (
        TemporaryDirectory() as name,
        patch.multiple(rescoring, MOST_HYPOTHESES=most),
        patch.multiple(rescorer_module, MOST_HYPOTHESES=most, LONGEST_RUN=run_length),
    ):
        source = write(Path(name), "in", sources, PLAIN)
        nbest = write(Path(name), "list", text, dress)
        added, best = Path(name) / "added", Path(name) / "best.gz"
        rescore = ["rescore", nbest, "--source", source, "--model", directory, "--device", "cpu"]
        run = s2s_here(*rescore, "--add-feature", "--output", added)
        assert run.code == 0, run.told
        run = s2s_here(*rescore, "--weight", share, "--output", best)
        assert run.code == 0, run.told
        got, winners = added.read_bytes(), read(best)
    missing = set(range(len(sources))) - {segment for segment, _ in segments}
    assert (f"no hypotheses for {len(missing)} of the sources" in run.told) == bool(missing)
    assert ("the list has no totals" in run.told) == (not totals and bool(segments))
    given_lines = as_read(sources, PLAIN)
    expected = [""] * len(sources)
    with_feature = []
    for segment, lines_of_segment in segments:
        values = []
        for line in lines_of_segment:
            entry = parse_entry(line, LIST, 1)
            score = score_alone(directory, given_lines[segment], tuple(entry.words))
            with_feature.append(line.replace("LM0= 1", f"LM0= 1 s2s= {format_number(score)}"))
            total = score if entry.total is None else entry.total
            values.append((1 - share) * total + share * score)
        best_place = values.index(max(values))
        expected[segment] = " ".join(parse_entry(lines_of_segment[best_place], LIST, 1).words)
    assert got == (replace(dress, packed=False).put_on(with_feature) if with_feature else b"")
    assert winners == expected


@cache
def score_alone(directory: Path, source: str, made: tuple[str, ...]) -> float:
    model = model_of(directory, False)
    lists_of_one = [(model.codec.source_ids(source), [model.codec.target_ids(made)])]
    return float(rescoring.log_probabilities(model.scorer, lists_of_one)[0, 0])


@examples(15)
@given(
    st.lists(st.sampled_from([0, 1, 2, 3, 7]), min_size=1, max_size=6),
    st.integers(0, 3),
)
def test_ids_beyond_the_source_or_that_come_back_are_named(
    folder: Path, ids: list[int], first: int
) -> None:
    with TemporaryDirectory() as name:
        source = write(Path(name), "in", ["one", "two"], PLAIN)
        nbest = write(Path(name), "list", [f"{each} ||| un" for each in ids], PLAIN)
        output = Path(name) / "best"
        run = s2s_here(
            *("rescore", nbest, "--source", source, "--model", folder / "raw"),
            *("--first-id", first, "--output", output, "--device", "cpu"),
        )
        bad = [
            place
            for place, each in enumerate(ids)
            if not first <= each < first + 2 or (each in ids[:place] and ids[place - 1] != each)
        ]
        assert run.code == bool(bad)
        assert output.exists() == (not bad)
        if bad:
            assert run.told.startswith(f"s2s: {nbest}:{bad[0] + 1}: id {ids[bad[0]]} ")
            assert run.told.count("\n") == 1
        else:
            assert len(read(output)) == 2


@examples(15)
@given(texts, dresses, dresses, st.booleans(), st.data())
def test_score_counts_the_same_lines(
    text: list[str], dress: Dress, other: Dress, tokenised: bool, data: st.DataObject
) -> None:
    text = ["un deux trois quatre .", *text]
    count = len(as_read(text, dress))
    with TemporaryDirectory() as name:
        hypothesis = write(Path(name), "out", text, dress)
        reference = write(Path(name), "ref", as_read(text, dress), PLAIN)
        options = ["--hypothesis", hypothesis, *["--tokenised"] * tokenised]
        run = s2s_here("score", reference, "--json", *options)
        assert run.code == 0, run.told
        told = json.loads(run.out)
        assert told["lines"] == count
        assert [round(each["value"], 6) for each in told["scores"].values()] == [100] * 3
        more = data.draw(st.integers(1, 3))
        write(Path(name), "ref", [*as_read(text, dress), *["x"] * more], PLAIN)
        run = s2s_here("score", reference, "--json", *options)
        assert (run.code, run.out) == (1, "")
        assert f"has {counted(count, 'line')}" in run.told and f"has {count + more};" in run.told
