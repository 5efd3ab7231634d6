"""Download the archives of sources.toml, each once, going on where a download broke off.

An archive gets its name only when it is whole: as long as the server said, of the size and the
checksum that are known, and readable to its end. Until then it is NAME.part. The SHA-256 of every
archive is recorded in SHA256SUMS beside them, and what is there already, or comes again, must
have the recorded one.
"""

import argparse
import gzip
import hashlib
import http.client
import sys
import tarfile
import time
import tomllib
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 60
BLOCK = 1 << 20
TOLD_EVERY = 256 * BLOCK
SUMS = "SHA256SUMS"
# Bytes of an archive of which nothing is known, and how much larger than remembered one may be.
LARGEST = 1 << 36
ROOM = 4


class BadArchiveError(Exception):
    """Error of a download that is not the archive, and would not become it by going on."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def receive(archive: dict[str, Any], part: Path) -> None:
    """Try once to complete ``part``: the server is asked for what is missing.

    Raises:
        OSError, HTTPException: the connection failed or ended early; ``part`` has what came.
        BadArchiveError: more comes than an archive can have.
    """
    url, known = archive["url"], archive.get("bytes")
    have = part.stat().st_size if part.exists() else 0
    version = part.with_name(f"{part.name}.version")
    request = urllib.request.Request(url)
    # Without a mark of its version a changed file would be glued to the head of the old one.
    if have and version.exists():
        request.add_header("Range", f"bytes={have}-")
        request.add_header("If-Range", version.read_text())
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing behind what we have: whole, or longer than the original
            whole = (error.headers["Content-Range"] or "").rpartition("/")[2]
            if whole == str(have):
                return
            part.unlink()
        raise
    with answer:
        goes_on = getattr(answer, "status", None) == 206
        if goes_on and not (answer.headers["Content-Range"] or "").startswith(f"bytes {have}-"):
            raise OSError("the server sent another range than was asked for")
        length = announced_length(answer)
        start = have if goes_on else 0
        mark = answer.headers["ETag"] or answer.headers["Last-Modified"]
        version.unlink(missing_ok=True)
        if mark and not mark.startswith("W/"):
            version.write_text(mark)
        copy(answer, part, start, known or ROOM * archive.get("remembered-bytes", LARGEST // ROOM))
    size = part.stat().st_size
    whole = known if length is None else start + length
    if whole is not None and size < whole:
        raise OSError(f"it ended after {size:,} of {whole:,} bytes")


def announced_length(answer: Any) -> int | None:
    """The bytes that the server says it sends, where it says so."""
    length = answer.headers["Content-Length"]
    if length is not None and not (length.isascii() and length.isdigit()):
        raise OSError(f"the server says that it sends {length!r:.40} bytes, which is no number")
    return None if length is None else int(length)


def copy(answer: Any, part: Path, start: int, most: int) -> None:
    """Append to ``part``, or begin it anew where ``start`` is 0; an answer may have no end."""
    done, told = start, start
    with part.open("ab" if start else "wb") as out:
        while block := answer.read(BLOCK):
            out.write(block)
            done += len(block)
            if done > most:
                raise BadArchiveError(f"more than {most:,} bytes come, which is no such archive")
            if done - told >= TOLD_EVERY:
                say(f"  {done:,} bytes")
                told = done


def check(path: Path, archive: dict[str, Any], recorded: str | None) -> str:
    """Check that the archive at ``path`` is whole and the right one; return its SHA-256.

    Raises:
        BadArchiveError: it is not.
    """
    size, known = path.stat().st_size, archive.get("bytes")
    if known is not None and size != known:
        raise BadArchiveError(f"it has {size:,} bytes, not {known:,}")
    expected = archive.get("sha256", recorded)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and found != expected:
        raise BadArchiveError(f"its SHA-256 is {found}, not {expected}")
    if expected is None:
        read_to_its_end(path)
        say(f"  no checksum is known; recorded the one found: {found}")
        remembered = archive.get("remembered-bytes", size)
        if abs(size - remembered) > remembered / 50:
            say(f"  it has {size:,} bytes; about {remembered:,} were remembered")
    return found


def read_to_its_end(path: Path) -> None:
    """Read every byte of the archive: compressed ones carry checksums of their own."""
    try:
        packed = path.name.removesuffix(".part").endswith("gz")
        with gzip.open(path) if packed else path.open("rb") as content:
            with tarfile.open(fileobj=content, mode="r|") as tar:
                members = sum(1 for _ in tar)
            while content.read(BLOCK):  # tarfile stops before the checksum
                pass
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error) as error:
        raise BadArchiveError(f"it is damaged or not an archive ({error})") from error
    if not members:
        raise BadArchiveError("it is an archive of nothing")


def fetch(archive: dict[str, Any], path: Path, recorded: str | None, pauses: list[float]) -> str:
    """Download the archive to ``path`` unless it is there; return its SHA-256."""
    if path.exists():
        found = check(path, archive, recorded)
        say(f"{path.name}: is there")
        return found
    part = path.with_name(f"{path.name}.part")
    for pause in (*pauses, None):
        say(f"{path.name}: {'going on' if part.exists() else 'downloading'}")
        try:
            receive(archive, part)
            break
        except BadArchiveError:
            part.unlink()
            raise
        except (OSError, http.client.HTTPException) as error:
            if pause is None:
                raise
            say(f"  {error}; again in {pause:g} s")
            time.sleep(pause)
    try:
        found = check(part, archive, recorded)
    except BadArchiveError:
        part.unlink()
        raise
    part.rename(path)
    path.with_name(f"{part.name}.version").unlink(missing_ok=True)
    return found


def read_sums(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {name: found for found, _, name in (line.partition("  ") for line in lines)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Download the archives of sources.toml.")
    parser.add_argument("sources", type=Path)
    parser.add_argument("directory", type=Path, help="where they are kept")
    parser.add_argument(
        "--pauses", default="5,30,120,300", help="seconds before each further try (%(default)s)"
    )
    given = parser.parse_args()
    pauses = [float(each) for each in given.pauses.split(",") if each]
    given.directory.mkdir(parents=True, exist_ok=True)
    sums = given.directory / SUMS
    recorded = read_sums(sums)
    for archive in tomllib.loads(given.sources.read_text(encoding="utf-8"))["archive"]:
        name = archive["file"]
        try:
            recorded[name] = fetch(archive, given.directory / name, recorded.get(name), pauses)
        except (OSError, ValueError, http.client.HTTPException, BadArchiveError) as error:
            sys.exit(f"download.py: {name} from {archive['url']}: {error}")
        text = "".join(f"{found}  {name}\n" for name, found in recorded.items())
        (new := given.directory / f".{SUMS}.tmp").write_text(text, encoding="utf-8")
        new.replace(sums)


if __name__ == "__main__":
    main()
