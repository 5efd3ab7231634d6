"""Trainings of a few updates that several processes do together."""

from pathlib import Path

import torch
from torch.distributed import FileStore  # type: ignore[attr-defined]

from s2s_cli.data.batches import plan_epoch
from s2s_cli.data.corpus import Corpus
from s2s_cli.distributed.ranks import Rank, process_group
from s2s_cli.distributed.replica import Replica
from s2s_cli.distributed.state_dicts import model_state_dict
from s2s_cli.model.config import ModelConfig, Shape
from s2s_cli.training.config import TrainingConfig
from s2s_cli.training.trainer import Trainer

CPU = torch.device("cpu")
SHAPE = ModelConfig(layers=3, hidden_size=6, embedding_size=5)
UPDATES = 20

Trace = list[float]


def trainer_of(data: Path, directory: Path, config: TrainingConfig, replica: Replica) -> Trainer:
    corpus = Corpus.open(data)
    sizes = len(corpus.source_vocabulary), len(corpus.target_vocabulary)
    return Trainer(corpus, directory, Shape.of(SHAPE, *sizes), config, replica)


def trained(
    data: Path, directory: Path, config: TrainingConfig, replica: Replica, updates: int
) -> tuple[Trainer, Trace]:
    """A training after so many updates, and each update's loss and gradient norm in turn."""
    trainer = trainer_of(data, directory, config, replica)
    trace: Trace = []
    pairs = trainer.corpus.train
    while trainer.progress.updates < updates:
        epoch, done = divmod(trainer.progress.updates, trainer.schedule.updates_per_epoch)
        trainer.progress.window_loss = trainer.progress.window_norm = 0.0
        trainer.update(plan_epoch(pairs, config.batch_size, config.seed, epoch)[done])
        trace += [trainer.progress.window_loss, trainer.progress.window_norm]
    return trainer, trace


def one_of_several(
    rank: int, count: int, places: int, data: Path, folder: Path, config: TrainingConfig
) -> None:
    """What each process does; it leaves its trace and its weights in ``folder``."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    store = FileStore(str(folder / "meeting"), count)
    with process_group(Rank(rank, count, rank, count), CPU, 1.0, store):
        replica = Replica((CPU,) * places, rank, count)
        trainer, trace = trained(data, folder / "model", config, replica, UPDATES)
        perplexity = trainer.validation_perplexity()
        found = {
            "trace": trace,
            "perplexity": perplexity,
            "weights": model_state_dict(trainer.model),
        }
        torch.save(found, folder / f"{rank}.pt")
