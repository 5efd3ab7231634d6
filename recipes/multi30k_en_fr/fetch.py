"""Fetch the English and French captions of Multi30k and verify every file.

Taken from the folder ``$S2S_DATA/multi30k`` where S2S_DATA is set, from the corpus's public
repository otherwise. SHA256SUMS holds the checksums of the uncompressed text. A file gets its
name only once its checksum is right.
"""

import argparse
import gzip
import hashlib
import http.client
import os
import sys
import urllib.request
import zlib
from pathlib import Path

REPOSITORY = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
SUMS = Path(__file__).with_name("SHA256SUMS")
OUR_NAMES = {"train": "train", "val": "valid", "test_2016_flickr": "test"}
TIMEOUT_SECONDS = 60
LARGEST = 1 << 26  # bytes of a file, some times what the largest has


def fetch(name: str, folder: Path | None, url: str) -> bytes:
    """Fetch the uncompressed text of one file, from ``folder`` or from below ``url``."""
    if folder is not None:
        return (folder / name).read_bytes()
    with urllib.request.urlopen(f"{url}/{name}.gz", timeout=TIMEOUT_SECONDS) as answer:
        text = gzip.GzipFile(fileobj=answer).read(LARGEST + 1)
    if len(text) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes")
    return text


def store(text: bytes, checksum: str, path: Path) -> None:
    """Write ``text`` as ``path``, whole or not at all.

    Raises:
        ValueError: the checksum is another one.
    """
    found = hashlib.sha256(text).hexdigest()
    if found != checksum:
        raise ValueError(f"its SHA-256 is {found}, expected {checksum}")
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(text)
    temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fetch Multi30k, English and French.")
    parser.add_argument("directory", type=Path, help="where {train,valid,test}.{en,fr} are written")
    parser.add_argument("--url", default=REPOSITORY, help="folder to download from")
    given = parser.parse_args()
    data = os.environ.get("S2S_DATA")
    folder = Path(data) / "multi30k" if data else None
    given.directory.mkdir(parents=True, exist_ok=True)
    for line in SUMS.read_text(encoding="utf-8").splitlines():
        checksum, name = line.split("  ")
        split, language = name.rsplit(".", 1)
        try:
            text = fetch(name, folder, given.url)
            store(text, checksum, given.directory / f"{OUR_NAMES[split]}.{language}")
        except (OSError, EOFError, ValueError, http.client.HTTPException, zlib.error) as error:
            sys.exit(f"fetch.py: {name} from {folder or given.url}: {error}")


if __name__ == "__main__":
    main()
