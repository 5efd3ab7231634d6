"""A model directory from a stranger runs no code, takes no memory, and leads nowhere else."""

import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from damaged import CPU, bounded

from s2s_cli.errors import UserError
from s2s_cli.model.config import Shape
from s2s_cli.model.description import BEST, LAST
from s2s_cli.model.directory import load_model, load_tensors
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import Facts

GOLDEN = Path(__file__).parents[1] / "golden" / "model-1"
# Pickles of protocol 2, by hand: two to the fortieth bytes, and numbers as many.
LARGE = b"\x8a\x06\x00\x00\x00\x00\x00\x01"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return shutil.copytree(GOLDEN, tmp_path / "model")


def repacked(
    path: Path,
    change: Callable[[str, bytes], bytes] = lambda _, content: content,
    method: int = zipfile.ZIP_STORED,
) -> None:
    """Write an archive anew, with sound checksums."""
    with zipfile.ZipFile(GOLDEN / BEST) as old, zipfile.ZipFile(path, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


def with_pickle(path: Path, pickled: bytes) -> None:
    repacked(path, lambda name, content: pickled if name.endswith("data.pkl") else content)


def refused(model: Path) -> str:
    with bounded(), pytest.raises(UserError) as told:
        load_model(model, CPU)
    return str(told.value)


def test_an_archive_that_was_only_repacked_is_as_good(model: Path) -> None:
    repacked(model / BEST)
    load_model(model, CPU)


class Runs:
    """What runs a command when an ordinary reader of pickles sees it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("name", [BEST, LAST])
@pytest.mark.parametrize("place", ["whole", "model", "tensor", "optimisers", "random"])
def test_a_pickle_that_runs_a_command_runs_nothing(name: str, place: str, model: Path) -> None:
    mark = model / "ran"
    evil: Any = Runs(mark)
    content: dict[str, Any] = {"format": 1, "model": {}}
    match place:
        case "whole":
            content = evil
        case "tensor":
            content["model"] = {"source_embedding.weight": evil}
        case "optimisers":
            content[place] = [{"state": {0: {"exp_avg": evil}}, "param_groups": []}]
        case _:
            content[place] = evil
    with_pickle(model / name, pickle.dumps(content, 2))
    for reading in (lambda: load_model(model / name, CPU), lambda: load_tensors(model / name)):
        with pytest.raises(UserError, match=f"{name}: damaged.*more than tables"):
            reading()
    # Nor does a bare pickle, without an archive around it.
    (model / name).write_bytes(pickle.dumps(content, 2))
    with pytest.raises(UserError, match=f"{name}: damaged"):
        load_model(model / name, CPU)
    assert not mark.exists()


def nested(kind: type, depth: int, times: int) -> Any:
    value: Any = kind()
    for _ in range(depth):
        value = kind([value] * times)
    return value


PICKLES: dict[str, bytes] = {
    "bytearray": b"\x80\x02c__builtin__\nbytearray\n" + LARGE + b"\x85R.",
    "tensor": b"\x80\x02ctorch\nTensor\n" + LARGE + b"\x85\x81.",
    "lists in lists": pickle.dumps({"format": 1, "model": {"a": nested(list, 60, 2)}}, 2),
    "wide lists": pickle.dumps({"format": 1, "model": {"a": nested(list, 5, 1000)}}, 2),
    "tuples as keys": b"\x80\x02})q\x00"
    + b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60))
    + b"K\x01s.",
    "deep lists": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    "large": b"\x80\x02" + b"N" * (1 << 20) + b".",
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_small_pickle_does_not_become_large(name: str, model: Path) -> None:
    with_pickle(model / BEST, PICKLES[name])
    assert "best.pt: damaged" in refused(model)


def test_a_compressed_archive_is_refused(model: Path) -> None:
    zeros = bytes(1 << 28)
    repacked(
        model / BEST,
        lambda name, content: zeros if name.endswith("data/0") else content,
        zipfile.ZIP_DEFLATED,
    )
    assert (model / BEST).stat().st_size < 1 << 20
    assert "is compressed" in refused(model)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_records_of_one_name_are_refused(model: Path) -> None:
    repacked(model / BEST)
    with zipfile.ZipFile(model / BEST, "a") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02.")
    assert "two records of one name" in refused(model)


def test_bytes_behind_the_archive_are_refused(model: Path) -> None:
    """Readers look for the end from behind, and would not all find the same one."""
    with (model / BEST).open("ab") as stream:
        stream.write((GOLDEN / BEST).read_bytes()[-22:])
    assert "not at its end" in refused(model)


@pytest.mark.parametrize("cells", [10**4, 10**6])
def test_one_number_does_not_stand_for_many(cells: int, model: Path) -> None:
    """Tensors of the right shapes over a single number each, which is repeated."""
    description = json.loads((model / "model.json").read_bytes())
    description["shape"] |= {"hidden_size": cells, "embedding_size": cells}
    (model / "model.json").write_text(json.dumps(description))
    with torch.device("meta"):
        shapes = Seq2Seq(Shape(**description["shape"])).state_dict()
    repeated = {name: torch.zeros(1).expand(each.shape) for name, each in shapes.items()}
    torch.save({"format": 1, "model": repeated}, model / BEST)
    assert "larger than the file" in refused(model)


@pytest.mark.parametrize(
    "change",
    [
        {"decoder_layers": 10**9, "bridge": "concat"},
        {"decoder_hidden_size": 10**12, "bridge": "linear"},
        {"decoder_hidden_size": 2**63, "bridge": "linear"},
        {"hidden_size": 10**400},
        {"attention": "additive"},
        {"cell": "gru"},
        {"peeky": True},
    ],
)
def test_weights_of_the_plain_model_are_not_those_of_a_variant(
    change: dict[str, object], model: Path
) -> None:
    description = json.loads((model / "model.json").read_bytes())
    description["shape"] |= change
    (model / "model.json").write_text(json.dumps(description))
    assert "do not fit model.json" in refused(model)


@pytest.mark.parametrize("language", ["../../x", "/etc/passwd", "..", "", "a/b", "gz", "a\0b"])
def test_a_language_is_no_path(language: str, model: Path) -> None:
    description = json.loads((model / "model.json").read_bytes())
    description["facts"]["source_language"] = language
    (model / "model.json").write_text(json.dumps(description))
    assert "is not a language code" in refused(model)
    facts = {"format": 1, **description["facts"]}
    (model / "facts.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"facts\.json: .* is not a language code"):
        Facts.read(model)


@pytest.mark.parametrize("name", ["model.json", "vocab.en", BEST])
@pytest.mark.parametrize("kind", ["pipe", "device", "directory", "nowhere"])
def test_what_has_no_end_is_not_read(name: str, kind: str, model: Path) -> None:
    (model / name).unlink()
    match kind:
        case "pipe":
            os.mkfifo(model / name)
        case "device":
            (model / name).symlink_to("/dev/zero")
        case "directory":
            (model / name).mkdir()
        case _:
            (model / name).symlink_to(model / "missing")
    assert str(model) in refused(model)


def test_a_link_to_a_file_is_that_file(model: Path) -> None:
    for name in ("model.json", "vocab.en", BEST):
        (model / name).unlink()
        (model / name).symlink_to(GOLDEN / name)
    load_model(model, CPU)


@pytest.mark.parametrize(
    "content", ["a\t1\n" * 4, "a\t" + "9" * 5000 + "\n", "a\n", "\t1\n", "a b\t1\n", "\0" * 99]
)
def test_a_vocabulary_that_is_none_is_refused(content: str, model: Path) -> None:
    (model / "vocab.fr").write_text(content)
    assert "vocab.fr" in refused(model)


@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": ' + "1" * 5000 + "}", "{}", "7"])
def test_a_description_that_is_none_is_refused(content: str, model: Path) -> None:
    (model / "model.json").write_text(content)
    assert "model.json" in refused(model)
