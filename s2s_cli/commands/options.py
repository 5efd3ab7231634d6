"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from s2s_cli.model.config import Precision
from s2s_cli.settings import MOST_GPUS, MOST_THREADS


def tokenised_help(subject: str) -> str:
    """Describe the option for text whose words stand between spaces."""
    return f"{subject} tokenised: words stand between spaces."


MODEL_HELP = "Model directory, or a file of weights in one."
ModelPath = Annotated[Path, typer.Option(help=MODEL_HELP)]
ModelPaths = Annotated[
    list[Path],
    typer.Option(help="Model directory, or a file of weights in one; several are an ensemble."),
]
Tokenised = Annotated[
    bool, typer.Option(help="The text is tokenised already: split it at its spaces, join so.")
]
TokenisedText = Annotated[bool, typer.Option(help=tokenised_help("The text is"))]
TokenisedTexts = Annotated[bool, typer.Option(help=tokenised_help("The texts are"))]
TokenisedPhrases = Annotated[bool, typer.Option(help=tokenised_help("The phrases are"))]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1; auto: a GPU if there is one.")]
Gpus = Annotated[
    int,
    typer.Option(
        min=1, max=MOST_GPUS, help="GPUs to share the work, each with a copy of the model."
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=0, max=MOST_THREADS, help="CPU threads, with --gpus of each copy; 0: all cores, shared."
    ),
]
PrecisionName = Annotated[
    Precision,
    typer.Option(help="bf16: products in bfloat16, faster where the processor has it."),
]
Measure = Annotated[
    bool, typer.Option(help="Say at the end which share of the machine's arithmetic was used.")
]
