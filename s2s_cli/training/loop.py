"""The training loop, to be read beside §3.4 of the paper."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from s2s_cli.console import progress as progress_bar
from s2s_cli.console import say, warn
from s2s_cli.data.batches import count_pair_words, plan_epoch, plan_in_order
from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.signals import Stopped, StopSignals
from s2s_cli.errors import UserError
from s2s_cli.locks import exclusive_lock
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.model.directory import LAST, PREVIOUS, Description, remove_half_written
from s2s_cli.model.pipeline import spread
from s2s_cli.model.variant import make_model
from s2s_cli.model.work import share_of_peak
from s2s_cli.training import best, checkpoint, report
from s2s_cli.training.checkpoint import Progress
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.finite import refuse_infinity, refuse_more_skips
from s2s_cli.training.gradient import Gradient, largest, try_gradient
from s2s_cli.training.metrics import Clock, MetricsFile, NoMetrics
from s2s_cli.training.optimisers import Optimisers
from s2s_cli.training.schedule import learning_rate, validation_falls
from s2s_cli.training.update import clipping, gradient_norm, operations, step
from s2s_cli.training.validation import perplexity_of

SAVE_EVERY = 1000
# After so many updates of a run the time to the end is told, before any line of the log.
FEW_UPDATES = 10


def train(
    data: Path, directory: Path, shape: ModelConfig, config: TrainingConfig, replica: Replica
) -> Stopped:
    """Train a model on a corpus, from the start or from where ``directory`` left off.

    Args:
        data: directory that ``s2s vocab`` filled.
        directory: the model directory to write.
        shape: layers and sizes.
        config: the settings of training.
        replica: where to train; all replicas are called with the same other arguments.

    Raises:
        UserError: no corpus; ``directory`` holds another training, or another process trains into
            it; gradients or weights are not finite.
    """
    corpus = Corpus.open(data)
    trainer = Trainer(corpus, directory, shape, config, replica)
    trainer.announce()
    with exclusive_lock(directory, "`s2s train`") if replica.is_main else nullcontext():
        resumed = trainer.start()
        if reason := trainer.finished():
            trainer.keep_best()
            remove_half_written(directory)
            say(f"{directory}: already finished ({reason}); nothing to do")
            return Stopped(finished=True)
        trainer.introduce(resumed)
        with replica.stop_signals() as signals:
            return trainer.run(signals)


class Trainer:
    """One training: its model, its data and where it stands."""

    def __init__(
        self,
        corpus: Corpus,
        directory: Path,
        shape: ModelConfig,
        config: TrainingConfig,
        replica: Replica,
    ) -> None:
        self.corpus, self.directory, self.config, self.replica = corpus, directory, config, replica
        self.device = replica.devices[0]
        self.shape = Shape.of(shape, len(corpus.source_vocabulary), len(corpus.target_vocabulary))
        self.identity = checkpoint.Identity.of(config, self.shape, corpus.digest)
        plan = plan_in_order(corpus.train, config.batch_size)
        self.updates_per_epoch, self.largest = len(plan), largest(corpus.train, plan)
        self.progress = Progress()
        self.saved: Progress | None = None
        self.damaged = False
        self.operations = 0
        self.ending = False

    def announce(self) -> None:
        """Say what the training will take, before anything is allocated."""
        corpus, replica = self.corpus, self.replica
        if corpus.valid is None:
            warn("no validation text: decode will use the last weights, --patience has no effect")
        with torch.device("meta"):
            model = make_model(self.shape)
        say(report.parameters(model))
        for line in report.devices(model, self.config, replica, corpus.train.longest()):
            say(line)

    def start(self) -> bool:
        """Initial weights, or the last checkpoint; whether it was the latter."""
        generator = torch.Generator().manual_seed(self.config.seed)
        model = make_model(self.shape, dropout=self.config.dropout)
        model.initialise(self.config.initial_range, generator)
        torch.manual_seed(self.config.seed)
        self.model = spread(model, self.replica.devices)
        self.optimisers = Optimisers.of(self.config.optimiser, self.model)
        self.gradient = Gradient(self.model, self.corpus.train, self.device, self.config)
        saved = checkpoint.restore(
            self.directory, self.model, self.optimisers, self.identity, self.device
        )
        if saved is not None:
            self.progress, self.damaged = saved.progress, saved.path.name == PREVIOUS
        updates = self.progress.updates
        if self.replica.reduce_max(updates) != -self.replica.reduce_max(-updates):
            raise UserError(
                f"{self.directory}: not all processes find the same checkpoint there; "
                "put it on a disk that all machines share"
            )
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
        try_gradient(self.gradient, self.largest, self.optimisers, self.replica)
        self.describe()
        self.go_on()
        self.clock = Clock()
        with (
            self.metrics_file() as self.metrics,
            progress_bar("training", self.total_updates(), "updates") as advance,
        ):
            advance(self.progress.updates)
            while not self.ended(signals):
                self.epoch(signals, advance)
            self.save()
        received = self.replica.reduce_max(signals.received or 0) or None
        if self.config.measure:
            mine, seconds = self.operations / self.replica.world_size, self.clock.updating()
            say(share_of_peak(mine, seconds, self.replica.devices, self.config.precision))
        if reason := self.finished():
            say(f"{self.directory}: finished ({reason})")
            return Stopped(finished=True)
        say(
            f"{self.directory}: stopped after update {self.progress.updates:,}; "
            "the same command goes on from here"
        )
        return Stopped(finished=False, signal=received)

    def epoch(self, signals: StopSignals, advance: Callable[[int], None]) -> None:
        """What is left of the present epoch, as far as nothing ends the run."""
        config = self.config
        epoch, done = divmod(self.progress.updates, self.updates_per_epoch)
        plan = plan_epoch(self.corpus.train, config.batch_size, config.seed, epoch)
        for sentences in plan[done:]:
            self.update(sentences, asked=self.asked_to_end(signals))
            advance(1)
            if self.log_due():
                self.log()
            elif self.clock.updates == FEW_UPDATES:
                say(f"at this speed, about {self.time_left()} to the end")
            better = self.validation_due() and self.validate()
            if self.checkpoint_due():
                self.save()
            # Last: where there are best weights, there is a checkpoint to go on from.
            if better:
                with self.clock.paused():
                    self.save_best()
            if self.ended(signals):
                return

    def update(self, sentences: Tensor, *, asked: bool = False) -> None:
        """One step of gradient descent (§3.4), on the pairs of these numbers.

        ``asked``: this replica has been asked to end the run; all replicas learn it here.
        """
        config, progress, replica = self.config, self.progress, self.replica
        if config.dropout and not replica.is_single_device:
            replica.seed(config.seed, progress.updates)
        mine, counts = replica.shard_batch(sentences)
        rate = self.learning_rate()
        loss = self.gradient(mine, config.batch_size if counts else math.inf)
        replica.reduce_gradients(self.model.parameters())
        told = torch.stack([loss * counts, loss.new_tensor(float(asked))])
        norm = gradient_norm(self.model.parameters()).to(loss.device)
        # Fetched together: where nothing is exchanged, the update's only wait for a GPU.
        total, asking, norm = torch.cat([replica.reduce_sum(told), norm[None]]).tolist()
        self.ending = asking > 0
        source_words, target_words = count_pair_words(self.corpus.train, sentences)
        if math.isfinite(norm) and math.isfinite(total):
            step(self.optimisers, rate, clipping(norm, config.clip_norm))
            progress.skipped_in_a_row = 0
            progress.window_loss += total
            progress.window_words += target_words + len(sentences)  # EOS is predicted, too
            progress.window_norm = max(progress.window_norm, norm)
        else:
            self.skip()
        progress.updates += 1
        self.clock.count(source_words + target_words)
        self.operations += operations(self.shape, source_words, target_words + len(sentences))

    def skip(self) -> None:
        """Leave the weights as they are: one NaN in a gradient would spread to every weight."""
        self.progress.skipped_in_a_row += 1
        self.progress.skipped += 1
        warn(f"update {self.progress.updates + 1:,} skipped: its gradient is not finite")
        refuse_more_skips(self.progress.skipped_in_a_row, self.directory)

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
        """Whether this run has to stop here; the same for all replicas."""
        asked = self.replica.world_size == 1 and self.asked_to_end(signals)
        return self.ending or asked or self.finished() is not None

    def asked_to_end(self, signals: StopSignals) -> bool:
        """Whether a signal or the clock has asked this process to end the run."""
        minutes = self.config.max_minutes
        late = minutes > 0 and self.clock.elapsed() >= 60 * minutes
        return late or signals.received is not None

    def log_due(self) -> bool:
        return self.progress.updates % self.config.log_every == 0

    def validation_due(self) -> bool:
        """Every so many updates, or each half epoch; and at the end."""
        at_end = self.progress.updates == self.total_updates()
        return self.corpus.valid is not None and (at_end or self.validation_lasts())

    def validation_lasts(self) -> bool:
        """Whether a validation here is one of the training, not only of the end of this run.

        The latter tells how good the last weights are. If the training then goes on to a later
        end, it does so as if that validation had not been: patience and best weights would
        otherwise depend on where a run was told to end.
        """
        every = self.config.validate_every
        return validation_falls(self.progress.updates, every, self.updates_per_epoch)

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
            skipped=progress.skipped,
            words_per_second=round(speed),
        )
        say(
            f"update {progress.updates:,}  epoch {self.position():.2f}  loss {loss:.4f}  "
            f"rate {rate:g}  norm {progress.window_norm:.2f}  {speed:,.0f} words/s  "
            f"{self.time_left()} left"
            + (f"  {progress.skipped:,} updates skipped" if progress.skipped else "")
        )
        progress.window_loss, progress.window_words, progress.window_norm = 0.0, 0, 0.0
        self.clock.new_window()

    def time_left(self) -> str:
        updates = self.total_updates() - self.progress.updates
        return report.duration(self.clock.seconds_an_update() * updates)

    def validate(self) -> bool:
        """Perplexity on the validation text; whether it is the best so far."""
        progress = self.progress
        with self.clock.paused():
            perplexity = self.validation_perplexity()
        better, lasting = perplexity < progress.best_perplexity, self.validation_lasts()
        if not lasting:
            progress.end_perplexity = perplexity
        elif better:
            progress.best_perplexity, progress.best_update = perplexity, progress.updates
            progress.stale_validations = 0
        else:
            progress.stale_validations += 1
        self.metrics.write(
            lasting=lasting,
            update=progress.updates,
            epoch=round(self.position(), 4),
            validation_perplexity=perplexity,
        )
        told = "best so far" if better else f"best {progress.best_perplexity:.3f}"
        value = f"{perplexity:.3f}{self.corpus.facts.subwords.per_piece}"
        say(f"update {progress.updates:,}  validation perplexity {value}  ({told})")
        return better

    def validation_perplexity(self) -> float:
        """Perplexity a target word, ``<EOS>`` counted, computed in fp32."""
        assert self.corpus.valid is not None
        return perplexity_of(self.model, self.corpus.valid, self.config.batch_size, self.replica)

    def metrics_file(self) -> MetricsFile | NoMetrics:
        """The metrics file, which the first replica writes."""
        first, kept = self.replica.is_main, self.progress.metrics_bytes
        return MetricsFile(self.directory, kept) if first else NoMetrics()

    def describe(self) -> None:
        """Write what the model is; the weights follow at the first checkpoint."""
        if not self.replica.is_main:
            return
        checkpoint.make_ready(self.directory, self.model, self.config, damaged=self.damaged)
        corpus = self.corpus
        vocabularies = corpus.source_vocabulary, corpus.target_vocabulary
        description = Description(self.shape, corpus.facts, *vocabularies, corpus.piece_models)
        description.write(self.directory)

    def go_on(self) -> None:
        """Have the best weights be those of the training so far, whatever came in between."""
        if self.replica.is_main:
            best.take_back(self.directory)
        self.progress.end_perplexity = math.inf
        self.keep_best()

    def keep_best(self) -> None:
        """Write the best weights if the checkpoint has them and a kill came before they were."""
        progress = self.progress
        at_last = 0 < progress.updates == progress.best_update
        at_end = progress.end_perplexity < progress.best_perplexity
        if (
            (at_last or at_end)
            and self.replica.is_main
            and not best.are(self.directory, self.model)
        ):
            self.save_best()

    def save_best(self) -> None:
        """Write the weights as the best so far."""
        refuse_infinity(self.model, self.progress.updates, self.directory)
        if self.replica.is_main:
            best.put(self.directory, self.model, lasting=self.validation_lasts())

    def save(self) -> None:
        """Write the checkpoint from which the same command resumes."""
        refuse_infinity(self.model, self.progress.updates, self.directory)
        if not self.replica.is_main:
            return
        with self.clock.paused():
            self.progress.metrics_bytes = self.metrics.sync()
            if self.progress == self.saved:  # the last two are to be of different updates
                return
            self.saved = replace(self.progress)
            checkpoint.save(
                self.directory, self.model, self.optimisers, self.saved, self.identity, self.device
            )
