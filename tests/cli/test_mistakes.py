"""Each mistake is told in one sentence that names what is wrong, and leaves nothing half-made."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


def snapshot(directory: Path) -> dict[str, bytes]:
    """Every file and its bytes."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def refused(s2s: Run) -> Callable[..., str]:
    """Run a command that must refuse; the sentence it says, after which nothing has changed."""

    def run(*arguments: str | Path, cwd: Path, input: bytes = b"", code: int = 1) -> str:
        before = snapshot(cwd)
        ended = s2s(*arguments, cwd=cwd, input=input)
        said = ended.stderr.decode()
        assert (ended.returncode, ended.stdout) == (code, b""), said
        # `train` says what it will take first; the refusal is the last that is said.
        begin = said.rindex("s2s: ")
        assert said[:begin] == "" or arguments[0] == "train"
        told = said[begin:]
        assert told.count("\n") == 1
        assert snapshot(cwd) == before
        return told

    return run


@pytest.fixture
def copy(tiny_experiment: Path, tmp_path: Path) -> Path:
    """An experiment to spoil."""
    return Path(shutil.copytree(tiny_experiment, tmp_path / "copy"))


def test_commands_out_of_turn_name_the_one_before(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    for command, parts in {
        "prep": ("corpus/train.en", "--corpus"),
        "vocab": ("data/facts.json", "s2s prep"),
        "train": ("data/corpus.json", "s2s vocab"),
        "decode": ("model", "not a model directory", "s2s train"),
        "rescore": ("corpus/test.en",),
        "score": ("corpus/test.fr",),
    }.items():
        told = refused(command, cwd=tmp_path)
        assert all(part in told for part in parts), told
    assert not list(tmp_path.iterdir())


def test_bad_text_is_refused_by_prep_before_anything_appears(
    refused: Callable[..., str], copy: Path
) -> None:
    shutil.rmtree(copy / "data")
    corpus = copy / "corpus"
    good = (corpus / "valid.en").read_bytes()

    (corpus / "valid.en").write_bytes(good + b"one more\n")
    told = refused("prep", cwd=copy)
    assert "valid.en has 21" in told and "valid.fr has 20" in told

    (corpus / "valid.en").write_bytes(good.replace(b"\n", b"\n\xff", 1))
    assert "corpus/valid.en:2: invalid UTF-8" in refused("prep", cwd=copy)

    (corpus / "valid.en").unlink()
    assert "corpus/valid.en: no such file" in refused("prep", cwd=copy)

    (corpus / "valid.en").mkdir()
    assert "corpus/valid.en: is a directory" in refused("prep", cwd=copy)

    (corpus / "valid.en").rmdir()
    (corpus / "valid.en.gz").write_bytes(b"\x1f\x8b\x08\0 cut off")
    assert "corpus/valid.en.gz: damaged" in refused("prep", cwd=copy)

    (corpus / "valid.en.gz").write_bytes(b"not packed")
    assert "corpus/valid.en.gz: damaged" in refused("prep", cwd=copy)

    (corpus / "valid.en.gz").unlink()
    (corpus / "valid.en").write_bytes(good)
    for language in ("en", "fr"):
        (corpus / f"train.{language}").write_bytes(b"")
    assert "corpus/train.en" in refused("prep", cwd=copy)


def test_a_vocabulary_of_nothing_is_refused(s2s: Run, copy: Path) -> None:
    before = snapshot(copy)
    run = s2s("vocab", "--source-size", "0", cwd=copy)
    assert run.returncode == 2
    assert "--source-size" in run.stderr.decode().splitlines()[-1]
    assert snapshot(copy) == before


def test_output_that_cannot_be_written_is_named(refused: Callable[..., str], copy: Path) -> None:
    within_a_file = copy / "corpus" / "test.en" / "out.fr"
    for command in (["prep", "--output"], ["decode", "--output"], ["rescore", "list", "--output"]):
        (copy / "list").write_bytes(b"0 ||| un\n")
        told = refused(*command, within_a_file, cwd=copy)
        assert "corpus/test.en/out.fr" in told and "cannot be written" in told
    assert "corpus: is a directory" in refused("decode", "--output", "corpus", cwd=copy)


Spoil = Callable[[Path], object]


def change_json(name: str, **changes: object) -> Spoil:
    def spoil(model: Path) -> None:
        content = json.loads((model / name).read_text("utf-8"))
        (model / name).write_text(json.dumps(content | changes), "utf-8")

    return spoil


def cut_in_half(name: str) -> Spoil:
    return lambda model: (model / name).write_bytes((model / name).read_bytes()[:9000])


def no_weights(model: Path) -> None:
    for name in ("best.pt", "last.pt"):
        (model / name).unlink()


# How to spoil a model directory, and what must then be named.
SPOILT: dict[str, tuple[Spoil, str]] = {
    "no description": (
        lambda model: (model / "model.json").unlink(),
        "model: not a model directory",
    ),
    "garbage": (lambda model: (model / "model.json").write_bytes(b"{\xff"), "model/model.json"),
    "not an object": (lambda model: (model / "model.json").write_bytes(b"[]"), "model/model.json"),
    "of the future": (change_json("model.json", format=99), "model/model.json: format 99"),
    "without shape": (change_json("model.json", shape=None), "model/model.json"),
    "without facts": (change_json("model.json", facts={}), "model/model.json"),
    "weights cut off": (cut_in_half("best.pt"), "model/best.pt: damaged"),
    "weights of something else": (
        lambda model: (model / "best.pt").write_bytes(b"\x80\x04N."),
        "model/best.pt: damaged",
    ),
    "no weights yet": (no_weights, "model: has no weights"),
    "vocabulary changed": (
        lambda model: (model / "vocab.fr").write_bytes(
            (model / "vocab.fr").read_bytes().replace(b"deux", b"DEUX")
        ),
        "model/vocab.fr",
    ),
    "vocabulary gone": (lambda model: (model / "vocab.fr").unlink(), "model/vocab.fr"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_model_directory_is_refused(
    case: str, refused: Callable[..., str], copy: Path
) -> None:
    spoil, named = SPOILT[case]
    spoil(copy / "model")
    assert named in refused("decode", "--tokenised", cwd=copy, input=b"one\n")


def test_models_of_different_words_are_no_ensemble(refused: Callable[..., str], copy: Path) -> None:
    other = Path(shutil.copytree(copy / "model", copy / "other"))
    text = (other / "vocab.fr").read_text("utf-8").replace("deux", "DEUX")
    (other / "vocab.fr").write_text(text, "utf-8")
    words = "\n".join(line.split("\t")[0] for line in text.splitlines())
    description = json.loads((other / "model.json").read_text("utf-8"))
    description["vocabularies"]["fr"] = hashlib.sha256(words.encode()).hexdigest()
    (other / "model.json").write_text(json.dumps(description), "utf-8")
    told = refused("decode", "--model", "model", "--model", "other", cwd=copy, input=b"one\n")
    assert "target vocabulary" in told and "other" in told
    assert "source vocabulary" not in told


def test_what_rescore_cannot_read_is_named_with_its_line(
    refused: Callable[..., str], copy: Path
) -> None:
    for text, parts in (
        (b"0 ||| un ||| ||| -1\n10 ||| un ||| ||| -1\n", ("list:2", "id 10", "10 lines")),
        (b"0 ||| un ||| ||| -1\nun deux\n", ("list:2", "|||")),
        (b"0 ||| un ||| ||| -1\n0 ||| un\n", ("list:2", "total")),
    ):
        (copy / "list").write_bytes(text)
        told = refused("rescore", "list", "--output", "best", cwd=copy)
        assert all(part in told for part in parts), told
    (copy / "list").unlink()
    assert "list: no such file" in refused("rescore", "list", cwd=copy)


def test_options_that_do_not_go_together(refused: Callable[..., str], copy: Path) -> None:
    told = refused("decode", "--nbest", "4", "--beam", "3", cwd=copy, code=2)
    assert "--nbest 4" in told and "--beam 4" in told
    assert "stdin" in refused("rescore", "-", "--source", "-", cwd=copy, code=2)
    assert "feature-name" in refused("rescore", "--feature-name", "a b", cwd=copy, code=2)
    for device in ("abacus", "meta"):
        assert "--device" in refused("decode", "--device", device, cwd=copy, code=2)


def test_train_names_every_setting_that_changed(refused: Callable[..., str], copy: Path) -> None:
    told = refused("train", "--hidden-size", "17", "--seed", "5", cwd=copy)
    for part in ("hidden-size was 16, now 17", "seed was 1, now 5"):
        assert part in told
    assert "learning-rate" not in told
    assert "--device" in refused("train", "--device", "abacus", cwd=copy, code=2)
    # A corpus that was numericalised anew is not the one that was trained on.
    manifest = copy / "data" / "corpus.json"
    content = json.loads(manifest.read_text("utf-8"))
    content["splits"]["train"]["unknown"]["en"] += 1
    manifest.write_text(json.dumps(content), "utf-8")
    assert "data" in refused("train", cwd=copy)


def test_a_damaged_corpus_is_not_trained_on(refused: Callable[..., str], copy: Path) -> None:
    with (copy / "data" / "train.fr.ids").open("ab") as stream:
        stream.write(b"\0\0\0\0")
    told = refused("train", "--model", "new", cwd=copy)
    assert "data/train.fr.ids: damaged" in told
    (copy / "data" / "vocab.en").write_bytes(b"one\t1\n")
    assert "data/vocab.en" in refused("train", "--model", "new", cwd=copy)


def test_numbers_without_measure_are_refused(refused: Callable[..., str], copy: Path) -> None:
    told = refused("train", "--model", "new", "--epochs", "inf", cwd=copy, code=2)
    assert "--epochs inf" in told


def test_a_model_larger_than_memory_is_told_in_a_sentence(
    refused: Callable[..., str], copy: Path
) -> None:
    told = refused("train", "--model", "new", "--hidden-size", "10000000", cwd=copy)
    assert "out of memory" in told
