"""Models with random weights and the worst of vocabularies, and commands run in this process."""

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import torch

from s2s_cli.commands.app import root_command
from s2s_cli.commands.command import report_user_errors
from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model.config import AttentionKind, Shape
from s2s_cli.model.description import BEST, Description
from s2s_cli.model.directory import load_model, save_tensors
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.text.facts import Facts
from s2s_cli.text.vocabulary import Vocabulary

SOURCE_WORDS = ["one", "two", "UNK", "<unk>", "|||", ".", "\u2028", "é", "l’", "<s>"]
TARGET_WORDS = [
    "un", "deux", "UNK", "<unk>", "<EOS>", "<s>", "|||", "x|||", "|", "&#124;&#124;&#124;",
    "&#124;", "|||&#124;", "que\u00a0c'est", "\u2028", "\u0085", "\t", ".", "'", "s2s=", "=", "0",
]  # fmt: skip
COMMAND = root_command()


def write_model(
    directory: Path,
    *,
    tokenised: bool,
    reverse: bool,
    seed: int,
    attention: AttentionKind = "none",
) -> Path:
    """A small model directory."""
    source = Vocabulary(SOURCE_WORDS, [1] * len(SOURCE_WORDS))
    target = Vocabulary(TARGET_WORDS, [1] * len(TARGET_WORDS))
    shape = Shape(len(source), len(target), 1, 6, 5, attention=attention)
    model = Seq2Seq(shape).requires_grad_(False)
    model.initialise(0.9, torch.Generator().manual_seed(seed))
    Description(shape, Facts("en", "fr", tokenised, reverse, "any"), source, target).write(
        directory
    )
    save_tensors(directory / BEST, {"model": dict(model.state_dict())})
    return directory


def loaded(directory: Path, *, tokenised: bool) -> LoadedModel:
    """What turns lines into ids, and the model's own scores."""
    model, description = load_model(directory, torch.device("cpu"))
    scorer = ModelScorer(model, reverse_source=description.facts.reverse_source)
    return LoadedModel(scorer, TextCodec(description, tokenised=tokenised))


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    code: int
    out: str
    told: str


def s2s_here(*arguments: object) -> Done:
    """``s2s ARGUMENTS`` in this process; outputs go to files, but for those of ``score``."""
    out, told = io.StringIO(), io.StringIO()
    code = 0
    with redirect_stdout(out), redirect_stderr(told), patch("os.fsync"):
        try:
            with report_user_errors():
                COMMAND.main([*map(str, arguments)], prog_name="s2s", standalone_mode=False)
        except SystemExit as left:
            code = int(left.code or 0)
    return Done(code, out.getvalue(), told.getvalue())
