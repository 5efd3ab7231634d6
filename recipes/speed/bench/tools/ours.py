"""s2s itself, and the plain reference, which runs in the same environment."""

import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from bench.corpora import PLAIN, S2S, shape_options
from bench.settings import Shape
from bench.timing import Command, Timing
from bench.tools.tool import LONGEST, PEER_BATCH, Tool, Values
from s2s_cli.model.config import Precision
from s2s_cli.model.products import packs

COMMANDS = ("prep", "vocab", "train", "decode", "rescore", "score")


class Ours(Tool):
    name = "s2s"
    peer = False

    def version(self) -> str:
        return version("s2s-cli")

    def train(self, shape: Shape, updates: int, seed: int) -> tuple[Values, Timing]:
        return self.train_on(self.corpora.data, shape, updates, seed)

    def train_on(
        self, data: Path, shape: Shape, updates: int, seed: int, batch: int = 0
    ) -> tuple[Values, Timing]:
        counts = ["--max-updates", 2 * updates, "--log-every", updates, "--epochs", 1_000_000]
        batch = batch or self.settings.sizes.batch
        told, timing = self.told(data, shape, seed, [*counts, "--batch-size", batch])
        windows = [line for line in told if "loss" in line]
        return {"words_per_second": windows[-1]["words_per_second"]}, timing

    def told(
        self, data: Path, shape: Shape, seed: int, options: Command
    ) -> tuple[list[dict[str, float]], Timing]:
        """Train from the start; the lines of the metrics file. The model is forgotten."""
        model = self.folder / "trained"
        shutil.rmtree(model, ignore_errors=True)
        timing = self.run(
            [
                *(S2S, "train", "--data", data, "--model", model, "--seed", seed, *options),
                *self.sized(shape),
                *self.places(),
            ]
        )
        lines = (model / "metrics.jsonl").read_text().split("\n")[:-1]
        shutil.rmtree(model)
        return list(map(json.loads, lines)), timing

    def plan(
        self, data: Path, shape: Shape, options: Command, device: str
    ) -> tuple[dict[str, Any], Timing]:
        """Run `s2s train --plan --json`; its object."""
        output = self.folder / "plan"
        command = [S2S, "train", "--plan", "--json", "--data", data, *options, *self.sized(shape)]
        timing = self.run([*command, *self.places(device)], stdout=output)
        return json.loads(output.read_text(encoding="utf-8")), timing

    def sized(self, shape: Shape) -> list[object]:
        """Options of `s2s train`."""
        sizes = ["--layers", shape.layers, "--hidden-size", shape.cells // shape.directions]
        if shape.attention:
            sizes += ["--attention", "general"]
        if shape.directions > 1:
            sizes += ["--bidirectional", "--bridge", "linear", "--decoder-hidden-size", shape.cells]
        return [*sizes, "--embedding-size", shape.embedding, "--precision", self.precision]

    def prepare_decoding(self) -> None:
        self.corpora.five_models()

    def translate(self, source: Path, output: Path, beam: int, models: int = 1) -> Timing:
        folders = [self.corpora.model] if models == 1 else self.corpora.five_models()[:models]
        named = [part for each in folders for part in ("--model", each)]
        return self.translate_with(named, source, output, beam)

    def translate_with(self, options: Command, source: Path, output: Path, beam: int) -> Timing:
        command = [S2S, "decode", *options, "--tokenised", "--beam", str(beam)]
        return self.run([*command, *self.precise(), *self.places()], stdin=source, stdout=output)

    def rescore(self, folder: Path, output: Path, model: Path | None = None) -> Timing:
        """The lists in ``folder`` with one more feature."""
        return self.run(
            [
                *(S2S, "rescore", folder / "nbest.txt", "--source", folder / "test.en"),
                *("--model", model or self.corpora.model, "--tokenised", "--add-feature"),
                *(*self.precise(), *self.places()),
            ],
            stdout=output,
        )

    def helps(self) -> dict[str, Command]:
        return {f"s2s {each}": [S2S, each, "--help"] for each in COMMANDS}

    def places(self, device: str = "") -> list[str]:
        threads = str(self.settings.threads)
        return ["--device", device or self.settings.device, "--threads", threads]

    def precise(self) -> list[str]:
        return []


class OursInBf16(Ours):
    name = "s2s bf16"
    precision = "bf16"

    def missing(self) -> str | None:
        there = self.settings.quick or self.settings.gpu or packs(torch.bfloat16, "cpu")
        return None if there else "no bf16 units"

    def precise(self) -> list[str]:
        return ["--precision", "bf16"]


class OursInInt8(Ours):
    """Decodes and rescores alone.

    Attributes:
        known: whether this s2s has the precision.
    """

    name = "s2s int8"
    precision = "int8"
    known = "int8" in str(Precision)

    def missing(self) -> str | None:
        return "int8 is for CPUs" if self.settings.gpu else None

    def precise(self) -> list[str]:
        return ["--precision", "int8"]


class Plain(Tool):
    name = "plain nn.LSTM"

    def version(self) -> str:
        return f"torch {version('torch')}"

    def train(self, shape: Shape, updates: int, seed: int) -> tuple[Values, Timing]:
        return self.train_on(self.corpora.data, shape, updates, seed)

    def train_on(
        self, data: Path, shape: Shape, updates: int, seed: int, batch: int = 0
    ) -> tuple[Values, Timing]:
        counts = ["--updates", str(2 * updates), "--warm", str(updates), "--seed", str(seed)]
        counts += ["--batch", str(batch or self.settings.sizes.batch)]
        timing = self.run([*self.command("train", data, shape), *counts])
        told = told_by(timing)
        return {"words_per_second": told["words"] / told["seconds"]}, timing

    def prepare_decoding(self) -> None:
        assert self.corpora.plain_weights

    def translate(self, source: Path, output: Path, beam: int, models: int = 1) -> Timing:
        options = ["--beam", str(beam), "--longest", str(LONGEST)]
        return self.run([*self.answering("translate", source), *options], stdout=output)

    def score(self, source: Path, target: Path, output: Path) -> Timing:
        return self.run([*self.answering("score", source), "--target", target], stdout=output)

    def answering(self, mode: str, source: Path) -> list[object]:
        weights = self.corpora.plain_weights
        command = self.command(mode, self.corpora.data, self.settings.sizes.shapes["small"])
        return [*command, "--model", weights, "--batch", str(PEER_BATCH), "--source", source]

    def command(self, mode: str, data: Path, shape: Shape) -> list[object]:
        where = ["--data", data, "--device", self.settings.device]
        return [sys.executable, PLAIN, mode, *where, *shape_options(shape)]

    def helps(self) -> dict[str, Command]:
        return {"plain.py": [sys.executable, PLAIN, "--help"]}


def told_by(timing: Timing) -> dict[str, float]:
    """The JSON that plain.py ends its talk with."""
    values: dict[str, float] = json.loads(timing.talk[-1][1])
    return values
