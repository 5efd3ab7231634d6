"""What an earlier version wrote is read for good, and gives what it gave then (see make.py)."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Run

from s2s_cli import __version__
from s2s_cli.data.corpus import Corpus, Side
from s2s_cli.errors import UserError
from s2s_cli.model.description import BEST
from s2s_cli.model.directory import load_model, save_tensors
from s2s_cli.text.facts import Facts
from s2s_cli.text.nbest import BAR
from s2s_cli.text.vocabulary import Vocabulary

HERE = Path(__file__).parent
MODELS = sorted(HERE.glob("model-*"))
DATA = sorted(HERE.glob("data-*"))
# Of a score with seven digits: the last ones are not the same on every machine.
TOLERANCE = 1e-5


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def check_entries(found: str, expected: str) -> None:
    """The same lines up to the last digits of numbers."""
    assert found.count("\n") == expected.count("\n")
    for one, other in zip(found.splitlines(), expected.splitlines(), strict=True):
        fields, wanted = one.split(BAR), other.split(BAR)
        assert fields[:2] == wanted[:2]
        for tokens, others in zip(fields[2:], wanted[2:], strict=True):
            assert len(tokens.split()) == len(others.split())
            for token, known in zip(tokens.split(), others.split(), strict=True):
                if known.endswith("="):
                    assert token == known
                else:
                    assert float(token) == pytest.approx(float(known), rel=TOLERANCE, abs=TOLERANCE)


@pytest.mark.parametrize("model", MODELS, ids=names(MODELS))
def test_an_old_model_gives_the_lines_and_scores_it_gave(
    model: Path, s2s: Run, tmp_path: Path
) -> None:
    own = shutil.copytree(model, tmp_path / "model")
    options = ["--model", own, "--device", "cpu", "--threads", "1"]

    def run(*arguments: str | Path) -> str:
        done = s2s(*arguments, *options, input=(model / "lines.en").read_bytes(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def known(name: str) -> str:
        return (model / name).read_text("utf-8")

    assert run("decode", "--beam", "4") == known("lines.fr")
    check_entries(run("decode", "--beam", "4", "--nbest", "4"), known("nbest.txt"))
    rescore: list[str | Path] = ["rescore", own / "list.txt", "--source", own / "lines.en"]
    check_entries(run(*rescore, "--add-feature"), known("list.scored.txt"))
    assert run(*rescore) == known("winners.fr")
    # The model's own hypotheses get from rescore what decode gave them. (Up to 0.3 blank lines had
    # 0 from decode; the lists are those of today.)
    rescore[1] = own / "nbest.txt"
    for line in run(*rescore, "--add-feature").splitlines():
        _, _, features, _ = line.split(BAR)
        _, first, _, again = features.split()
        assert float(first) == pytest.approx(float(again), rel=TOLERANCE)


def text_of(side: Side, vocabulary: Vocabulary) -> list[str]:
    return [" ".join(vocabulary.decode(side[index].tolist())) for index in range(len(side))]


@pytest.mark.parametrize("data", DATA, ids=names(DATA))
def test_old_data_are_the_text_they_were_made_of(data: Path) -> None:
    corpus = Corpus.open(data)
    assert corpus.facts == Facts.read(data)
    facts = corpus.facts
    assert facts.reverse_source
    english_pieces, french_pieces = facts.subwords.splitters(corpus.piece_models, facts.languages)
    assert corpus.valid is not None
    for name, split in (("train", corpus.train), ("valid", corpus.valid)):
        french = (data / f"{name}.fr").read_text("utf-8").splitlines()
        assert text_of(split.target, corpus.target_vocabulary) == french
        # The corpus of make.py is translated word by word, and the source stands reversed.
        words = dict(
            zip(("un", "deux", "trois", "quatre"), ("one", "two", "three", "four"), strict=True)
        )
        texts = [french_pieces.join(line.split(" ")) for line in french]
        split_up = [english_pieces.split([words[each] for each in text]) for text in texts]
        english = [" ".join(reversed(pieces)) for pieces in split_up]
        assert text_of(split.source, corpus.source_vocabulary) == english


@pytest.mark.parametrize("file", ["data-2-bpe/facts.json", "model-2-bpe/model.json"])
def test_a_format_with_pieces_does_not_pass_for_one_without(file: str, tmp_path: Path) -> None:
    """Nor does the entry for pieces go missing unnoticed."""
    own = tmp_path / Path(file).name
    shutil.copytree(HERE / Path(file).parent, tmp_path, dirs_exist_ok=True)
    content = json.loads((HERE / file).read_bytes())
    del content.get("facts", content)["subwords"]
    own.write_text(json.dumps(content))
    with pytest.raises(UserError, match="subwords is missing or malformed"):
        Facts.read(tmp_path) if "facts" in file else load_model(tmp_path, torch.device("cpu"))


def change_format(path: Path, number: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "format": number}))


@pytest.mark.parametrize("number", [4, 10**30, 0, -1, True, 1.0, "1", None, [1]])
@pytest.mark.parametrize("file", ["facts.json", "corpus.json", "model.json", BEST])
def test_another_format_is_refused_with_the_version_to_use(
    file: str, number: Any, tmp_path: Path
) -> None:
    old = HERE / ("data-1" if file in ("facts.json", "corpus.json") else "model-1")
    own = shutil.copytree(old, tmp_path / "own")
    if file == BEST:
        weights = torch.load(own / BEST, weights_only=True)["model"]
        save_tensors(own / BEST, {"model": weights, "format": number})
    else:
        change_format(own / file, number)
    with pytest.raises(UserError) as refused:
        match file:
            case "facts.json":
                Facts.read(own)
            case "corpus.json":
                Corpus.open(own)
            case _:
                load_model(own, torch.device("cpu"))
    told = str(refused.value)
    known = "1" if file == BEST else "1, 2 or 3"
    assert told.startswith(f"{own / file}: format {number!r} is not the format {known} that s2s ")
    assert f"s2s {__version__} reads; " in told
    newer = "it is newer: use the version of s2s that wrote it, or a later one"
    assert (newer in told) == (type(number) is int and number > 1)
