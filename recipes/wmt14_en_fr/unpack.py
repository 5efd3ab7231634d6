"""Unpack the texts of sources.toml from their archives: NAME.en.gz and NAME.fr.gz.

Both sides must have as many lines, and as many as are known; a count that is only remembered is
compared and told. The texts stay raw: `s2s prep` knows what to do with their oddities. What is
unpacked already is kept; an archive is read once for all of its texts.
"""

import argparse
import gzip
import hashlib
import html
import re
import shutil
import sys
import tarfile
import tomllib
import zlib
from pathlib import Path
from typing import IO, Any

BLOCK = 1 << 20
SIDES = ("en", "fr")
SEGMENT = re.compile(r"<seg[^>]*>(.*?)</seg>", re.DOTALL)
Text = dict[str, Any]


class WrongTextError(Exception):
    """Error of an archive that has not what sources.toml says."""


def unpack(archive: Path, texts: list[Text], output: Path) -> None:
    """Write the missing sides of ``texts``."""
    wanted = {text[side]: (text, side) for text in texts for side in SIDES}
    wanted = {name: each for name, each in wanted.items() if not path_of(output, *each).exists()}
    if not wanted:
        return
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            text, side = wanted.pop(member.name.removeprefix("./"), (None, ""))
            if text and not member.isreg():  # a link, a device, a directory
                raise WrongTextError(f"{archive}: {member.name} is not a plain file")
            content = tar.extractfile(member) if text else None
            if text and content:
                store(content, text, side, path_of(output, text, side))
    if wanted:
        raise WrongTextError(f"{archive}: has no {' and no '.join(sorted(wanted))}")


def path_of(output: Path, text: Text, side: str) -> Path:
    return output / f"{text['name']}.{side}.gz"


def store(content: IO[bytes], text: Text, side: str, path: Path) -> None:
    """Write one side, compressed, whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    expected = text.get("md5", {}).get(side)
    if text[side].endswith(".gz"):
        with temporary.open("wb") as packed:
            shutil.copyfileobj(content, packed, BLOCK)
    else:
        with gzip.open(temporary, "wb", compresslevel=1) as out:
            if expected or text[side].endswith(".sgm"):
                whole = content.read()
                verify(whole, expected, text[side])
                out.write(running_text(whole) if text[side].endswith(".sgm") else whole)
            else:
                shutil.copyfileobj(content, out, BLOCK)
    temporary.replace(path)


def verify(content: bytes, expected: str | None, name: str) -> None:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if expected and found != expected:
        raise WrongTextError(f"{name}: its MD5 is {found}, not {expected}")


def running_text(sgm: bytes) -> bytes:
    """Extract the segments of an sgm file, one a line, entities resolved."""
    segments = (html.unescape(each).strip(" \r\n\t") for each in SEGMENT.findall(sgm.decode()))
    return "".join(f"{each}\n" for each in segments).encode()


def count_lines(path: Path) -> int:
    """Count the lines of a compressed file; reading it to the end also verifies it."""
    try:
        with gzip.open(path) as lines:
            return sum(block.count(b"\n") for block in iter(lambda: lines.read(BLOCK), b""))
    except (OSError, EOFError, zlib.error) as error:
        raise WrongTextError(f"{path}: {error}") from error


def check(text: Text, output: Path) -> None:
    """Check that both sides have the pairs they should have."""
    counts = [count_lines(path_of(output, text, side)) for side in SIDES]
    told = f"{text['name']}: {counts[0]:,} English lines, {counts[1]:,} French ones"
    known = text.get("pairs", counts[0])
    if counts[0] != counts[1] or counts[0] != known:
        raise WrongTextError(f"{told}; expected {known:,} of each")
    remembered = text.get("remembered-pairs", counts[0])
    note = "" if counts[0] == remembered else f"; {remembered:,} were remembered"
    print(f"{text['name']}: {counts[0]:,} pairs{note}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Unpack the texts of sources.toml.")
    parser.add_argument("sources", type=Path)
    parser.add_argument("archives", type=Path, help="directory of the archives")
    parser.add_argument("output", type=Path, help="directory to write")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    sources = tomllib.loads(given.sources.read_text(encoding="utf-8"))
    for archive in sources["archive"]:
        path = given.archives / archive["file"]
        texts = [text for text in sources["text"] if text["archive"] == archive["file"]]
        try:
            unpack(path, texts, given.output)
            for text in texts:
                check(text, given.output)
        except WrongTextError as error:
            sys.exit(f"unpack.py: {error}")
        except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
            sys.exit(f"unpack.py: {path}: {error}")


if __name__ == "__main__":
    main()
