"""What a run measures with: rounds, threads, device, sizes of the work."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

HOME = Path(__file__).parents[1]
WORK = HOME / "work"


@dataclass(frozen=True)
class Shape:
    """Layers, cells a layer, dimensions of an embedding; and what is beyond the paper.

    Attributes:
        attention: general attention (Luong et al. 2015), without input feeding.
        directions: of the encoder; two have half of the cells each.
    """

    layers: int
    cells: int
    embedding: int
    attention: bool = False
    directions: int = 1


def attentive(layers: int, cells: int) -> dict[str, Shape]:
    """The shapes with attention."""
    return {
        "attention": Shape(layers, cells, cells, attention=True),
        "attention, two directions": Shape(layers, cells, cells, attention=True, directions=2),
    }


@dataclass(frozen=True)
class Sizes:
    """How much work each section does.

    Attributes:
        shapes: the models; "small" is also the one that decodes and rescores.
        words: words of each vocabulary, symbols not counted.
        pairs: training pairs of Multi30k; 0: all.
        lines: lines of its test text to translate, and of its validation text; 0: all.
        batch: sentence pairs an update.
        updates: for each shape, updates that warm up, and as many that are measured.
        seeds: trainings whose learning curves are compared, in each precision.
        validate_every: updates of these between validations.
        weights: updates that make the weights with which all decode.
        ensemble_lines: lines that an ensemble of five translates.
        segments: n-best lists that are rescored.
        hypotheses: entries of each.
        one_in: a peer scores one hypothesis in so many of these; each costs it the same.
        prep_pairs: pairs that are tokenised.
        growth_operations: multiply-adds, twice, of each search whose growth is measured.
        growth_hypotheses: hypotheses of all lists together, however long each is.
        growth_pairs: pairs of the smaller of two corpora; the larger has ten times as many.
        growth_words, growth_lengths, growth_beams, growth_lists: what grows.
        tables: rows of the source and the target tables, and pairs an update, of the softmax.
        cells: cells of the one-layer model of the softmax; its embeddings have four times as many.
        paper_words: words of both vocabularies of the model that starts up from the disk, and of
            the one that is planned over several devices.
        devices: over how many.
    """

    shapes: dict[str, Shape]
    words: int
    pairs: int
    lines: int
    batch: int
    updates: dict[str, int]
    seeds: tuple[int, ...]
    validate_every: int
    weights: int
    ensemble_lines: int
    segments: int
    hypotheses: int
    one_in: int
    prep_pairs: int
    growth_operations: float
    growth_hypotheses: int
    growth_pairs: int
    growth_words: tuple[int, ...]
    growth_lengths: tuple[int, ...]
    growth_beams: tuple[int, ...]
    growth_lists: tuple[int, ...]
    tables: tuple[tuple[int, int, int], ...]
    cells: int
    paper_words: tuple[int, int]
    devices: tuple[int, ...]


FULL = Sizes(
    shapes={"small": Shape(2, 512, 512), "paper": Shape(4, 1000, 1000)} | attentive(2, 512),
    words=10_000,
    pairs=0,
    lines=0,
    batch=128,
    updates={"small": 12, "paper": 8, "attention": 8, "attention, two directions": 8},
    seeds=(1, 2),
    validate_every=50,
    weights=500,
    ensemble_lines=200,
    segments=20,
    hypotheses=1000,
    one_in=10,
    prep_pairs=50_000,
    growth_operations=5e11,
    growth_hypotheses=10_000,
    growth_pairs=48_000,
    growth_words=(10_000, 20_000, 40_000, 80_000),
    growth_lengths=(10, 20, 40, 80),
    growth_beams=(1, 2, 5, 12, 25, 50),
    growth_lists=(10, 100, 1000),
    tables=(
        (10_000, 10_000, 128),
        (40_000, 10_000, 128),
        (160_000, 10_000, 128),
        (160_000, 20_000, 128),
        (160_000, 40_000, 128),
        (160_000, 80_000, 32),
        (160_000, 80_000, 64),
        (160_000, 80_000, 128),
    ),
    cells=250,
    paper_words=(160_000, 80_000),
    devices=(2, 4, 6, 8, 16),
)
# Everything once, too small to tell anything but that it works.
QUICK = Sizes(
    shapes={"small": Shape(1, 16, 16), "paper": Shape(2, 16, 16)} | attentive(1, 16),
    words=100,
    pairs=200,
    lines=6,
    batch=16,
    updates={"small": 2, "paper": 1, "attention": 1, "attention, two directions": 1},
    seeds=(1, 2),
    validate_every=2,
    weights=3,
    ensemble_lines=3,
    segments=2,
    hypotheses=6,
    one_in=3,
    prep_pairs=60,
    growth_operations=1e5,
    growth_hypotheses=8,
    growth_pairs=20,
    growth_words=(50, 100),
    growth_lengths=(3, 6),
    growth_beams=(1, 3),
    growth_lists=(2, 4),
    tables=((60, 60, 8), (120, 60, 8)),
    cells=8,
    paper_words=(100, 100),
    devices=(2, 8),
)


@dataclass(frozen=True)
class Settings:
    """From the environment and the command line; see README.md."""

    quick: bool = False
    rounds: int = 5
    threads: int = 2
    device: str = "cpu"
    name: str = ""
    peers: Path | None = None
    data: Path | None = None
    sizes: Sizes = field(default=FULL)

    @classmethod
    def read(cls, quick: bool) -> "Settings":
        """The variables RUNS, THREADS, DEVICE, NAME, PEERS and S2S_DATA.

        Raises:
            SystemExit: a number that is none.
        """
        peers, data = (os.environ.get(name) for name in ("PEERS", "S2S_DATA"))
        return cls(
            quick=quick,
            rounds=number("RUNS", 1 if quick else 5),
            threads=number("THREADS", 2),
            device=os.environ.get("DEVICE", "cpu"),
            name=os.environ.get("NAME", ""),
            peers=Path(peers).resolve() if peers else None,
            data=Path(data).resolve() if data else None,
            sizes=QUICK if quick else FULL,
        )

    @property
    def work(self) -> Path:
        """Where everything is made; a quick run has a place of its own."""
        return WORK / "quick" if self.quick else WORK

    @property
    def suffix(self) -> str:
        """Between the name of a file and its ending: a device, or a name, has files of its own."""
        device = "" if self.device == "cpu" else self.device.replace(":", "")
        return "".join(f".{each}" for each in (self.name, device) if each)

    @property
    def results(self) -> Path:
        """Where RESULTS.md and results.tsv are written."""
        return self.work if self.quick else HOME

    @property
    def gpu(self) -> bool:
        return self.device.startswith("cuda")

    def environment(self) -> dict[str, str]:
        """For every program that is measured: the same number of threads for all."""
        threads = str(self.threads)
        hidden = {} if self.gpu else {"CUDA_VISIBLE_DEVICES": ""}
        counts = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        return os.environ | counts | hidden | {"PYTHONUNBUFFERED": "1"}


def number(name: str, default: int) -> int:
    text = os.environ.get(name, "") or str(default)
    if not text.isdecimal() or int(text) < 1:
        sys.exit(f"run.sh: {name}={text}: not a number from 1 on")
    return int(text)
