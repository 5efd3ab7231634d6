"""What a section asks of any program."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from bench.corpora import Corpora
from bench.settings import Settings, Shape
from bench.timing import Command, Failed, Timing, run

PEER_BATCH = 200  # sentences that a peer translates or scores together: the best of a few sizes
LONGEST = 50
Values = dict[str, float | str]


def check_updates(reports: int, updates: int) -> None:
    """A peer must have reported every update: as many that warm up as are measured.

    Raises:
        Failed: it reported more or fewer.
    """
    if reports != 2 * updates:
        raise Failed(f"{reports} updates reported, not {2 * updates}")


class Tool:
    """One program in one precision.

    Attributes:
        name: as the tables call it.
        peer: it is one to be compared with.
        precision: the type of its products.
        scored_times: how often one run of `score` scores each pair.
    """

    name = ""
    peer = True
    precision = "fp32"
    scored_times = 1

    def __init__(self, settings: Settings, corpora: Corpora) -> None:
        self.settings, self.corpora = settings, corpora
        slug = self.name.lower().replace(" ", "-")
        self.folder = settings.work / "tools" / slug

    def missing(self) -> str | None:
        """Why it cannot run here."""
        return None

    def lacks(self, shape: Shape) -> str | None:
        """Why it cannot train this shape."""
        return None

    def version(self) -> str:
        raise NotImplementedError

    def train(self, shape: Shape, updates: int, seed: int) -> tuple[Values, Timing]:
        """Train for 2 × ``updates``, the first half to warm up.

        Returns:
            words_per_second, words of both languages without padding and ends of sentences;
            what the run took.
        """
        raise NotImplementedError

    def prepare_decoding(self) -> None:
        """Make what `translate` and `score` decode with, where it is missing."""
        raise NotImplementedError

    def translate(self, source: Path, output: Path, beam: int, models: int = 1) -> Timing:
        """Translate ``source`` (words, natural order) with one model or an ensemble."""
        raise NotImplementedError

    def score(self, source: Path, target: Path, output: Path) -> Timing:
        """Log probabilities of ``target`` given ``source``, line by line."""
        raise NotImplementedError

    def helps(self) -> dict[str, Command]:
        """The commands that print help, by name."""
        raise NotImplementedError

    def run(
        self, command: Command, *, stdin: Path | None = None, stdout: Path | None = None
    ) -> Timing:
        self.folder.mkdir(parents=True, exist_ok=True)
        return run(
            command,
            environment=self.environment(),
            stdin=stdin,
            stdout=stdout,
            cwd=self.folder,
        )

    def environment(self) -> Mapping[str, str]:
        return self.settings.environment()


class Peer(Tool):
    """A program with a Python environment of its own below $PEERS."""

    venv = ""
    package = ""

    @property
    def bin(self) -> Path:
        return (self.settings.peers or Path("/nonexistent")) / self.venv / "bin"

    def missing(self) -> str | None:
        if self.settings.peers is None:
            return "not run"
        return None if (self.bin / "python").exists() else "not installed"

    def environment(self) -> Mapping[str, str]:
        # Their checkpoints hold objects of their own, which torch refuses by default since 2.6.
        return self.settings.environment() | {"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}

    def version(self) -> str:
        ask = f"from importlib.metadata import version; print(version('{self.package}'))"
        done = subprocess.run(
            [self.bin / "python", "-c", ask],
            capture_output=True,
            text=True,
            env=os.environ | dict(self.environment()),
            check=False,
        )
        return done.stdout.strip() or "unknown"
