"""Directories of every kind, as one object each."""

import json
from pathlib import Path

from s2s_cli.errors import UserError
from s2s_cli.files import as_text
from s2s_cli.info.data import DataInfo
from s2s_cli.info.export import ExportInfo
from s2s_cli.info.model import ModelInfo
from s2s_cli.model.description import CONTENTS, DESCRIPTION, model_directory
from s2s_cli.text.facts import FACTS_FILE
from s2s_cli.text.layout import MANIFEST

Info = ModelInfo | DataInfo | ExportInfo


def read_info(path: Path) -> Info:
    """Read what is known of a directory, or of that of a file of weights.

    Raises:
        UserError: no such directory, or none that `s2s` writes; a file in it is damaged.
    """
    directory = model_directory(path)
    if not directory.is_dir():
        raise UserError(f"{path}: no such directory")
    if (directory / DESCRIPTION).exists():
        return ModelInfo.read(directory)
    if (directory / CONTENTS).exists():
        return ExportInfo.read(directory)
    if (directory / FACTS_FILE).exists() or (directory / MANIFEST).exists():
        return DataInfo.read(directory)
    raise UserError(
        f"{path}: is no directory of a model, of prepared text or of an export (no {DESCRIPTION}, "
        f"{FACTS_FILE} or {CONTENTS} there)"
    )


def info_json(path: Path, info: Info) -> str:
    """Write one object in a line."""
    return json.dumps({"path": as_text(path), **info.as_json()}, ensure_ascii=False)


def info_text(path: Path, info: Info) -> str:
    """Write a block of lines."""
    return info.as_text(as_text(path))
