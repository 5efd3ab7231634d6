"""Marian 1.12, with what its s2s model cannot leave out: attention, an encoder of two directions.

Each direction has as many cells as a layer of the decoder. It decodes weights of its own, random
ones that do not end a sentence: an output is as long as the longest source of its batch.
"""

import json
import re
from pathlib import Path

from bench.corpora import lines_of
from bench.settings import Shape
from bench.timing import Command, Talk, Timing
from bench.tools.tool import Peer, Values, check_updates

REPORT = re.compile(r" Up\. \d+ : .* : Cost \S+ \* ([\d,]+) @")
WORKSPACE_MIB = "1024"
BATCH = 64  # sentences that are translated or scored together


class Marian(Peer):
    name, venv, package = "Marian", "venv-marian", "pymarian"

    def missing(self) -> str | None:
        return "its package is for CPUs" if self.settings.gpu else super().missing()

    def lacks(self, shape: Shape) -> str | None:
        one = shape.attention and shape.directions == 1
        return "only two directions" if one else None

    def train(self, shape: Shape, updates: int, seed: int) -> tuple[Values, Timing]:
        timing = self.training(shape, 2 * updates, seed, self.folder / "trained.npz")
        _, of_source, of_target = self.corpora.counts()
        target = speed(timing.talk, updates, self.settings.sizes.batch)
        return {"words_per_second": target * (1 + of_source / of_target)}, timing

    def training(
        self, shape: Shape, updates: int, seed: int, model: Path, rate: float = 0.7
    ) -> Timing:
        data, layers = self.corpora.data, str(shape.layers)
        return self.run(
            [
                *(self.program, "train", "--type", "s2s", "--model", model, "--overwrite"),
                *("--train-sets", data / "train.en", data / "train.fr", *self.vocabularies()),
                *("--enc-cell", "lstm", "--enc-depth", layers, "--enc-type", "bidirectional"),
                *("--dec-cell", "lstm", "--dec-depth", layers, "--dim-rnn", str(shape.cells)),
                *("--dim-emb", str(shape.embedding), "--sync-sgd", *self.places()),
                *("--optimizer", "sgd", "--learn-rate", str(rate), "--clip-norm", "5"),
                *("--mini-batch", str(self.settings.sizes.batch), "--after", f"{updates}u"),
                *("--mini-batch-round-up", "false", "--disp-freq", "1u", "--seed", str(seed)),
                *("--max-length", "200", "--max-length-crop"),
            ]
        )

    @property
    def program(self) -> Path:
        return self.bin / "pymarian"

    def places(self) -> list[str]:
        return ["--cpu-threads", str(self.settings.threads), "--workspace", WORKSPACE_MIB]

    def vocabularies(self) -> list[object]:
        """Its files of words and ids, and the option that names them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for language in ("en", "fr"):
            counted = lines_of(self.corpora.data / f"vocab.{language}")
            words = ["</s>", "<unk>", *(line.split("\t")[0] for line in counted)]
            path = self.folder / f"vocab.{language}.yml"
            ids = {word: index for index, word in enumerate(words)}
            path.write_text(json.dumps(ids, ensure_ascii=False, indent=0), encoding="utf-8")
            paths.append(path)
        return ["--vocabs", *paths]

    def prepare_decoding(self) -> None:
        assert self.model

    @property
    def model(self) -> Path:
        """A model of its own that has learnt nothing, not even to end."""
        path = self.folder / "made.npz"
        if not path.exists():
            self.training(self.settings.sizes.shapes["small"], 1, 1, path, rate=1e-9)
        return path

    def translate(self, source: Path, output: Path, beam: int, models: int = 1) -> Timing:
        command = [self.program, "decode", "--models", self.model, "--quiet-translation"]
        options = ["--beam-size", str(beam), "--max-length-factor", "1", "--maxi-batch-sort", "src"]
        return self.run([*command, *self.answering(), *options], stdin=source, stdout=output)

    def score(self, source: Path, target: Path, output: Path) -> Timing:
        command = [self.program, "score", "--model", self.model, "--train-sets", source, target]
        return self.run([*command, *self.answering()], stdout=output)

    def answering(self) -> list[object]:
        size = ["--mini-batch", str(BATCH), "--maxi-batch", "100"]
        return [*self.vocabularies(), *self.places(), *size]

    def helps(self) -> dict[str, Command]:
        return {f"pymarian {each}": [self.program, each, "--help"] for each in ("train", "decode")}


def speed(talk: Talk, warm: int, batch: int) -> float:
    """Target words a second after the first updates; those of the source are not told.

    A report tells words of the target, ends of sentences among them.
    """
    steps = [(at, found) for at, line in talk if (found := REPORT.search(line))]
    check_updates(len(steps), warm)
    words = sum(int(found[1].replace(",", "")) - batch for _, found in steps[warm:])
    return words / (steps[-1][0] - steps[warm - 1][0])
