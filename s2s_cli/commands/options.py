"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.model.config import Precision
from s2s_cli.settings import HARDWARE, MOST_GPUS, MOST_THREADS


def tokenised_help(subject: str) -> str:
    """Describe the option for text whose words stand between spaces."""
    return f"{subject} already tokenised, with spaces between words."


MODEL_HELP = "Model directory, or a file of weights in one."
ModelPath = Annotated[Path, typer.Option(help=MODEL_HELP)]
ModelPaths = Annotated[
    list[Path],
    typer.Option(help=f"{MODEL_HELP} Repeat it for an ensemble."),
]
Tokenised = Annotated[bool, typer.Option(help=tokenised_help("Text is"))]
TokenisedText = Annotated[bool, typer.Option(help=tokenised_help("The text is"))]
TokenisedTexts = Annotated[bool, typer.Option(help=tokenised_help("The texts are"))]
TokenisedPhrases = Annotated[bool, typer.Option(help=tokenised_help("The phrases are"))]
Device = Annotated[
    str,
    typer.Option(
        help="cpu, cuda, or cuda:1 and so on. auto: a GPU if there is one.",
        rich_help_panel=HARDWARE,
    ),
]
Gpus = Annotated[
    int,
    typer.Option(
        min=1,
        max=MOST_GPUS,
        help="GPUs to share the work, each with a copy of the model.",
        rich_help_panel=HARDWARE,
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=0,
        max=MOST_THREADS,
        help="CPU threads; with --gpus, of each copy. 0: all cores.",
        rich_help_panel=HARDWARE,
    ),
]
PrecisionName = Annotated[
    Precision,
    typer.Option(
        help="bf16: multiply in bfloat16, faster on CPUs and GPUs that support it. tf32: in "
        "TensorFloat-32, on GPUs. int8: in 8-bit integers, on CPUs.",
        rich_help_panel=HARDWARE,
    ),
]
Measure = Annotated[
    bool,
    typer.Option(
        help="Print at the end which share of the peak FLOP/s was used.", rich_help_panel=HARDWARE
    ),
]
