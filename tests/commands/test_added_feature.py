"""``s2s rescore --add-feature``: the list byte for byte, and one feature in the list's manner."""

import gzip
import re
from pathlib import Path

import pytest
from odd_models import s2s_here, write_model

from s2s_cli.text.features import has_feature
from s2s_cli.text.nbest import parse_entry

# Nothing but the new feature, with the blank before it.
ADDED = re.compile(rb" s2s(?:= |: |=)-[\d.]+")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(
        tmp_path_factory.mktemp("m") / "model", tokenised=True, reverse=False, seed=1
    )


def added(model: Path, folder: Path, content: bytes, *options: str) -> bytes:
    """What becomes of a list, and what of that in a second run."""
    (folder / "in").write_text("one\ntwo\n")
    (folder / "list").write_bytes(content)
    arguments = ["--source", folder / "in", "--model", model, "--add-feature", "--device", "cpu"]
    for source, output in (("list", "wider"), ("wider", "again")):
        where = [folder / source, *arguments, "--output", folder / output]
        done = s2s_here("rescore", *where, *options)
        assert done.code == 0, done.told
    wider = (folder / "wider").read_bytes()
    assert (folder / "again").read_bytes() == wider
    return wider


@pytest.mark.parametrize(
    "content",
    [
        b"0 ||| un ||| x= 1 ||| -1\r\n0 ||| deux ||| x= 2 ||| -1\r\n1 ||| un ||| x= 3 ||| -1\r\n",
        b"0 ||| un ||| x= 1 ||| -1\n0 ||| deux ||| x= 2 ||| -1",
        b"0 ||| un ||| x= 1 ||| -1\r\n0 ||| deux ||| x= 2 ||| -1\r",
        b"\xef\xbb\xbf0 ||| un ||| x= 1 ||| -1\n1 ||| un ||| x= 3 ||| -1\n",
        b"\n\r\n0 ||| un ||| x= 1 ||| -1\n\n\n0 ||| un ||| x= 5\n\r\n1 ||| un ||| x= 3\n\n\n",
        b"\xef\xbb\xbf\r\n\n0 ||| un ||| x= 1 ||| -1\r\n\n1 ||| un ||| x= 3 ||| -1\n\n\r\n",
        b"0 ||| un ||| x= 1\x1fz= 2 y\xe2\x80\xa8= 2 ||| -1\n0 ||| un\x1f ||| x= 1 ||| -1 ||| \x1e",
        b"",
    ],
)
def test_every_byte_stays_where_it_was(model: Path, tmp_path: Path, content: bytes) -> None:
    wider = added(model, tmp_path, content)
    entries = sum(b"|||" in line for line in content.split(b"\n"))
    assert ADDED.subn(b"", wider) == (content, entries)


def test_a_packed_list_too(model: Path, tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf0 ||| un ||| x= 1 ||| -1\r\n\r\n"
    (tmp_path / "in").write_text("one\n")
    (tmp_path / "list.gz").write_bytes(gzip.compress(content))
    where = [tmp_path / "list.gz", "--source", tmp_path / "in", "--output", tmp_path / "out.gz"]
    assert s2s_here("rescore", *where, "--model", model, "--add-feature").code == 0
    assert ADDED.subn(b"", gzip.decompress((tmp_path / "out.gz").read_bytes())) == (content, 1)


@pytest.mark.parametrize(("manner", "other"), [(": ", "= "), ("= ", "="), ("=", ": ")])
def test_labels_are_those_of_the_list(model: Path, tmp_path: Path, manner: str, other: str) -> None:
    """The first label of the list decides, also for entries without labels and with others."""
    lines = [
        "0 ||| un",
        "0 ||| deux |||  ||| -1",
        f"0 ||| un deux ||| x{manner}1 ||| -1",
        "0 ||| deux un ||| -3 4 ||| -1",
        f"1 ||| un ||| x{other}1 ||| -1",
        "1 ||| deux ||| ||| -1",
    ]
    wider = added(model, tmp_path, "\n".join(lines).encode()).decode().split("\n")
    assert len(wider) == len(lines)
    for line in wider:
        assert re.search(rf"s2s{manner}-\d", line), line


@pytest.mark.parametrize("name", ["lstm", "é", "l-2_x.y", "名", "(", "s2s0"])
def test_names_that_read_back(model: Path, tmp_path: Path, name: str) -> None:
    wider = added(model, tmp_path, b"0 ||| un ||| x= 1 ||| -1\n", "--feature-name", name)
    entry = parse_entry(wider.decode().rstrip("\n"), tmp_path, 1)
    assert has_feature(entry, name) and wider.count(name.encode()) == 1


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "a b",
            "a\tb",
            "a=b",
            "a:",
            "|",
            "a\x1fb",
            "\x7f",
            "a\u2028b",
            "a\u0085b",
            "a\u00a0b",
        ),
        *("a\u200bb", "\ufeff", "\udcff", "a\rb", "total", "unlabelled"),
    ],
)
def test_names_that_would_not(tmp_path: Path, name: str) -> None:
    done = s2s_here("rescore", tmp_path / "list", "--add-feature", "--feature-name", name)
    assert done.code == 2 and "--feature-name" in done.told
    assert done.told.count("\n") == 1


def test_a_feature_that_comes_up_late_is_not_added_twice(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("one\n")
    (tmp_path / "list").write_text("0 ||| un ||| x= 1 ||| -1\n0 ||| deux ||| s2s= 1 ||| -1\n")
    where = [tmp_path / "list", "--source", tmp_path / "in", "--output", tmp_path / "out"]
    done = s2s_here("rescore", *where, "--model", model, "--add-feature")
    assert done.code == 1 and "list:2: has the feature s2s already" in done.told
    assert not (tmp_path / "out").exists()
