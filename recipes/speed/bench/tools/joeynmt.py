"""JoeyNMT 2.3, with what it cannot leave out: attention, and an encoder of two directions.

It decodes weights of its own, to an output of fixed length, the mean of the others.
"""

import re
import shutil
from pathlib import Path

from bench.corpora import lines_of, write
from bench.settings import Shape
from bench.timing import Command, Talk, Timing
from bench.tools.tool import PEER_BATCH, Peer, Values, check_updates

REPORT = re.compile(r"Tokens per Sec: +(\d+)")
OUTPUT_WORDS = 13
SPECIAL = ("<unk>", "<pad>", "<s>", "</s>")
SETTINGS = """\
name: bench
joeynmt_version: "2.3.0"
model_dir: {model}
use_cuda: {cuda}
fp16: False
random_seed: {seed}
data:
  train: {data}/train
  dev: {text}
  test: {text}
  dataset_type: plain
  src: {{lang: en, max_length: 100, lowercase: False, level: word, voc_limit: {rows},
        voc_min_freq: 1, voc_file: {folder}/vocab.en, tokenizer_type: none}}
  trg: {{lang: fr, max_length: 100, lowercase: False, level: word, voc_limit: {rows},
        voc_min_freq: 1, voc_file: {folder}/vocab.fr, tokenizer_type: none}}
  special_symbols: {{unk_token: "<unk>", unk_id: 0, pad_token: "<pad>", pad_id: 1,
                    bos_token: "<s>", bos_id: 2, eos_token: "</s>", eos_id: 3}}
testing:
  load_model: {weights}
  n_best: 1
  beam_size: {beam}
  beam_alpha: -1
  batch_size: {together}
  batch_type: sentence
  min_output_length: {shortest}
  max_output_length: {longest}
  return_prob: {probabilities}
  eval_metrics: []
training:
  optimizer: sgd
  learning_rate: 0.7
  learning_rate_min: 1.0e-8
  clip_grad_norm: 5.0
  batch_size: {batch}
  batch_type: sentence
  normalization: batch
  scheduling: exponential
  decrease_factor: 1.0
  epochs: 100000
  updates: {updates}
  validation_freq: 1000000
  logging_freq: 1
  early_stopping_metric: ppl
  overwrite: True
  shuffle: True
  print_valid_sents: []
  keep_best_ckpts: -1
model:
  initializer: uniform
  init_weight: 0.08
  embed_initializer: uniform
  embed_init_weight: 0.08
  bias_initializer: zeros
  encoder: {{type: recurrent, rnn_type: lstm, hidden_size: {half}, bidirectional: True,
            num_layers: {layers}, dropout: 0.,
            embeddings: {{embedding_dim: {size}, scale: False, dropout: 0.}}}}
  decoder: {{type: recurrent, rnn_type: lstm, hidden_size: {cells}, num_layers: {layers},
            dropout: 0., hidden_dropout: 0., attention: luong, input_feeding: False,
            init_hidden: last, embeddings: {{embedding_dim: {size}, scale: False, dropout: 0.}}}}
"""


class JoeyNMT(Peer):
    name, venv, package = "JoeyNMT", "venv-joey", "joeynmt"
    scored_times = 2  # its text for validation is scored too, and is the same

    def lacks(self, shape: Shape) -> str | None:
        one = shape.attention and shape.directions == 1
        return "only two directions" if one else None

    def train(self, shape: Shape, updates: int, seed: int) -> tuple[Values, Timing]:
        trained = self.folder / "trained"
        timing = self.training(shape, 2 * updates, seed, trained)
        shutil.rmtree(trained, ignore_errors=True)
        _, of_source, of_target = self.corpora.counts()
        target = speed(timing.talk, updates, self.settings.sizes.batch)
        return {"words_per_second": target * (1 + of_source / of_target)}, timing

    def training(self, shape: Shape, updates: int, seed: int, model: Path) -> Timing:
        settings = self.described(shape=shape, updates=updates, seed=seed, model=model)
        return self.run([self.bin / "python", "-m", "joeynmt", "train", settings, "-t"])

    def described(
        self,
        *,
        shape: Shape | None = None,
        updates: int = 1,
        seed: int = 1,
        model: Path,
        weights: Path | str = "none",
        beam: int = 1,
        words: tuple[int, int] = (1, 50),
        text: Path | None = None,
        probabilities: str = "none",
    ) -> Path:
        """Its settings file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self.corpora.data
        for language in ("en", "fr"):
            counted = [line.split("\t")[0] for line in lines_of(data / f"vocab.{language}")]
            write(self.folder / f"vocab.{language}", [*SPECIAL, *counted])
        shape = shape or self.settings.sizes.shapes["small"]
        path = self.folder / "settings.yaml"
        path.write_text(
            SETTINGS.format(
                model=model,
                cuda=self.settings.gpu,
                seed=seed,
                data=data,
                text=text or data / "test",
                rows=self.settings.sizes.words + len(SPECIAL),
                folder=self.folder,
                weights=weights,
                beam=beam,
                together=PEER_BATCH,
                shortest=words[0],
                longest=words[1],
                probabilities=probabilities,
                batch=self.settings.sizes.batch,
                updates=updates,
                half=shape.cells // 2,
                cells=shape.cells,
                layers=shape.layers,
                size=shape.embedding,
            )
        )
        return path

    def prepare_decoding(self) -> None:
        assert self.weights

    @property
    def weights(self) -> Path:
        """A checkpoint of its own, of one update."""
        folder = self.folder / "made"
        if not any(folder.glob("*.ckpt")):
            self.training(self.settings.sizes.shapes["small"], 1, 1, folder)
        return next(folder.glob("[0-9]*.ckpt"))

    def translate(self, source: Path, output: Path, beam: int, models: int = 1) -> Timing:
        settings = self.described(
            model=self.folder / "made",
            weights=self.weights,
            beam=beam,
            words=(OUTPUT_WORDS, OUTPUT_WORDS),
        )
        # What it logs goes to stderr. With -o it fails: it looks for an option that it has not.
        command = [self.bin / "python", "-m", "joeynmt", "translate", settings]
        return self.run(command, stdin=source, stdout=output)

    def score(self, source: Path, target: Path, output: Path) -> Timing:
        pair = self.folder / "text" / source.name
        pair.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, f"{pair}.en")
        shutil.copyfile(target, f"{pair}.fr")
        settings = self.described(
            model=self.folder / "made", weights=self.weights, text=pair, probabilities="ref"
        )
        return self.run(
            [self.bin / "python", "-m", "joeynmt", "test", settings, "-s", "-o", output]
        )

    def helps(self) -> dict[str, Command]:
        return {"joeynmt": [self.bin / "python", "-m", "joeynmt", "--help"]}


def speed(talk: Talk, warm: int, batch: int) -> float:
    """Target words a second after the first updates; those of the source are not told.

    A report tells the words a second since the one before, ends of sentences among them.
    """
    reports = [(at, int(found[1])) for at, line in talk if (found := REPORT.search(line))]
    check_updates(len(reports), warm)
    words = 0.0
    for (before, _), (at, rate) in zip(reports[warm - 1 :], reports[warm:], strict=False):
        words += rate * (at - before) - batch
    return words / (reports[-1][0] - reports[warm - 1][0])
