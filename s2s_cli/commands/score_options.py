"""The options of ``s2s score``."""

from pathlib import Path
from typing import Annotated, get_args

import typer

from s2s_cli.commands.score_texts import REFERENCE
from s2s_cli.commands.settings_file import Hides
from s2s_cli.scoring.metrics import Metric
from s2s_cli.scoring.texts import SIGNIFICANCE, TEXT_PANEL
from s2s_cli.settings import MANY

SOURCE = Path("corpus/test.en")
PRINTED = "What is printed"
MODEL_PANEL = "With a model"
LIST_PANEL = "Of an n-best list"

FirstReference = Annotated[
    Path | None,
    typer.Argument(help=f"Reference, one sentence on each line. Without one: {REFERENCE}."),
    Hides("references"),
]
ScoredTranslations = Annotated[
    list[Path] | None,
    typer.Argument(help="Translations, one file for each system. Without one: stdin."),
    Hides("hypothesis", "system"),
]
MoreReferences = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference",
        help="One more reference, beside the first (repeat for several).",
        rich_help_panel=TEXT_PANEL,
    ),
]
Bare = Annotated[
    Metric | None,
    typer.Option(
        help="Print only this number, or with --sentences one for each line: "
        f"{', '.join(get_args(Metric))}.",
        rich_help_panel=PRINTED,
    ),
]
Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON object, or with --sentences one for each line.",
        rich_help_panel=PRINTED,
    ),
]
Sentences = Annotated[
    bool,
    typer.Option(
        "--sentences",
        help="Print a line for each line, with tabs between columns: BLEU (tokenised, "
        "detokenised), chrF, words of the translation and of the closest reference; with --model "
        "the log probability.",
        rich_help_panel=PRINTED,
    ),
]
Models = Annotated[
    list[Path] | None,
    typer.Option(
        help="Print also the perplexity of the first reference under this model; with --sentences "
        "log probabilities. Repeat it for an ensemble.",
        rich_help_panel=MODEL_PANEL,
    ),
]
SourceText = Annotated[
    Path,
    typer.Option(help="With --model: source text of the reference.", rich_help_panel=MODEL_PANEL),
]
Baseline = Annotated[
    Path | None,
    typer.Option(
        help="Test whether the difference to this translation is significant.",
        rich_help_panel=SIGNIFICANCE,
    ),
]
Oracle = Annotated[
    Path | None,
    typer.Option(
        help="Score this n-best list: its own best hypotheses, and two oracles.",
        rich_help_panel=LIST_PANEL,
    ),
]
FirstId = Annotated[
    int,
    typer.Option(
        min=0,
        max=MANY,
        help="With --oracle: id in the list for the first line of the reference.",
        rich_help_panel=LIST_PANEL,
    ),
]
SystemOutputs = Annotated[
    list[Path] | None,
    typer.Option(hidden=True, help="A translation to score, as an option (repeat)."),
]
