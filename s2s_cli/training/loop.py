"""The training loop, to be read beside §3.4 of the paper."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from s2s_cli.console import progress as progress_bar
from s2s_cli.console import say, warn
from s2s_cli.data.batches import Batch, batches, make_batch, plan_epoch, plan_in_order
from s2s_cli.data.corpus import Corpus
from s2s_cli.errors import UserError
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.model.directory import LAST, Description, remove_half_written
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.work import share_of_peak
from s2s_cli.training import checkpoint, report
from s2s_cli.training.checkpoint import Progress
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.metrics import Clock, MetricsFile
from s2s_cli.training.schedule import learning_rate
from s2s_cli.training.signals import StopSignals
from s2s_cli.training.update import (
    clipping,
    gradient,
    gradient_norm,
    make_optimisers,
    operations,
    step,
)

SAVE_EVERY = 1000
SKIPPED_IN_A_ROW = 5
# After so many updates of a run the time to the end is told, before any line of the log.
FEW_UPDATES = 10


@dataclass(frozen=True)
class Stopped:
    """How a run ended: training finished, or to be resumed, with the signal that stopped it."""

    finished: bool
    signal: int | None = None


def train(
    data: Path, directory: Path, shape: ModelConfig, config: TrainingConfig, device: torch.device
) -> Stopped:
    """Train a model on a corpus, from the start or from where ``directory`` left off.

    Args:
        data: directory that ``s2s vocab`` filled.
        directory: the model directory to write.
        shape: layers and sizes.
        config: the settings of training.
        device: where to train.

    Raises:
        UserError: no corpus; ``directory`` holds another training; the loss is not finite.
    """
    corpus = Corpus.open(data)
    announce(corpus, shape, config, device)
    trainer = Trainer(corpus, directory, shape, config, device)
    resumed = trainer.start()
    if reason := trainer.finished():
        say(f"{directory}: already finished ({reason}); nothing to do")
        return Stopped(finished=True)
    trainer.introduce(resumed)
    with StopSignals() as signals:
        return trainer.run(signals)


def announce(
    corpus: Corpus, shape: ModelConfig, config: TrainingConfig, device: torch.device
) -> None:
    """Say what the training will take, before anything is allocated."""
    if corpus.valid is None:
        warn("no validation text: decode will use the last weights, --patience has no effect")
    sizes = len(corpus.source_vocabulary), len(corpus.target_vocabulary)
    longest = int(corpus.train.source.lengths().max()), int(corpus.train.target.lengths().max())
    with torch.device("meta"):
        model = Seq2Seq(Shape.of(shape, *sizes))
    say(report.parameters(model))
    memory = report.memory_estimate(model, config, *longest)
    say(f"memory: about {report.gibibytes(memory)} on {device} for the largest batch")


class Trainer:
    """One training: its model, its data and where it stands."""

    def __init__(
        self,
        corpus: Corpus,
        directory: Path,
        shape: ModelConfig,
        config: TrainingConfig,
        device: torch.device,
    ) -> None:
        self.corpus, self.directory, self.config, self.device = corpus, directory, config, device
        self.shape = Shape.of(shape, len(corpus.source_vocabulary), len(corpus.target_vocabulary))
        self.identity = checkpoint.Identity.of(config, self.shape, corpus.digest)
        self.model = Seq2Seq(self.shape, dropout=config.dropout)
        self.updates_per_epoch = len(plan_in_order(corpus.train, config.batch_size))
        self.progress = Progress()
        self.operations = 0

    def start(self) -> bool:
        """Initial weights, or the last checkpoint; whether it was the latter."""
        generator = torch.Generator().manual_seed(self.config.seed)
        self.model.initialise(self.config.initial_range, generator)
        torch.manual_seed(self.config.seed)
        self.model.to(self.device)
        self.optimisers = make_optimisers(self.config.optimiser, self.model)
        saved = checkpoint.restore(
            self.directory, self.model, self.optimisers, self.identity, self.device
        )
        self.progress = saved or Progress()
        return saved is not None

    def introduce(self, resumed: bool) -> None:
        """Say what is about to happen."""
        config, pairs = self.config, self.corpus.train
        say(
            f"{len(pairs):,} sentence pairs, {self.updates_per_epoch:,} updates an epoch, "
            f"{self.total_updates():,} in all, {config.precision}"
        )
        if resumed:
            say(f"{self.directory}: resumed after update {self.progress.updates:,}")

    def run(self, signals: StopSignals) -> Stopped:
        """Update until something ends the run; leave a checkpoint."""
        self.describe()
        self.clock = Clock()
        with (
            MetricsFile(self.directory, self.progress.metrics_bytes) as self.metrics,
            progress_bar("training", self.total_updates(), "updates") as advance,
        ):
            advance(self.progress.updates)
            while not self.ended(signals):
                self.epoch(signals, advance)
            self.save()
        if self.config.measure:
            precision = self.config.precision
            say(share_of_peak(self.operations, self.clock.updating(), self.device, precision))
        if reason := self.finished():
            say(f"{self.directory}: finished ({reason})")
            return Stopped(finished=True)
        say(
            f"{self.directory}: stopped after update {self.progress.updates:,}; "
            "the same command goes on from here"
        )
        return Stopped(finished=False, signal=signals.received)

    def epoch(self, signals: StopSignals, advance: Callable[[int], None]) -> None:
        """What is left of the present epoch, as far as nothing ends the run."""
        config = self.config
        epoch, done = divmod(self.progress.updates, self.updates_per_epoch)
        plan = plan_epoch(self.corpus.train, config.batch_size, config.seed, epoch)
        for batch in batches(self.corpus.train, plan[done:]):
            self.update(batch)
            advance(1)
            if self.log_due():
                self.log()
            elif self.clock.updates == FEW_UPDATES:
                say(f"at this speed, about {self.time_left()} to the end")
            if self.validation_due():
                self.validate()
            if self.checkpoint_due():
                self.save()
            if self.ended(signals):
                return

    def update(self, batch: Batch) -> None:
        """One step of gradient descent (§3.4)."""
        config, progress = self.config, self.progress
        batch = batch.to(self.device)
        rate = self.learning_rate()
        self.model.train()
        self.model.zero_grad()
        loss = gradient(self.model, batch, config.batch_size, bf16=config.precision == "bf16")
        # Fetched together: the update's only wait for a GPU.
        total, norm = torch.stack([loss, gradient_norm(self.model.parameters())]).tolist()
        if math.isfinite(norm):
            step(self.optimisers, rate, clipping(norm, config.clip_norm))
            progress.skipped_in_a_row = 0
            progress.window_loss += total
            progress.window_words += len(batch.words)
            progress.window_norm = max(progress.window_norm, norm)
        else:
            self.skip()
        progress.updates += 1
        self.clock.count(batch.running_words)
        self.operations += operations(self.shape, batch)

    def skip(self) -> None:
        """Leave the weights as they are: one NaN in a gradient would spread to every weight."""
        self.progress.skipped_in_a_row += 1
        warn(f"update {self.progress.updates + 1:,} skipped: its gradient is not finite")
        if self.progress.skipped_in_a_row == SKIPPED_IN_A_ROW:
            saved = (self.directory / LAST).is_file()
            raise UserError(
                f"{SKIPPED_IN_A_ROW} updates in a row had no finite gradient; "
                + (f"use the last checkpoint in {self.directory}, or " if saved else "")
                + "train anew with a lower --learning-rate"
            )

    def learning_rate(self) -> float:
        config = self.config
        return learning_rate(
            config.learning_rate, self.position(), config.halve_after, config.halve_every
        )

    def position(self) -> float:
        """Epochs done, with fraction."""
        return self.progress.updates / self.updates_per_epoch

    def total_updates(self) -> int:
        """Updates from the first to the last of this training."""
        total = round(self.config.epochs * self.updates_per_epoch)
        return min(total, self.config.max_updates) if self.config.max_updates else total

    def finished(self) -> str | None:
        """Why there is nothing left to train, or None."""
        progress, patience = self.progress, self.config.patience
        if progress.updates >= self.total_updates():
            return f"{progress.updates:,} updates, {self.position():.2f} epochs"
        if patience and progress.stale_validations >= patience:
            return (
                f"no better validation perplexity than {progress.best_perplexity:.2f} "
                f"since update {progress.best_update:,}"
            )
        return None

    def ended(self, signals: StopSignals) -> bool:
        """Whether this run has to stop here."""
        minutes = self.config.max_minutes
        late = minutes > 0 and self.clock.elapsed() >= 60 * minutes
        return late or signals.received is not None or self.finished() is not None

    def log_due(self) -> bool:
        return self.progress.updates % self.config.log_every == 0

    def validation_due(self) -> bool:
        """Every so many updates, or each half epoch; and at the end."""
        updates, every = self.progress.updates, self.config.validate_every
        if self.corpus.valid is None:
            return False
        if updates == self.total_updates():
            return True
        if every:
            return updates % every == 0
        halves = [2 * each // self.updates_per_epoch for each in (updates - 1, updates)]
        return halves[0] != halves[1]

    def checkpoint_due(self) -> bool:
        if self.config.save_every:
            # The best weights never lie there without a training that can go on.
            first = self.validation_due() and not (self.directory / LAST).is_file()
            return first or self.progress.updates % self.config.save_every == 0
        return self.progress.updates % SAVE_EVERY == 0 or self.validation_due()

    def log(self) -> None:
        """One line for a person, one record for the metrics file; a new window begins."""
        progress = self.progress
        if not progress.window_words:  # every update was skipped: there is no loss to tell
            return
        loss = progress.window_loss / progress.window_words
        rate, speed = self.learning_rate(), self.clock.words_per_second()
        self.metrics.write(
            update=progress.updates,
            epoch=round(self.position(), 4),
            loss=loss,
            learning_rate=rate,
            gradient_norm=progress.window_norm,
            words_per_second=round(speed),
        )
        say(
            f"update {progress.updates:,}  epoch {self.position():.2f}  loss {loss:.4f}  "
            f"rate {rate:g}  norm {progress.window_norm:.2f}  {speed:,.0f} words/s  "
            f"{self.time_left()} left"
        )
        progress.window_loss, progress.window_words, progress.window_norm = 0.0, 0, 0.0
        self.clock.new_window()

    def time_left(self) -> str:
        updates = self.total_updates() - self.progress.updates
        return report.duration(self.clock.seconds_an_update() * updates)

    def validate(self) -> None:
        """Perplexity on the validation text; the best weights so far are kept."""
        progress = self.progress
        with self.clock.paused():
            perplexity = self.validation_perplexity()
            better = perplexity < progress.best_perplexity
            if better:
                progress.best_perplexity, progress.best_update = perplexity, progress.updates
                progress.stale_validations = 0
                checkpoint.save_best(self.directory, self.model)
            else:
                progress.stale_validations += 1
        self.metrics.write(
            update=progress.updates,
            epoch=round(self.position(), 4),
            validation_perplexity=perplexity,
        )
        best = "best so far" if better else f"best {progress.best_perplexity:.3f}"
        say(f"update {progress.updates:,}  validation perplexity {perplexity:.3f}  ({best})")

    @torch.no_grad()
    def validation_perplexity(self) -> float:
        """Perplexity a target word, ``<EOS>`` counted, computed in fp32."""
        assert self.corpus.valid is not None
        self.model.eval()
        total, words = 0.0, 0
        for sentences in plan_in_order(self.corpus.valid, self.config.batch_size):
            batch = make_batch(self.corpus.valid, sentences).to(self.device)
            total += float(self.model(batch.source, batch.target_input, batch.words))
            words += len(batch.words)
        return math.exp(min(total / words, 700.0))

    def describe(self) -> None:
        """Write what the model is; the weights follow at the first checkpoint."""
        self.directory.mkdir(parents=True, exist_ok=True)
        remove_half_written(self.directory)
        corpus = self.corpus
        description = Description(
            self.shape, corpus.facts, corpus.source_vocabulary, corpus.target_vocabulary
        )
        description.write(self.directory)

    def save(self) -> None:
        """Write the checkpoint from which the same command resumes."""
        with self.clock.paused():
            self.progress.metrics_bytes = self.metrics.sync()
            checkpoint.save(
                self.directory,
                self.model,
                self.optimisers,
                self.progress,
                self.identity,
                self.device,
            )
