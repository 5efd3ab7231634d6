"""The training loop: what comes between updates, from the first one to the last."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch

from s2s_cli.console import counted, say, say_folded, warn
from s2s_cli.console import progress as progress_bar
from s2s_cli.data.batches import plan_epoch
from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.signals import Stopped, StopSignals
from s2s_cli.locks import exclusive_lock
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.model.description import LAST
from s2s_cli.model.device import require_memory
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.work import share_of_peak
from s2s_cli.training import report
from s2s_cli.training.board import Board
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.hints import Hints
from s2s_cli.training.log import Log
from s2s_cli.training.memory import weights_bytes
from s2s_cli.training.metrics import (
    Clock,
    MetricsFile,
    NoMetrics,
    ValidationMetrics,
    WindowMetrics,
)
from s2s_cli.training.model_size import warn_of_size
from s2s_cli.training.outcome import say_outcome, shown_best
from s2s_cli.training.trainer import Trainer
from s2s_cli.training.validation import (
    NO_BLEU,
    Quality,
    ValidationTranslations,
    ValidationTranslator,
)

# Makes the translator of a training, given the data directory; None where it is to do nothing.
OpenTranslator = Callable[[Path, Trainer], ValidationTranslator | None]

# After so many updates of a run the time to the end is printed, before any line of the log.
FEW_UPDATES = 10


def train(
    data: Path,
    directory: Path,
    config: ModelConfig,
    training: TrainingConfig,
    replica: Replica,
    open_translator: OpenTranslator | None = None,
) -> Stopped:
    """Train a model on a corpus, from the start or from where ``directory`` left off.

    Args:
        data: directory that ``s2s vocab`` filled.
        directory: the model directory to write.
        config: layers and sizes.
        training: the settings of training.
        replica: where to train; all replicas are called with the same other arguments.
        open_translator: who translates at validations; None: nobody does.

    Raises:
        UserError: no corpus; ``directory`` holds another training, or another process trains into
            it; gradients or weights are not finite.
    """
    corpus = Corpus.open(data)
    shape = Shape.of(config, len(corpus.source_vocabulary), len(corpus.target_vocabulary))
    announce(corpus, shape, training, replica)
    with exclusive_lock(directory, "`s2s train`") if replica.is_main else nullcontext():
        trainer = Trainer(corpus, directory, shape, training, replica)
        if reason := trainer.finished():
            trainer.mend()
            say(f"{directory}: already finished ({reason}); nothing to do")
            say_outcome(trainer)
            return Stopped(finished=True)
        translator = open_translator(data, trainer) if open_translator else None
        introduce(trainer)
        if translator and (what := translator.describe()):
            say_folded(what)
        with replica.stop_signals() as signals:
            return Run(trainer, signals, translator).run()


def announce(corpus: Corpus, shape: Shape, config: TrainingConfig, replica: Replica) -> None:
    """Say what the training will take, before anything is allocated.

    Raises:
        UserError: more memory than the machine has.
    """
    if corpus.valid is None:
        warn("no validation text: decode will use the last weights, --patience has no effect")
    with torch.device("meta"):
        model = Seq2Seq(shape)
    say_folded(report.parameters(model))
    what = "weights, their gradients and the optimiser's state take"
    require_memory(weights_bytes(model, config), what, replica.devices[0])
    for line in report.devices(model, config, replica, corpus.train.longest()):
        say_folded(line)


def introduce(trainer: Trainer) -> None:
    """Say what is about to happen."""
    schedule = trainer.schedule
    say_folded(
        f"{counted(len(trainer.corpus.train), 'sentence pair')}, "
        f"{counted(schedule.updates_per_epoch, 'update')} an "
        f"epoch, {schedule.total_updates:,} in all, {trainer.config.precision}"
    )
    pairs, size = len(trainer.corpus.train), trainer.config.batch_size
    if pairs < size:
        warn(
            f"a batch holds all {pairs:,} pairs, and its gradient is divided by --batch-size "
            f"{size:,} all the same; --batch-size {pairs:,} or less takes larger steps"
        )
    if not trainer.restored:
        warn_of_size(trainer.corpus, trainer.shape)
    if faded := schedule.faded():
        warn(
            f"from update {faded:,} on, the learning rate is too low to change a weight; see "
            "--learning-rate, --halve-after and --halve-every"
        )
    if trainer.restored:
        say(f"{trainer.directory}: resumed after update {trainer.progress.updates:,}")


class Run:
    """One run of a training: its updates until something ends it, and what comes between them."""

    def __init__(
        self,
        trainer: Trainer,
        signals: StopSignals,
        translator: ValidationTranslator | None = None,
    ) -> None:
        """Be ready to run; ``signals`` ask it to stop, ``translator`` is for validations."""
        self.trainer, self.signals, self.translator = trainer, signals, translator
        self.config, self.schedule = trainer.config, trainer.schedule
        self.progress = trainer.progress
        self.metrics: MetricsFile | NoMetrics = NoMetrics()
        self.clock = Clock()
        self.board = Board(None, 0)
        self.lines = Log(self.config.best_by)
        self.hints = Hints(trainer)

    def run(self) -> Stopped:
        """Update until something ends the run; leave a checkpoint."""
        trainer = self.trainer
        trainer.rehearse()
        trainer.describe()
        trainer.discard_end_validation()
        self.clock = Clock()
        with (
            self.metrics_file() as self.metrics,
            self.open_board() as self.board,
            progress_bar("training", self.schedule.total_updates, "updates") as advance,
        ):
            advance(self.progress.updates)
            while not self.ended():
                self.epoch(advance)
            self.save()
        return self.stopped()

    def epoch(self, advance: Callable[[int], None]) -> None:
        """Do what is left of the present epoch, as far as nothing ends the run."""
        config, schedule, progress = self.config, self.schedule, self.progress
        number, done = divmod(progress.updates, schedule.updates_per_epoch)
        plan = plan_epoch(self.trainer.corpus.train, config.batch_size, config.seed, number)
        self.trainer.clipped = 0
        for sentences in plan[done:]:
            self.clock.count(self.trainer.update(sentences, asked=self.asked_to_end()))
            advance(1)
            if schedule.is_log_due(progress.updates):
                self.log()
            elif self.clock.updates == FEW_UPDATES < config.log_every:
                say(f"at this speed, about {self.time_left()} to the end")
            better = schedule.is_validation_due(progress.updates) and self.validate()
            if schedule.is_checkpoint_due(progress.updates, self.trainer.directory / LAST):
                self.save()
            # Last: where there are best weights, there is a checkpoint to go on from.
            if better:
                with self.clock.paused():
                    self.trainer.save_best()
            if schedule.is_keeping_due(progress.updates):
                with self.clock.paused():
                    self.trainer.keep()
            if self.ended():
                return
        self.hints.epoch_ended(number + 1, len(plan) - done)

    def ended(self) -> bool:
        """True where this run has to stop here; the same for all replicas."""
        trainer = self.trainer
        asked = trainer.replica.world_size == 1 and self.asked_to_end()
        return trainer.ending or asked or trainer.finished() is not None

    def asked_to_end(self) -> bool:
        """True where a signal or the clock has asked this process to end the run.

        The clock asks after an update at the earliest: a run that is made again and again gets on.
        """
        minutes, clock = self.config.max_minutes, self.clock
        late = minutes > 0 and clock.updates > 0 and clock.elapsed() >= 60 * minutes
        return late or self.signals.received is not None

    def stopped(self) -> Stopped:
        """Say how the run ended."""
        trainer, replica = self.trainer, self.trainer.replica
        received = replica.reduce_max(self.signals.received or 0) or None
        if self.config.measure:
            own, seconds = trainer.flops / replica.world_size, self.clock.updating()
            say(share_of_peak(own, seconds, replica.devices, self.config.precision))
        taken = report.duration(self.clock.elapsed())
        if reason := trainer.finished():
            say(f"{trainer.directory}: finished ({reason}); this run took {taken}")
            say_outcome(trainer)
            return Stopped(finished=True)
        say(
            f"{trainer.directory}: stopped after update {self.progress.updates:,}; "
            "the same command goes on from here"
        )
        best = f"; best so far: {best}" if (best := shown_best(trainer)) else ""
        say(f"this run took {taken}, {self.time_left()} left{best}")
        return Stopped(finished=False, signal=received)

    def time_left(self) -> str:
        updates = self.schedule.total_updates - self.progress.updates
        return report.duration(self.clock.seconds_per_update() * updates)

    def log(self) -> None:
        """Write a line for a person and a record of the metrics; begin a new window."""
        progress = self.progress
        if not progress.window_words:  # every update was skipped: there is no loss to report
            return
        metrics = WindowMetrics(
            update=progress.updates,
            epoch=self.schedule.epochs(progress.updates),
            loss=progress.window_loss / progress.window_words,
            learning_rate=self.schedule.learning_rate(progress.updates),
            gradient_norm=progress.window_norm,
            skipped=progress.skipped,
            words_per_second=self.clock.words_per_second(),
        )
        self.metrics.write(metrics)
        self.board.write(metrics)
        self.lines.window(metrics, self.time_left())
        self.hints.logged(metrics)
        progress.window_loss, progress.window_words, progress.window_norm = 0.0, 0, 0.0
        self.clock.new_window()

    def validate(self) -> bool:
        """Measure the weights on the validation text; return whether they are the best so far."""
        updates = self.progress.updates
        with self.clock.paused():
            perplexity = self.trainer.validation_perplexity()
            made = ValidationTranslations()
            if self.translator:
                made = self.translator(self.trainer.model)
        better = self.trainer.note_validation(Quality(perplexity, made.bleu))
        bleu = None if made.bleu == NO_BLEU else made.bleu
        metrics = ValidationMetrics(updates, self.schedule.epochs(updates), perplexity, bleu)
        self.metrics.write(metrics, lasting=self.schedule.is_lasting_validation(updates))
        self.board.write(metrics)
        self.board.samples(updates, made.samples)
        unit = self.trainer.corpus.facts.subwords.per_piece
        best = None if better else self.progress.best
        self.lines.validation(metrics, unit, best, self.trainer.shape.target_vocabulary)
        self.lines.samples(made.samples)
        self.hints.validated(made.hypotheses)
        return better

    def metrics_file(self) -> MetricsFile | NoMetrics:
        """The metrics file, which the first replica writes."""
        trainer, kept = self.trainer, self.progress.metrics_bytes
        return MetricsFile(trainer.directory, kept) if trainer.replica.is_main else NoMetrics()

    def open_board(self) -> Board:
        """The events for TensorBoard, which the first replica writes."""
        directory = self.config.tensorboard if self.trainer.replica.is_main else None
        return Board(directory, self.progress.updates)

    def save(self) -> None:
        with self.clock.paused():
            self.board.flush()
            self.trainer.save(self.metrics)
