"""OpenNMT-py 3.5: an LSTM without attention and without input feeding."""

import re
import shutil
from pathlib import Path

from bench.corpora import lines_of, write
from bench.settings import HOME, Shape
from bench.timing import Command, Talk, Timing
from bench.tools.tool import LONGEST, PEER_BATCH, Peer, Values, check_updates

STEP = re.compile(r"Step +\d+/.*bsz: +(\d+)/ *(\d+)/ *(\d+)")


class OpenNMT(Peer):
    name, venv, package = "OpenNMT-py", "venv-onmt", "OpenNMT-py"

    def train(self, shape: Shape, updates: int, seed: int) -> tuple[Values, Timing]:
        timing = self.training(shape, 2 * updates, seed, self.folder / "trained")
        return {"words_per_second": speed(timing.talk, updates)}, timing

    def training(self, shape: Shape, updates: int, seed: int, model: Path) -> Timing:
        vocabulary = str(self.settings.sizes.words + 4)
        gpu = ["-world_size", "1", "-gpu_ranks", "0"] if self.settings.gpu else []
        return self.run(
            [
                *(self.bin / "onmt_train", "-config", self.described(), "-save_model", model),
                *(
                    "-encoder_type",
                    "brnn" if shape.directions > 1 else "rnn",
                    "-decoder_type",
                    "rnn",
                    "-rnn_type",
                    "LSTM",
                ),
                *("-layers", str(shape.layers), "-hidden_size", str(shape.cells)),
                *("-word_vec_size", str(shape.embedding), "-dropout", "0"),
                *(
                    "-global_attention",
                    "general" if shape.attention else "none",
                    "-input_feed",
                    "0",
                    "-param_init",
                    "0.08",
                ),
                *("-src_vocab_size", vocabulary, "-tgt_vocab_size", vocabulary),
                *("-vocab_size_multiple", "1", "-optim", "sgd", "-learning_rate", "0.7"),
                *("-max_grad_norm", "5", "-batch_type", "sents", "-normalization", "sents"),
                *("-batch_size", str(self.settings.sizes.batch), "-bucket_size", "29000"),
                *("-num_workers", "0", "-train_steps", str(updates), "-report_every", "1"),
                *("-save_checkpoint_steps", str(updates), "-valid_steps", "1000000"),
                *("-seed", str(seed), *gpu),
            ]
        )

    def described(self) -> Path:
        """Its settings file: the corpus and the words."""
        data, path = self.corpora.data, self.folder / "data.yaml"
        self.folder.mkdir(parents=True, exist_ok=True)
        for language in ("en", "fr"):
            counted = lines_of(data / f"vocab.{language}")
            write(self.folder / f"vocab.{language}", (line.split("\t")[0] for line in counted))
        path.write_text(
            f"data: {{multi30k: {{path_src: {data}/train.en, path_tgt: {data}/train.fr,"
            " transforms: []}}\n"
            f"src_vocab: {self.folder}/vocab.en\ntgt_vocab: {self.folder}/vocab.fr\n"
        )
        return path

    def prepare_decoding(self) -> None:
        assert self.model

    @property
    def model(self) -> Path:
        """A checkpoint with the weights of the plain reference."""
        path = self.folder / "decoding.pt"
        if not path.exists():
            made = self.folder / "made"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir(parents=True)
            self.training(self.settings.sizes.shapes["small"], 1, 1, made / "model")
            command = [self.bin / "python", HOME / "peers/transplant.py", "opennmt"]
            self.run([*command, self.corpora.plain_weights, *made.glob("*.pt"), path])
        return path

    def translate(self, source: Path, output: Path, beam: int, models: int = 1) -> Timing:
        options = ["-beam_size", str(beam), "-n_best", "1", "-max_length", str(LONGEST)]
        return self.answer([self.model] * models, source, output, options)

    def score(self, source: Path, target: Path, output: Path) -> Timing:
        # It scores the given target, and translates as little as can be on top.
        options = ["-tgt", str(target), "-beam_size", "1", "-max_length", "1"]
        return self.answer([self.model], source, output, options)

    def answer(self, models: list[Path], source: Path, output: Path, options: list[str]) -> Timing:
        gpu = "0" if self.settings.gpu else "-1"
        return self.run(
            [
                *(self.bin / "onmt_translate", "-model", *models, "-src", last_word_first(source)),
                *("-output", output, "-batch_type", "sents", "-batch_size", str(PEER_BATCH)),
                *("-length_penalty", "none", "-gpu", gpu, *options),
            ]
        )

    def helps(self) -> dict[str, Command]:
        return {each: [self.bin / each, "--help"] for each in ("onmt_train", "onmt_translate")}


def speed(talk: Talk, warm: int) -> float:
    """Words a second after the first updates.

    A report tells words of the source, words of the target with their ends, and sentences.
    """
    steps = [(at, found) for at, line in talk if (found := STEP.search(line))]
    check_updates(len(steps), warm)
    words = sum(int(found[1]) + int(found[2]) - int(found[3]) for _, found in steps[warm:])
    return words / (steps[-1][0] - steps[warm - 1][0])


def last_word_first(text: Path) -> Path:
    """The text as the weights want it, beside the text itself."""
    path = text.with_name(f"{text.name}.reversed")
    write(path, (" ".join(reversed(line.split(" "))) for line in lines_of(text)))
    return path
