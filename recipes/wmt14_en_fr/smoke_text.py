"""Write the data of a rehearsal: number phrases in the places of WMT'14's texts, and some noise.

Below the directory: the archives of sources.toml in site/ with a sources.toml of their own, and
the paper's archive, unpacked, in schwenk/. The same bytes whenever it is run.
"""

import argparse
import gzip
import io
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
PHRASES = HERE.parent / "numbers_en_fr/number_phrases.py"
SIDES = ("en", "fr")
DEV, TRAIN = 8, 90  # pairs
# Pairs of phrases and of noise, where it is not TRAIN and 10.
SIZES = {f"newstest{year}": (DEV, 0) for year in (2012, 2013, 2014)} | {"news": (TRAIN, 0)}
NOISE = "{n} qqq {n} xyzzy {n}\n"
SCHWENK = ("ep7_pc45", "nc9", "dev08_11", "crawl", "ccb2_pc30", "un2000_pc34")


def phrases(pairs: int) -> dict[str, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        sizes = [f"--train={pairs}", "--valid=0", "--test=0"]
        subprocess.run([sys.executable, str(PHRASES), folder, *sizes], check=True)
        texts = {side: (Path(folder) / f"train.{side}").read_text("utf-8") for side in SIDES}
    return {side: text.splitlines(keepends=True) for side, text in texts.items()}


class Supply:
    """Hands out phrases that were not handed out before."""

    def __init__(self, pairs: int) -> None:
        self.left = phrases(pairs)

    def take(self, pairs: int, noise: int = 0) -> dict[str, str]:
        """Take both sides of a text, with ``noise`` lines of no language at its end."""
        taken = {side: lines[:pairs] for side, lines in self.left.items()}
        self.left = {side: lines[pairs:] for side, lines in self.left.items()}
        extra = [NOISE.format(n=n) for n in range(noise)]
        return {side: "".join([*lines, *extra]) for side, lines in taken.items()}


def member(name: str, text: str) -> bytes:
    """Make the content of an archive's member in the form that its name tells."""
    if name.endswith(".sgm"):
        lines = enumerate(text.splitlines(), 1)
        text = "".join(f'<seg id="{i}">{line}</seg>\n' for i, line in lines)
        text = f"<refset>\n<doc>\n{text}</doc>\n</refset>\n"
    content = text.encode()
    return gzip.compress(content, mtime=0) if name.endswith(".gz") else content


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    content = packed.getvalue()
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".tgz" else content)


def write_site(directory: Path, supply: Supply) -> None:
    """Write every archive in site/, and sources.toml, which knows nothing of their content."""
    (directory / "site").mkdir(parents=True, exist_ok=True)
    sources = tomllib.loads((HERE / "sources.toml").read_text(encoding="utf-8"))
    lines = []
    for archive in sources["archive"]:
        path = directory / "site" / archive["file"]
        members: dict[str, bytes] = {}
        for text in sources["text"]:
            if text["archive"] == archive["file"]:
                sides = supply.take(*SIZES.get(text["name"].split("-")[0], (TRAIN, 10)))
                members |= {text[side]: member(text[side], sides[side]) for side in SIDES}
        write_archive(path, members)
        lines += ["[[archive]]", f'file = "{path.name}"', f'url = "{path.resolve().as_uri()}"']
    for text in sources["text"]:
        lines += ["[[text]]", *(f'{key} = "{text[key]}"' for key in ("name", "archive", *SIDES))]
    (directory / "sources.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_schwenk(directory: Path, supply: Supply) -> None:
    texts = {f"bitexts.selected/{name}": supply.take(TRAIN) for name in SCHWENK}
    texts |= {f"dev/{name}": supply.take(DEV) for name in ("ntst1213", "ntst14")}
    for name, sides in texts.items():
        for side, text in sides.items():
            path = directory / f"{name}.{side}.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(text.encode(), mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the data of a rehearsal.")
    parser.add_argument("directory", type=Path)
    given = parser.parse_args()
    supply = Supply(2000)
    write_schwenk(given.directory / "schwenk", supply)
    write_site(given.directory, supply)


if __name__ == "__main__":
    main()
