"""Make the corpus of Tatoeba, English and French: train.{en,fr}.gz, {valid,test}.{en,fr}.

Two ways:

- ``$S2S_DATA/tatoeba`` has ``{train,dev}.{en,fr}.gz``, of which SHA256SUMS holds the checksums,
  uncompressed. dev is sorted by length: its odd lines are validation text, the even ones test text.
- ``--pairs FILE`` has lines of English, tab, French, and what may follow after another tab: as
  ``fra.txt`` in ``fra-eng.zip`` of www.manythings.org/anki, packed or not. That file grows, so
  there is no checksum of it, and its split is another one: a pair is held out by the SHA-256 of its
  English sentence, and no sentence of either language is both held out and trained on.
"""

import argparse
import gzip
import hashlib
import os
import sys
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

SUMS = Path(__file__).with_name("SHA256SUMS")
SIDES = ("en", "fr")
NOWHERE = (
    "no public address of this very text is known; S2S_DATA=DIRECTORY names a directory that has "
    "tatoeba/{train,dev}.{en,fr}.gz, or PAIRS=FILE a file of pairs, such as fra-eng.zip of "
    "www.manythings.org/anki"
)
Pair = tuple[str, str]


def read_shared(folder: Path) -> dict[str, list[Pair]]:
    """Read the published split from ``folder``.

    Raises:
        ValueError: a checksum is another one.
    """
    texts: dict[str, list[str]] = {}
    for line in SUMS.read_text(encoding="utf-8").splitlines():
        checksum, name = line.split("  ")
        content = gzip.decompress((folder / f"{name}.gz").read_bytes())
        found = hashlib.sha256(content).hexdigest()
        if found != checksum:
            raise ValueError(f"the SHA-256 of {name} is {found}, expected {checksum}")
        texts[name] = content.decode().split("\n")[:-1]
    train, dev = (
        list(zip(texts[f"{split}.en"], texts[f"{split}.fr"], strict=True))
        for split in ("train", "dev")
    )
    return {"train": train, "valid": dev[0::2], "test": dev[1::2]}


def read_pairs(path: Path) -> list[Pair]:
    """Read the pairs of a file of lines, or of the first such file in an archive.

    Raises:
        ValueError: a line has no tab, or the archive no text.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".txt")]
            names = [name for name in names if not name.startswith("_")]
            if not names:
                raise ValueError("the archive has no file of pairs, NAME.txt")
            content = archive.read(names[0])
    else:
        content = path.read_bytes()
    pairs = []
    for number, line in enumerate(content.decode().split("\n"), 1):
        fields = line.rstrip("\r").split("\t")
        if len(fields) > 1:
            pairs.append((fields[0], fields[1]))
        elif line:
            raise ValueError(f"line {number} has no tab between English and French")
    return list(dict.fromkeys(pairs))


def split_pairs(pairs: Iterable[Pair], held_out: int) -> dict[str, list[Pair]]:
    """Hold out one English sentence in ``held_out`` for each of validation and test.

    All pairs of an English sentence are in one split. A pair whose French sentence is in a split
    before it (test, then validation, then training) is left out.

    Raises:
        ValueError: a split is empty.
    """
    splits: dict[str, list[Pair]] = {"train": [], "valid": [], "test": []}
    for pair in pairs:
        number = int.from_bytes(hashlib.sha256(pair[0].encode()).digest()[:8], "big") % held_out
        splits[{0: "test", 1: "valid"}.get(number, "train")].append(pair)
    taken: set[str] = set()
    for name in ("test", "valid", "train"):
        splits[name] = [pair for pair in splits[name] if pair[1] not in taken]
        taken |= {french for _, french in splits[name]}
        if not splits[name]:
            raise ValueError(f"too few pairs: none is left for {name}")
    return splits


def write_corpus(splits: dict[str, list[Pair]], directory: Path) -> None:
    """Write each file whole or not at all."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, pairs in splits.items():
        for number, side in enumerate(SIDES):
            content = "".join(f"{pair[number]}\n" for pair in pairs).encode()
            path = directory / f"{name}.{side}"
            if name == "train":
                content, path = gzip.compress(content, mtime=0), directory / f"{name}.{side}.gz"
            temporary = path.with_name(f".{path.name}.tmp")
            temporary.write_bytes(content)
            temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the corpus of Tatoeba, English and French.")
    parser.add_argument("directory", type=Path, help="where {train,valid,test}.{en,fr} are written")
    parser.add_argument("--pairs", type=Path, help="file of pairs, in place of $S2S_DATA/tatoeba")
    parser.add_argument(
        "--held-out",
        type=int,
        default=140,
        help="of --pairs, one sentence in so many each for validation and test (default: 140)",
    )
    given = parser.parse_args()
    data = os.environ.get("S2S_DATA")
    place = given.pairs or (Path(data) / "tatoeba" if data else None)
    if place is None:
        sys.exit(f"fetch_tatoeba.py: {NOWHERE}")
    try:
        if given.pairs:
            splits = split_pairs(read_pairs(given.pairs), given.held_out)
        else:
            splits = read_shared(place)
    except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile) as error:
        sys.exit(f"fetch_tatoeba.py: {place}: {error}")
    write_corpus(splits, given.directory)


if __name__ == "__main__":
    main()
