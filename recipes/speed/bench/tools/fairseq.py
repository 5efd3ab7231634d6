"""fairseq 0.12: the LSTM model without attention; its input feeding is given weights of zero."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from bench.corpora import lines_of, write
from bench.settings import HOME, Shape
from bench.timing import Command, Talk, Timing
from bench.tools.opennmt import last_word_first
from bench.tools.tool import LONGEST, PEER_BATCH, Peer, Values, check_updates

LANGUAGES = ("-s", "en", "-t", "fr")
UPDATE = re.compile(r"\| train_inner \| (\{.*\})")
HYPOTHESIS = re.compile(r"^H-(\d+)\t[^\t]*\t(.*)$")


class Fairseq(Peer):
    name, venv, package = "fairseq", "venv-fairseq", "fairseq"

    def environment(self) -> Mapping[str, str]:
        return dict(super().environment()) | {"PYTHONPATH": str(HOME / "peers/shim")}

    def lacks(self, shape: Shape) -> str | None:
        feeds = shape.attention and shape.directions == 1
        return "with attention only input feeding" if feeds else None

    def train(self, shape: Shape, updates: int, seed: int) -> tuple[Values, Timing]:
        trained = self.folder / "trained"
        timing = self.training(shape, 2 * updates, seed, trained)
        shutil.rmtree(trained, ignore_errors=True)
        _, of_source, of_target = self.corpora.counts()
        of_both = speed(timing.talk, updates) * (1 + of_source / of_target)
        return {"words_per_second": of_both}, timing

    def training(self, shape: Shape, updates: int, seed: int, folder: Path) -> Timing:
        shutil.rmtree(folder, ignore_errors=True)
        layers, cells, size = map(str, (shape.layers, shape.cells, shape.embedding))
        return self.run(
            [
                *(self.bin / "fairseq-train", self.training_data(), *LANGUAGES, *self.cpu()),
                *("--arch", "lstm", "--encoder-layers", layers, "--decoder-layers", layers),
                *("--encoder-embed-dim", size, "--decoder-embed-dim", size),
                *("--encoder-hidden-size", str(shape.cells // shape.directions)),
                *["--encoder-bidirectional"] * (shape.directions > 1),
                *("--decoder-hidden-size", cells),
                *(
                    "--decoder-out-embed-dim",
                    cells,
                    "--decoder-attention",
                    str(int(shape.attention)),
                ),
                *("--dropout", "0", "--optimizer", "sgd", "--lr", "0.7", "--clip-norm", "5"),
                *("--batch-size", str(self.settings.sizes.batch), "--max-epoch", "100000"),
                *("--required-batch-size-multiple", "1", "--max-update", str(updates)),
                *("--log-format", "json", "--log-interval", "1", "--seed", str(seed)),
                *("--disable-validation", "--save-dir", folder, "--no-epoch-checkpoints"),
                *("--num-workers", "0", "--criterion", "cross_entropy"),
            ]
        )

    def cpu(self) -> list[str]:
        return [] if self.settings.gpu else ["--cpu"]

    def training_data(self) -> Path:
        data = self.corpora.data
        return self.binarised("training", {"train": data / "train", "valid": data / "test"})

    def binarised(self, name: str, splits: dict[str, Path]) -> Path:
        """Its own form of parallel text: for each split PREFIX.en and PREFIX.fr."""
        folder = self.folder / name
        if not (folder / "preprocess.log").exists():
            dictionaries = []
            self.folder.mkdir(parents=True, exist_ok=True)
            for language, option in (("en", "--srcdict"), ("fr", "--tgtdict")):
                path = self.folder / f"dict.{language}.txt"
                counted = lines_of(self.corpora.data / f"vocab.{language}")
                write(path, (" ".join(line.rsplit("\t", 1)) for line in counted))
                dictionaries += [option, str(path)]
            texts = [part for each, path in splits.items() for part in (f"--{each}pref", path)]
            command = [self.bin / "fairseq-preprocess", *LANGUAGES, *dictionaries]
            self.run([*command, *texts, "--destdir", folder, "--workers", "1"])
        return folder

    def prepare_decoding(self) -> None:
        assert self.model

    def preprocess(self, prefix: Path) -> Timing:
        """Dictionaries of the paper's sizes and binary text of PREFIX.en and PREFIX.fr."""
        output = self.folder / "preprocessed"
        shutil.rmtree(output, ignore_errors=True)
        sizes = ["--nwordssrc", "160000", "--nwordstgt", "80000", "--workers", "1"]
        command = [self.bin / "fairseq-preprocess", *LANGUAGES, "--trainpref", prefix]
        return self.run([*command, *sizes, "--destdir", output])

    @property
    def model(self) -> Path:
        """A checkpoint with the weights of the plain reference."""
        path = self.folder / "decoding.pt"
        if not path.exists():
            made = self.folder / "made"
            self.training(self.settings.sizes.shapes["small"], 1, 1, made)
            command = [self.bin / "python", HOME / "peers/transplant.py", "fairseq"]
            weights = self.corpora.plain_weights
            self.run([*command, weights, made / "checkpoint_last.pt", path])
        return path

    def translate(self, source: Path, output: Path, beam: int, models: int = 1) -> Timing:
        folder = self.parallel(source, source)
        options = ["--max-len-a", "0", "--max-len-b", str(LONGEST), "--beam", str(beam)]
        timing = self.generate(folder, models, options)
        found = [match for _, line in timing.talk if (match := HYPOTHESIS.match(line))]
        texts = {int(match[1]): match[2] for match in found}
        write(output, (texts[index] for index in sorted(texts)))
        return timing

    def score(self, source: Path, target: Path, output: Path) -> Timing:
        options = ["--score-reference", "--beam", "1"]
        return self.generate(self.parallel(source, target), 1, options)

    def parallel(self, source: Path, target: Path) -> Path:
        """Text to translate or to score, in its form; made once."""
        name = f"{source.name}-{target.name}"
        pair = self.folder / "text" / name
        pair.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(last_word_first(source), f"{pair}.en")
        shutil.copyfile(target, f"{pair}.fr")
        return self.binarised(f"text-{name}", {"test": pair})

    def generate(self, folder: Path, models: int, options: list[str]) -> Timing:
        model = ":".join([str(self.model)] * models)
        return self.run(
            [
                *(self.bin / "fairseq-generate", folder, *LANGUAGES, "--path", model, *self.cpu()),
                *("--batch-size", str(PEER_BATCH), "--required-batch-size-multiple", "1"),
                *("--unnormalized", "--num-workers", "0", *options),
            ]
        )

    def helps(self) -> dict[str, Command]:
        names = ("fairseq-train", "fairseq-generate")
        return {each: [self.bin / each, "--help"] for each in names}


def speed(talk: Talk, warm: int) -> float:
    """Target words a second after the first updates; those of the source are not told.

    wpb are the words of an update with their ends, of which there are bsz.
    """
    steps = [(at, json.loads(found[1])) for at, line in talk if (found := UPDATE.search(line))]
    check_updates(len(steps), warm)
    words = sum(float(each["wpb"]) - float(each["bsz"]) for _, each in steps[warm:])
    return words / (steps[-1][0] - steps[warm - 1][0])
