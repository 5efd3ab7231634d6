"""Say what a stage of this recipe will take: disk, memory and time, estimated from counts.

Counts are those of the stages before where these are done, and of the paper otherwise. The rates
are round figures, and so are the answers; README.md has the formulas.
"""

import argparse
import json
import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GB = 1e9
# The paper's corpus, and the public corpora before the selection (section 3.1, README.md).
PAIRS, WORDS, PUBLIC_PAIRS = 12_000_000, 652_000_000, 40_800_000
PACKED_BYTES_A_PAIR = 160  # of both languages, gzip; the public archives have about as many
BYTES_A_WORD = 6  # of text, its space counted
PREPARED_A_SECOND = 50_000  # words, a core, see recipes/speed/RESULTS.md
UNPACKED_A_SECOND = 30_000  # pairs; assumed
COUNTED_A_SECOND = 500_000  # words, `s2s vocab`; assumed
SCORED_A_SECOND = 6_000  # pairs, moore_lewis.py, see README.md
ONE_GPU, EIGHT_GPUS = 1_700, 6_300  # words a second on the paper's GPUs (section 3.5)
MODELS = 6


@dataclass
class Need:
    """Disk, memory and time that a stage takes; None where nothing is known."""

    disk: float | None = None
    memory: float | None = None
    seconds: float | None = None
    note: str = ""


class Counts:
    """Sizes that the formulas take."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.cores = os.cpu_count() or 1
        self.gpus = given.gpus
        self.pairs = float(PAIRS if given.source == "schwenk" else given.keep)
        self.words = WORDS / PAIRS * self.pairs
        path = given.work / "prep/forward/prep.json"
        if path.exists():
            train = json.loads(path.read_bytes())["splits"]["train"]
            self.pairs, self.words = train["kept"], sum(train["words"].values())
        self.public = float(PAIRS if given.source == "schwenk" else PUBLIC_PAIRS)
        archives = read_toml(given.sources).get("archive", [])
        kept = given.work / "downloads"
        self.archives = sum(
            archive_bytes(each) for each in archives if not (kept / each["file"]).exists()
        )
        self.settings = read_toml(given.config)
        self.measured = last_speed(given.work)

    def weights(self) -> float:
        """Count the parameters of a model without biases, with the largest vocabularies."""
        train, vocab = self.settings.get("train", {}), self.settings.get("vocab", {})
        layers, hidden = train.get("layers", 4), train.get("hidden-size", 1000)
        width = train.get("embedding-size", 1000)
        source, target = vocab.get("source-size", 160_000), vocab.get("target-size", 80_000)
        lstm = 4 * hidden * (width + hidden) + (layers - 1) * 8 * hidden**2
        return float(source * width + target * (width + hidden) + 2 * lstm)


def read_toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}


def archive_bytes(archive: dict[str, Any]) -> float:
    return float(archive.get("bytes", archive.get("remembered-bytes", 0)))


def last_speed(work: Path) -> float | None:
    """Read the words a second of the training that has last logged them."""
    logs = sorted(work.glob("train/*/metrics.jsonl"), key=lambda path: path.stat().st_mtime)
    for log in reversed(logs):
        told = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        speeds = [line["words_per_second"] for line in told if line.get("words_per_second")]
        if speeds:
            return float(speeds[-1])
    return None


def estimate_stage(stage: str, counts: Counts, source: str) -> Need:
    match stage:
        case "fetch":
            if source == "schwenk":
                return Need(note="nothing is downloaded")
            return Need(counts.archives, note="the time is that of your network")
        case "unpack":
            return Need(
                counts.public * PACKED_BYTES_A_PAIR, 0.1 * GB, counts.public / UNPACKED_A_SECOND
            )
        case "selection" if source == "statmt":
            disk = counts.pairs * PACKED_BYTES_A_PAIR + 4 * counts.public
            return Need(disk, 1 * GB, counts.public / SCORED_A_SECOND)
        case "prep":
            seconds = counts.words / PREPARED_A_SECOND / counts.cores
            return Need(2 * counts.words * BYTES_A_WORD, 0.2 * GB * counts.cores, 2 * seconds)
        case "vocab":
            disk = 2 * (4 * counts.words + 16 * counts.pairs)
            return Need(disk, 2 * GB, 2 * counts.words / COUNTED_A_SECOND)
        case "train":
            return estimate_training(counts)
        case "table1" | "table2":
            return Need(0.01 * GB, 4 * 5 * counts.weights(), note="up to five models in memory")
    return Need()


def estimate_training(counts: Counts) -> Need:
    """Estimate fp32 weights and gradients, best.pt and the last two checkpoints of each model."""
    model, epochs = 4 * counts.weights(), counts.settings.get("train", {}).get("epochs", 7.5)
    speed, note = counts.measured, "at the speed of the last training"
    if speed is None:
        speed = EIGHT_GPUS if counts.gpus >= 8 else ONE_GPU
        note = f"at the paper's {speed:,} words/s of 2014; `s2s train --plan` measures yours"
    seconds = MODELS * epochs * counts.words / speed
    return Need(MODELS * 3 * model, 3 * model, seconds, f"{note}; memory without activations")


def describe_need(stage: str, needs: Need, free: float) -> str:
    parts = []
    if needs.disk is not None:
        parts.append(f"disk {needs.disk / GB:.1f} GB ({free / GB:.1f} GB free)")
    if needs.memory is not None:
        parts.append(f"memory {needs.memory / GB:.1f} GB")
    parts.append("time unknown" if needs.seconds is None else f"time {needs.seconds / 3600:.1f} h")
    text = f"{stage}, estimated: {', '.join(parts)}"
    return f"{text}; {needs.note}" if needs.note else text


def main() -> None:
    parser = argparse.ArgumentParser(description="Estimate what a stage takes.")
    parser.add_argument("stage")
    parser.add_argument("--source", required=True)
    parser.add_argument("--sources", type=Path, required=True, help="sources.toml")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--keep", type=int, required=True)
    parser.add_argument("--gpus", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    given = parser.parse_args()
    free = shutil.disk_usage(given.work if given.work.exists() else Path()).free
    needs = estimate_stage(given.stage, Counts(given), given.source)
    print(describe_need(given.stage, needs, free))
    if needs.disk is not None and needs.disk > free:
        print(f"{given.stage}: the disk may well run full")


if __name__ == "__main__":
    main()
