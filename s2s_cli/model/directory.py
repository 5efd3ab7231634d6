"""The model directory: what ``train`` leaves and all that ``decode`` and ``rescore`` need.

Beside its `Description` there are ``best.pt`` (weights of the best validation) and ``last.pt``
(weights and the state of training).
"""

import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from s2s_cli.atomic_files import TEMPORARY, AtomicFiles, keep_as, move, remove_abandoned
from s2s_cli.errors import DamagedFileError, UserError, is_out_of_memory
from s2s_cli.files import check_format, is_utf8
from s2s_cli.model.archive import DamagedError, check_archive, check_content
from s2s_cli.model.config import Shape
from s2s_cli.model.description import BEST, DESCRIPTION, LAST, Description, model_directory
from s2s_cli.model.seq2seq import Seq2Seq

WEIGHTS_FORMAT = 1
PREVIOUS = "last.previous.pt"
DAMAGED = "last.damaged.pt"
HALF_WRITTEN_UPDATE = re.compile(rf"\.(update-\d+\.pt)\.[0-9a-f]{{8}}{re.escape(TEMPORARY)}")
TABLES = ("source_embedding.weight", "target_embedding.weight")


def save_tensors(
    path: Path,
    content: dict[str, Any],
    *,
    previous: Path | None = None,
    obsolete: Sequence[Path] = (),
) -> None:
    """Write plain containers and tensors, whole or not at all.

    Args:
        path: the file.
        content: what to write.
        previous: the name under which the file that was there before stays; None: it goes.
        obsolete: files that are removed when this one is there.

    Raises:
        UserError: the disk has no room for it.
    """
    with AtomicFiles() as files:
        write_tensors(files, path, content)
        if previous:
            files.keep_as(path, previous)
        for each in obsolete:
            files.remove(each)


def write_tensors(files: AtomicFiles, path: Path, content: dict[str, Any]) -> None:
    """Write like `save_tensors`, together with other files.

    Raises:
        UserError: the disk has no room for it.
    """
    require_room(path, tensor_bytes(content))
    file = files.new(path)
    try:
        torch.save({"format": WEIGHTS_FORMAT, **content}, file.stream)
    except RuntimeError:  # what torch makes of a stream that fails
        if file.raw.error is None:
            raise
        raise file.raw.error from None


def tensor_bytes(content: Any) -> int:
    """Bytes of all tensors in ``content``."""
    if isinstance(content, Tensor):
        return content.numel() * content.element_size()
    if isinstance(content, dict):
        content = content.values()
    elif not isinstance(content, list | tuple):
        return 0
    return sum(map(tensor_bytes, content))


def require_room(path: Path, needed: int) -> None:
    """Refuse to begin a file for which the disk has no room.

    Raises:
        UserError: says what is needed and what is free.
    """
    directory = next(each for each in path.absolute().parents if each.is_dir())
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise UserError(
            f"{path}: needs {needed:,} bytes, and {free:,} are free on this disk; make room, then "
            "run the same command again"
        )


def remove_half_written(directory: Path) -> None:
    """Remove what a kill in the middle of `save_tensors` left: files as large as the model."""
    names = [each.name for each in directory.iterdir()] if directory.is_dir() else []
    updates = {found[1] for name in names if (found := HALF_WRITTEN_UPDATE.fullmatch(name))}
    for name in (BEST, LAST, *updates):
        remove_abandoned(directory / name)


def replace_damaged(directory: Path) -> None:
    """Put the checkpoint before the last in its place, and keep the damaged one apart."""
    last = directory / LAST
    if last.is_file():
        move(last, directory / DAMAGED)
    keep_as(directory / PREVIOUS, last)


def load_tensors(path: Path, *, mapped: bool = True) -> dict[str, Any]:
    """Read what `save_tensors` wrote, running no code from the file.

    Args:
        path: the file.
        mapped: leave the tensors on the disk until they are touched.

    Raises:
        UserError: the file is missing, damaged, or not of this kind.
    """
    damaged = (
        f"{path}: damaged, or not a file that `s2s train` wrote (%s); take a copy that is whole, "
        "or train again"
    )
    try:
        check_archive(path)
        with path.open("rb") as stream:
            # PyTorch opens no name that is not UTF-8.
            name = path if is_utf8(str(path)) else Path(f"/dev/fd/{stream.fileno()}")
            content = torch.load(name, map_location="cpu", mmap=mapped, weights_only=True)
        check_content(content, path.stat().st_size)
    except OSError as error:
        if error.strerror:
            raise
        raise DamagedFileError(damaged % error) from None
    except DamagedError as error:
        raise DamagedFileError(damaged % error) from None
    except Exception as error:  # there is no end to what the reader raises for bytes of any kind
        if is_out_of_memory(error) and "overflow" not in str(error):
            raise
        raise DamagedFileError(damaged % "PyTorch cannot read it") from None
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise UserError(f"{path}: holds no model")
    check_format(content.get("format"), WEIGHTS_FORMAT, path, "train again")
    return content


def weights_path(model: Path) -> Path:
    """The weights that ``--model`` means: the file itself, or the best in a directory."""
    if model.is_file():
        return model
    best = model / BEST
    return best if best.is_file() else model / LAST


def load_model(
    model: Path, device: torch.device, *, tables_checked: bool = True
) -> tuple[Seq2Seq, Description]:
    """A trained model, ready to use.

    Args:
        model: a model directory, or a file of weights in one (``model/last.pt``).
        device: where its weights go; on a CPU they stay in the file until they are touched.
        tables_checked: whether the embeddings are looked through, too, for numbers that are not
            finite; who reads a few rows of large tables looks at those.

    Raises:
        UserError: not a model directory, or weights that do not fit its description.
    """
    directory = model_directory(model)
    description = Description.read(directory)
    path = weights_path(model)
    if not path.is_file():
        raise UserError(f"{directory}: has no weights yet; let `s2s train` run to a checkpoint")
    network = with_weights(
        description.shape,
        load_tensors(path)["model"],
        path,
        tables_checked or not description.shape.plain,
    )
    return network.to(device).eval().requires_grad_(False), description


def with_weights(
    shape: Shape, weights: dict[str, Tensor], path: Path, tables_checked: bool = True
) -> Seq2Seq:
    """A model of ``shape`` around the tensors of ``path``, which are not copied.

    Raises:
        UserError: they are not the tensors of such a model, or not finite numbers.
    """
    misfit = UserError(f"{path}: its weights do not fit {DESCRIPTION} beside it")
    if max(shape.layers, shape.depth) > len(weights):
        raise misfit  # before so many layers are made
    try:
        with torch.device("meta"):
            network = Seq2Seq(shape)
        network.load_state_dict(weights, assign=True)
    except (RuntimeError, AttributeError, TypeError, ValueError, OverflowError):
        raise misfit from None
    for name, each in network.named_parameters():
        if each.dtype != torch.float32 or each.layout != torch.strided or each.is_meta:
            raise UserError(f"{path}: {name} is not a table of 32-bit numbers")
        if name in TABLES and not tables_checked:
            continue
        if not all(map(math.isfinite, each.detach().aminmax())):
            raise UserError(f"{path}: {name} holds numbers that are not finite")
    return network
