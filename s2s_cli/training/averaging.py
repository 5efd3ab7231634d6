"""Averages of checkpoints: a model whose every weight is the mean of theirs.

The average of the last checkpoints of one training may be better than each of them
(Junczys-Dowmunt et al. 2016). That of trainings from different seeds is of no use: use an ensemble.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from s2s_cli.atomic_files import AtomicFiles
from s2s_cli.console import counted, warn
from s2s_cli.errors import UsageError, UserError
from s2s_cli.files import as_text
from s2s_cli.locks import exclusive_lock
from s2s_cli.model.description import (
    BEST,
    CONTENTS,
    DESCRIPTION,
    LAST,
    Description,
    kept_updates,
    model_directory,
    update_file,
)
from s2s_cli.model.directory import load_tensors, with_weights, write_tensors
from s2s_cli.text.facts import FACTS_FILE
from s2s_cli.text.layout import pieces_file
from s2s_cli.training.record import AVERAGE, RECORD, AverageRecord, TrainingRecord


def average_weights(models: Sequence[Path], number: int, output: Path) -> list[Path]:
    """Write a model directory with the mean of several checkpoints' weights.

    Args:
        models: files of weights, or model directories, which stand for their kept weights.
        number: take so many of the last of each directory; 0: all.
        output: the model directory to write.

    Returns:
        The checkpoints.

    Raises:
        UsageError: fewer than two checkpoints, or one twice.
        UserError: checkpoints of different models; ``output`` is something else than an average; a
            file is missing or damaged; no room on the disk.
    """
    files = [file for model in models for file in checkpoints(model, number)]
    if len({each.resolve() for each in files}) < len(files):
        raise UsageError("a checkpoint is given twice, and would count twice; name each once")
    if len(files) < 2:
        raise UsageError(
            f"an average needs two checkpoints at least, and {files[0]} is one; name more files, "
            "or train with --keep"
        )
    description = common_description(files)
    if len(set(map(model_directory, files))) > 1:
        warn(
            "the checkpoints are of several directories; the average of trainings that began with "
            "different weights is of no use: give such models to `s2s decode` as an ensemble"
        )
    with exclusive_lock(output, "`s2s average`"):
        refuse_other_output(output)
        write_average(files, description, mean_weights(files, description), output)
    return files


def checkpoints(model: Path, number: int) -> list[Path]:
    """The checkpoints that ``model`` means: the file itself, or the kept ones in a directory.

    Raises:
        UserError: there are too few.
    """
    if model.is_file():
        return [model]
    if not model.exists():
        raise UserError(f"{model}: no such file or directory")
    kept = kept_updates(model)
    if not kept:
        raise UserError(
            f"{model}: has no kept weights (update-N.pt); train with --keep, or name files such as "
            f"{model / LAST}"
        )
    if number > len(kept):
        there = counted(len(kept), "kept file of weights", "kept weights")
        raise UserError(f"{model}: has {there}, fewer than --number {number}")
    return [update_file(model, each) for each in kept[-number:]]


def common_description(files: Sequence[Path]) -> Description:
    """The description of all ``files``.

    Raises:
        UserError: they differ in shape, facts of the text or vocabularies.
    """
    first, *others = dict.fromkeys(map(model_directory, files))
    description = Description.read(first)
    own = description.as_json()
    for directory in others:
        found = Description.read(directory).as_json()
        for name in ("shape", "facts", "vocabularies"):
            if found[name] != own[name]:
                raise UserError(
                    f"{directory}: its {name} differ{'s' * (name == 'shape')} from "
                    f"{'that' if name == 'shape' else 'those'} of {first}; only checkpoints of the "
                    "same model have an average"
                )
    return description


def refuse_other_output(directory: Path) -> None:
    """Refuse to write into a directory that holds something else.

    Raises:
        UserError: a model that is no average, prepared text, or an export.
    """
    again = (directory / AVERAGE).is_file()
    for name in (DESCRIPTION, BEST, LAST, RECORD, FACTS_FILE, CONTENTS):
        if (directory / name).exists() and not (again and name in (DESCRIPTION, BEST, RECORD)):
            raise UserError(
                f"{directory}: is no average and has a {name} already; name another directory with "
                "--output"
            )


@torch.no_grad()
def mean_weights(files: Sequence[Path], description: Description) -> dict[str, Tensor]:
    """The mean of the weights in ``files`` by name, summed in 64 bits, a tensor at a time.

    Raises:
        UserError: a file is missing or damaged, or of another model than ``description``.
    """
    models = [
        with_weights(description.shape, load_tensors(file)["model"], file).state_dict()
        for file in files
    ]
    means = {}
    for name, first in models[0].items():
        total = first.double()
        for other in models[1:]:
            total += other[name]
        means[name] = (total / len(models)).float()
    return means


def write_average(
    files: Sequence[Path], description: Description, weights: dict[str, Tensor], output: Path
) -> None:
    """Write the average, its description and what it was made of, all together."""
    directories = set(map(model_directory, files))
    record = TrainingRecord.read(directories.pop()) if len(directories) == 1 else None
    with AtomicFiles() as outputs:
        if (output / AVERAGE).is_file():
            remove_earlier(outputs, output, description)
        # The first: after a kill the same command finds that the others are of an average.
        outputs.write_json(output / AVERAGE, AverageRecord(tuple(map(as_text, files))).as_json())
        if record:
            outputs.write_json(output / RECORD, record.as_json())
        write_tensors(outputs, output / BEST, {"model": weights})
        description.write_with(outputs, output)


def remove_earlier(outputs: AtomicFiles, output: Path, description: Description) -> None:
    """Remove what an earlier average has and this one may not, when the new files are written.

    From there to the last file there is no description: a kill leaves no model.
    """
    for name in (DESCRIPTION, RECORD):
        outputs.remove(output / name)
    if not description.piece_models:
        for language in description.facts.languages:
            outputs.remove(pieces_file(output, language))
