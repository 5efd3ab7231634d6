"""Downloading WMT'14: nothing twice, nothing by halves, nothing wrong; unpacking it."""

import gzip
import hashlib
import http.server
import io
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

RECIPE = Path(__file__).parents[2] / "recipes/wmt14_en_fr"
SIZE = 300_000


def archive(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return packed.getvalue()


ARCHIVE = archive({"text": bytes(range(256)) * (SIZE // 256)}, "w")


class Site:
    """A server of one file, which can be told to break off."""

    def __init__(self) -> None:
        self.content = ARCHIVE
        self.breaks: list[int] = []  # after so many bytes of an answer, one each
        self.asked: list[str | None] = []
        self.tells_length = True
        self.length: str | None = None  # told in place of the right one
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/a.tar"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        version = f'"{hashlib.sha256(self.content).hexdigest()}"'
        wanted = request.headers["Range"]
        self.asked.append(wanted)
        start = 0
        if wanted and request.headers["If-Range"] == version:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])  # type: ignore[index]
        rest = self.content[start:]
        request.send_response(206 if start else 200)
        if start:
            size = len(self.content)
            request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        if self.tells_length:
            request.send_header("Content-Length", self.length or str(len(rest)))
        request.send_header("ETag", version)
        request.end_headers()
        request.wfile.write(rest[: self.breaks.pop(0)] if self.breaks else rest)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever)
    thread.start()
    yield site
    site.server.shutdown()
    site.server.server_close()
    thread.join()


def download(folder: Path, site: Site, pauses: str = "", **known: Any) -> Any:
    facts = {"file": "a.tar", "url": site.url, **known}
    lines = [f"{key} = {value!r}" for key, value in facts.items()]
    (folder / "sources.toml").write_text("\n".join(["[[archive]]", *lines]))
    command = [
        sys.executable,
        str(RECIPE / "download.py"),
        "sources.toml",
        "kept",
        "--pauses",
        pauses,
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "kept").iterdir()}


SUMS = f"{hashlib.sha256(ARCHIVE).hexdigest()}  a.tar\n".encode()


def test_it_is_downloaded_once_and_its_checksum_recorded(tmp_path: Path, site: Site) -> None:
    done = download(tmp_path, site)
    assert done.returncode == 0, done.stderr
    assert "no checksum is known; recorded the one found" in done.stderr
    assert kept(tmp_path) == {"a.tar": ARCHIVE, "SHA256SUMS": SUMS}
    assert download(tmp_path, site).returncode == 0
    assert len(site.asked) == 1


def test_a_truncated_download_is_not_taken_and_goes_on_later(tmp_path: Path, site: Site) -> None:
    site.breaks = [100_000]
    done = download(tmp_path, site)
    assert done.returncode == 1
    assert f"it ended after 100,000 of {len(ARCHIVE):,} bytes" in done.stderr
    assert "a.tar" not in kept(tmp_path)
    assert download(tmp_path, site).returncode == 0
    assert site.asked == [None, "bytes=100000-"]
    assert kept(tmp_path) == {"a.tar": ARCHIVE, "SHA256SUMS": SUMS}


def test_it_tries_again_by_itself(tmp_path: Path, site: Site) -> None:
    site.breaks = [100_000, 50_000]
    assert download(tmp_path, site, pauses="0,0").returncode == 0
    assert site.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert kept(tmp_path)["a.tar"] == ARCHIVE


def test_halves_of_different_files_are_not_glued_together(tmp_path: Path, site: Site) -> None:
    site.breaks = [100_000]
    download(tmp_path, site)
    site.content = archive({"text": b"another" * 60_000}, "w")
    assert download(tmp_path, site).returncode == 0
    assert kept(tmp_path)["a.tar"] == site.content


def test_without_a_length_the_known_size_tells_what_is_missing(tmp_path: Path, site: Site) -> None:
    site.breaks, site.tells_length = [100_000], False
    done = download(tmp_path, site, bytes=len(ARCHIVE))
    assert done.returncode == 1
    assert f"it ended after 100,000 of {len(ARCHIVE):,} bytes" in done.stderr
    assert set(kept(tmp_path)) == {"a.tar.part", "a.tar.part.version"}


def test_without_a_length_and_a_size_the_archive_tells(tmp_path: Path, site: Site) -> None:
    site.content, site.tells_length = archive({"text": bytes(range(256)) * 1000}), False
    site.breaks = [len(site.content) - 10]
    done = download(tmp_path, site, file="a.tgz")
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert "a.tgz" not in kept(tmp_path)


def test_an_error_page_is_not_an_archive(tmp_path: Path, site: Site) -> None:
    site.content = b"<html>moved</html>" * 100
    assert download(tmp_path, site).returncode == 1
    assert "a.tar" not in kept(tmp_path)


def test_another_checksum_than_the_recorded_or_known_one(tmp_path: Path, site: Site) -> None:
    assert download(tmp_path, site).returncode == 0
    (tmp_path / "kept/a.tar").write_bytes(ARCHIVE[:-1] + b"!")
    done = download(tmp_path, site)
    assert done.returncode == 1
    assert "its SHA-256 is" in done.stderr
    done = download(tmp_path / "kept", site, sha256="0" * 64)
    assert done.returncode == 1
    assert not (tmp_path / "kept/kept/a.tar").exists()


def test_a_remembered_size_is_compared_and_told(tmp_path: Path, site: Site) -> None:
    known: dict[str, Any] = {"remembered-bytes": 1_000_000}
    done = download(tmp_path, site, **known)
    assert done.returncode == 0
    assert "about 1,000,000 were remembered" in done.stderr


SGM = '<refset>\n<seg id="1">A &amp; B\u00a0! </seg>\n<seg id="2">C</seg>\n</refset>\n'.encode()
TEXT = """\
[[archive]]
file = "a.tgz"
[[text]]
name = "plain"
archive = "a.tgz"
en = "in/plain.en"
fr = "in/packed.fr.gz"
{facts}
[[text]]
name = "sgm"
archive = "a.tgz"
en = "sgm.en.sgm"
fr = "sgm.fr.sgm"
md5 = {{ en = "{md5}" }}
"""


def unpack(folder: Path, facts: str = "", french: bytes = b"a\nb\n", md5: str = "") -> Any:
    members = {"./in/plain.en": b"x\xe2\x80\xa8\ny\n", "in/packed.fr.gz": gzip.compress(french)}
    content = archive({**members, "sgm.en.sgm": SGM, "sgm.fr.sgm": SGM})
    (folder / "a.tgz").write_bytes(content)
    md5 = md5 or hashlib.md5(SGM).hexdigest()
    (folder / "sources.toml").write_text(TEXT.format(facts=facts, md5=md5))
    command = [sys.executable, str(RECIPE / "unpack.py"), "sources.toml", ".", "out"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_texts_come_out_of_their_archive(tmp_path: Path) -> None:
    done = unpack(tmp_path, "remembered-pairs = 3")
    assert done.returncode == 0, done.stderr
    assert "plain: 2 pairs; 3 were remembered\n" in done.stderr
    files = (tmp_path / "out").iterdir()
    texts = {path.name: gzip.decompress(path.read_bytes()) for path in files}
    segments = "A & B\u00a0!\nC\n".encode()
    assert texts == {
        "plain.en.gz": b"x\xe2\x80\xa8\ny\n",
        "plain.fr.gz": b"a\nb\n",
        "sgm.en.gz": segments,
        "sgm.fr.gz": segments,
    }


def test_what_is_unpacked_is_kept(tmp_path: Path) -> None:
    unpack(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert unpack(tmp_path).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"french": b"a\n"}, "plain: 2 English lines, 1 French ones; expected 2 of each"),
        ({"facts": "pairs = 5"}, "plain: 2 English lines, 2 French ones; expected 5 of each"),
        ({"md5": "0" * 32}, "sgm.en.sgm: its MD5 is"),
    ],
)
def test_a_text_that_is_not_what_is_known_of_it(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    done = unpack(tmp_path, **options)
    assert done.returncode == 1
    assert f"unpack.py: {message}" in done.stderr


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    unpack(tmp_path)
    sources = tmp_path / "sources.toml"
    sources.write_text(sources.read_text().replace("sgm.fr.sgm", "other.sgm"))
    (tmp_path / "out/sgm.fr.gz").unlink()
    command = [sys.executable, str(RECIPE / "unpack.py"), "sources.toml", ".", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("a.tgz: has no other.sgm")


LINKS = {
    "link": (tarfile.SYMTYPE, "/etc/passwd"),
    "hard link": (tarfile.LNKTYPE, "in/packed.fr.gz"),
    "link to nothing": (tarfile.LNKTYPE, "../../nothing"),
    "device": (tarfile.CHRTYPE, ""),
    "pipe": (tarfile.FIFOTYPE, ""),
    "directory": (tarfile.DIRTYPE, ""),
}


@pytest.mark.parametrize("kind", LINKS)
def test_a_member_that_is_no_plain_file_is_refused(tmp_path: Path, kind: str) -> None:
    unpack(tmp_path)
    (tmp_path / "out/plain.en.gz").unlink()
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("in/plain.en")
        info.type, info.linkname = LINKS[kind]
        tar.addfile(info)
    command = [sys.executable, str(RECIPE / "unpack.py"), "sources.toml", ".", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("a.tgz: in/plain.en is not a plain file")
    assert not (tmp_path / "out/plain.en.gz").exists()


def test_members_with_paths_that_lead_out_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    unpack(folder)
    shutil.rmtree(folder / "out")
    members = {"../outside": b"x\n", str(tmp_path / "absolute"): b"x\n", "../plain.en": b"x\n"}
    (folder / "a.tgz").write_bytes(archive(members))
    command = [sys.executable, str(RECIPE / "unpack.py"), "sources.toml", ".", "out"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a.tgz: has no " in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert not list((folder / "out").iterdir())


def test_the_checksums_of_the_development_texts_are_right(real_data: Path) -> None:
    sources = tomllib.loads((RECIPE / "sources.toml").read_text())
    for text in sources["text"]:
        if text["name"] in ("newstest2012", "newstest2013"):
            for side in ("en", "fr"):
                content = (real_data / "wmt_news" / f"{text['name']}.{side}").read_bytes()
                assert hashlib.md5(content).hexdigest() == text["md5"][side]
                assert content.count(b"\n") == text["pairs"]


def test_a_truncated_archive_is_named(tmp_path: Path) -> None:
    unpack(tmp_path)
    shutil.rmtree(tmp_path / "out")
    archive = tmp_path / "a.tgz"
    archive.write_bytes(archive.read_bytes()[:-100])
    command = [sys.executable, str(RECIPE / "unpack.py"), "sources.toml", ".", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "unpack.py: a.tgz: " in done.stderr


@pytest.mark.parametrize("length", ["abc", "-5", "1e3", "\u0664"])
def test_a_length_that_is_no_number_is_told_in_one_sentence(
    tmp_path: Path, site: Site, length: str
) -> None:
    site.length = length.encode().decode("latin-1")
    done = download(tmp_path, site)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("bytes, which is no number")
    assert "Traceback" not in done.stderr
    assert "a.tar" not in kept(tmp_path)


def test_an_answer_without_end_is_given_up(tmp_path: Path, site: Site) -> None:
    site.tells_length = False
    cases: list[dict[str, Any]] = [{"bytes": SIZE // 2}, {"remembered-bytes": SIZE // 8}]
    for known in cases:
        done = download(tmp_path, site, **known)
        assert done.returncode == 1
        assert done.stderr.endswith("bytes come, which is no such archive\n")
        assert kept(tmp_path).keys() <= {"a.tar.part.version"}
