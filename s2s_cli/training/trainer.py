"""One training and its update, to be read beside §3.4 of the paper."""

import math
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import torch
from torch import Tensor

from s2s_cli.console import counted, warn
from s2s_cli.data.batches import count_pair_words, plan_in_order
from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed.replica import Replica
from s2s_cli.errors import UserError
from s2s_cli.model.config import Shape
from s2s_cli.model.description import LAST, Description
from s2s_cli.model.directory import PREVIOUS, remove_half_written
from s2s_cli.model.parts import BatchParts
from s2s_cli.model.pipeline import Model, spread
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.training.checkpoint import Checkpoints
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.kept import KeptWeights
from s2s_cli.training.losses import WORST_PERPLEXITY, perplexity, validation_loss
from s2s_cli.training.metrics import METRICS, MetricsFile, NoMetrics, refuse_foreign
from s2s_cli.training.optimisers import Optimisers
from s2s_cli.training.progress import Identity, Progress
from s2s_cli.training.recorder import Recorder
from s2s_cli.training.schedule import Schedule
from s2s_cli.training.update import (
    BatchGradient,
    clip_coefficient,
    gradient_norm,
    largest_batch,
    shared_rows,
    step,
    training_flops,
)
from s2s_cli.training.validation import NO_BLEU, Quality, shown_quality

SKIPPED_IN_A_ROW = 5


def initial_model(shape: Shape, config: TrainingConfig, devices: tuple[torch.device, ...]) -> Model:
    """A model with weights drawn from [-0.08, 0.08] (§3.4), on its devices."""
    generator = torch.Generator().manual_seed(config.seed)
    model = Seq2Seq(shape, dropout=config.dropout)
    model.initialise(config.initial_range, generator)
    torch.manual_seed(config.seed)
    return spread(model, devices)


class Trainer:
    """One training: its model, its data and where it stands.

    Attributes:
        flops: arithmetic of the updates of this run, of all replicas; counted for ``--measure``.
        ending: a replica has been asked to end the run, and all know it.
        clipped: updates since the beginning of an epoch whose gradient was clipped.
    """

    def __init__(
        self,
        corpus: Corpus,
        directory: Path,
        shape: Shape,
        config: TrainingConfig,
        replica: Replica,
    ) -> None:
        """Have initial weights, or those of the last checkpoint."""
        self.corpus, self.directory, self.shape = corpus, directory, shape
        self.config, self.replica = config, replica
        plan = plan_in_order(corpus.train, config.batch_size)
        self.largest = largest_batch(corpus.train, plan)
        self.schedule = Schedule(config, len(plan), has_validation=corpus.valid is not None)
        self.schedule.check()
        device = replica.devices[0]
        self.model = initial_model(shape, config, replica.devices)
        self.optimisers = Optimisers.of(config.optimiser, self.model)
        self.gradient = BatchGradient(self.model, corpus.train, device, config)
        self.validation_parts = BatchParts("validation batches")
        identity = Identity.of(config, shape, corpus.digest)
        self.checkpoints = Checkpoints(directory, self.model, self.optimisers, identity, device)
        self.kept = KeptWeights(directory, self.model, self.schedule)
        self.recorder = Recorder(directory, corpus, shape, self.schedule, replica)
        self.restored = self.checkpoints.restore()
        self.progress = self.restored.progress if self.restored else Progress()
        self.refuse_other_checkpoints()
        self.saved: Progress | None = None
        self.flops = self.clipped = 0
        self.ending = False

    def refuse_other_checkpoints(self) -> None:
        """Raise a `UserError` where the replicas have restored different ones."""
        updates = self.progress.updates
        if self.replica.reduce_max(updates) != -self.replica.reduce_max(-updates):
            raise UserError(
                f"{self.directory}: not all processes find the same checkpoint there; "
                "put it on a disk that all machines share"
            )

    def update(self, sentences: Tensor, *, asked: bool = False) -> int:
        """Make one step of gradient descent (§3.4).

        Args:
            sentences: numbers of the pairs of the batch.
            asked: this replica has been asked to end the run; all replicas learn it here.

        Returns:
            Words of both languages in the batch.
        """
        config, progress, replica = self.config, self.progress, self.replica
        if config.dropout and not replica.is_single_device:
            replica.seed(config.seed, progress.updates)
        # The rate: 0.7, after five epochs halved every half epoch (§3.4).
        rate = self.schedule.learning_rate(progress.updates)
        # The gradient: summed over the words of the batch, divided by its 128 sentences (§3.4).
        shard, counts = replica.shard_batch(sentences)
        rows = partial(shared_rows, self.corpus.train, sentences, replica)
        loss = self.gradient(shard, config.batch_size if counts else math.inf, rows)
        replica.reduce_gradients(self.model.parameters())
        # Its norm s: where s > 5, the gradient is multiplied by 5 / s (§3.4).
        norm = gradient_norm(self.model.parameters()).to(loss.device)
        # Fetched together: where nothing is exchanged, the update's only wait for a GPU.
        sums = replica.reduce_sum(torch.stack([loss * counts, loss.new_full((), float(asked))]))
        total, asking, s = torch.cat([sums, norm[None]]).tolist()
        self.ending = asking > 0
        progress.updates += 1
        source_words, target_words = count_pair_words(self.corpus.train, sentences)
        predicted = target_words + len(sentences)  # EOS is predicted, too
        if config.measure:
            self.flops += training_flops(self.shape, source_words, predicted)
        if math.isfinite(s) and math.isfinite(total):
            coefficient = clip_coefficient(s, config.clip_norm)
            self.clipped += coefficient < 1
            step(self.optimisers, rate, coefficient)
            progress.skipped_in_a_row = 0
            progress.window_loss += total
            progress.window_words += predicted
            progress.window_norm = max(progress.window_norm, s)
        else:
            self.skip()
        return source_words + target_words

    def skip(self) -> None:
        """Leave the weights as they are: one NaN in a gradient would spread to every weight."""
        progress = self.progress
        progress.skipped_in_a_row += 1
        progress.skipped += 1
        so_far = f"{progress.skipped:,} skipped so far"
        warn(f"update {progress.updates:,} skipped: its gradient is not finite ({so_far})")
        if progress.skipped_in_a_row >= SKIPPED_IN_A_ROW:
            raise UserError(
                f"{progress.skipped_in_a_row} updates in a row had no finite gradient; "
                + self.checkpoints.advice()
            )

    def finished(self) -> str | None:
        """The reason why there is nothing left to train, or None."""
        progress, patience = self.progress, self.config.patience
        if progress.updates >= self.schedule.total_updates:
            epochs = self.schedule.epochs(progress.updates)
            return f"{counted(progress.updates, 'update')}, {epochs:.2f} epochs"
        if patience and progress.stale_validations >= patience:
            best = shown_quality(progress.best, self.corpus.facts.subwords.per_piece)
            return f"no better validation than {best} of update {progress.best_update:,}"
        return None

    def validation_perplexity(self) -> float:
        """Perplexity a target word, ``<EOS>`` counted, computed in fp32."""
        valid, batch_size = self.corpus.valid, self.config.batch_size
        assert valid is not None
        self.model.zero_grad()  # the memory of gradients is free for larger parts
        return perplexity(self.model, valid, batch_size, self.replica, self.validation_parts)

    def rehearse(self) -> None:
        """Compute the largest batches, of validation, too: out of memory is then at the start."""
        self.gradient.rehearse(
            self.largest, self.optimisers, self.replica, self.rehearse_validation
        )

    def rehearse_validation(self) -> None:
        """Compute the loss of the largest batch of the validation text, if there is one."""
        if valid := self.corpus.valid:
            largest = largest_batch(valid, plan_in_order(valid, self.config.batch_size))
            device = self.replica.devices[0]
            validation_loss(self.model, valid, largest, device, self.validation_parts)

    def note_validation(self, found: Quality) -> bool:
        """Note a validation; return whether it is the best so far."""
        progress, perplexity = self.progress, found.perplexity
        if perplexity >= WORST_PERPLEXITY:
            perplexity = math.inf  # weights that nothing can be done with are never the best
        better = Quality(perplexity, found.bleu).beats(progress.best, self.config.best_by)
        if not self.schedule.is_lasting_validation(progress.updates):
            progress.end_perplexity, progress.end_bleu = perplexity, found.bleu
        elif better:
            progress.best_perplexity, progress.best_bleu = perplexity, found.bleu
            progress.best_update = progress.updates
            progress.stale_validations = 0
        else:
            progress.stale_validations += 1
        return better

    def best_validation(self) -> tuple[Quality, int]:
        """The best validation so far, that of the end counted, and its update; 0: none yet."""
        return self.progress.best_validation(self.config.best_by)

    def describe(self) -> None:
        """Write what the model is; the weights follow at the first checkpoint."""
        if not self.replica.is_main:
            return
        damaged = self.restored is not None and self.restored.path.name == PREVIOUS
        others = self.kept.make_ready(self.progress.updates)
        self.checkpoints.make_ready(damaged=damaged, others=others)
        if not self.progress.metrics_bytes:
            refuse_foreign(self.directory / METRICS)  # before anything is written beside it
        self.recorder.begin(self.progress)
        self.description.write(self.directory)

    @cached_property
    def description(self) -> Description:
        """Description of the model, without its weights."""
        corpus = self.corpus
        vocabularies = corpus.source_vocabulary, corpus.target_vocabulary
        return Description(self.shape, corpus.facts, *vocabularies, corpus.piece_models)

    def write_again(self) -> None:
        """Write what the model is once more, since it is not there as it was written."""
        self.description.write(self.directory)
        warn(f"{self.directory}: its description was not there any more, and is written again")

    def mend(self) -> None:
        """Leave a training that has ended as it was when it ended.

        Raises:
            UserError: the best weights are gone.
        """
        self.keep_best()
        if not self.replica.is_main:
            return
        remove_half_written(self.directory)
        if not self.description.is_written(self.directory):
            self.write_again()
        self.recorder.mend(self.progress, self.finished())
        if lost := self.checkpoints.lost_best(self.progress):
            raise UserError(f"{lost}; `s2s decode` takes {LAST}, or train into another directory")

    def discard_end_validation(self) -> None:
        """Have the best weights be those of the training so far, whatever came in between."""
        if self.replica.is_main:
            self.checkpoints.restore_best()
        self.progress.end_perplexity, self.progress.end_bleu = math.inf, NO_BLEU
        self.keep_best()
        if self.replica.is_main and (lost := self.checkpoints.lost_best(self.progress)):
            warn(f"{lost}; going on, in search of better ones")

    def keep_best(self) -> None:
        """Write the weights that the checkpoint has if a kill came before they were written."""
        progress = self.progress
        _, best_update = self.best_validation()
        missing = 0 < progress.updates == best_update and self.replica.is_main
        if missing and not self.checkpoints.is_best_current():
            self.save_best()
        if self.replica.is_main and self.kept.lacks(progress.updates):
            self.keep()

    def save_best(self) -> None:
        """Write the weights as the best so far."""
        updates = self.progress.updates
        self.checkpoints.refuse_non_finite(updates)
        if self.replica.is_main:
            self.checkpoints.save_best(lasting=self.schedule.is_lasting_validation(updates))

    def keep(self) -> None:
        """Write the weights among those that ``--keep`` keeps."""
        updates = self.progress.updates
        self.checkpoints.refuse_non_finite(updates)
        if self.replica.is_main:
            self.kept.save(updates)

    def save(self, metrics: MetricsFile | NoMetrics) -> None:
        """Write the checkpoint from which the same command resumes, and ``metrics`` up to here."""
        self.checkpoints.refuse_non_finite(self.progress.updates)
        if not self.replica.is_main:
            return
        self.progress.metrics_bytes = metrics.sync()
        if not self.description.is_whole(self.directory):
            self.write_again()
        if self.progress != self.saved:  # the last two are to be of different updates
            self.saved = replace(self.progress)
            self.checkpoints.save(self.saved)
        self.recorder.update(self.progress, self.finished())
