"""What the page says of a model, from all of its directory but the weights."""

from dataclasses import dataclass
from pathlib import Path

from s2s_cli.console import say
from s2s_cli.model.description import Description, model_directory
from s2s_cli.model.parameters import parameter_counts
from s2s_cli.report.contents import ModelRecord
from s2s_cli.scoring.curves import LearningCurve, read_curve
from s2s_cli.text.subwords import Splitter
from s2s_cli.training.metrics import METRICS
from s2s_cli.training.record import TrainingRecord


@dataclass(frozen=True)
class ReportedModel:
    """A model of the experiment: its name, its directory and what it is."""

    name: str
    path: Path
    description: Description

    @classmethod
    def read(cls, name: str, path: Path) -> "ReportedModel":
        """Read what there is beside the weights.

        Raises:
            UserError: not a model directory.
        """
        return cls(name, path, Description.read(model_directory(path)))

    @property
    def attends(self) -> bool:
        return self.description.shape.attention != "none"

    @property
    def splitter(self) -> Splitter:
        """The splitter of source words into what the model reads."""
        facts, models = self.description.facts, self.description.piece_models
        return facts.subwords.splitters(models, facts.languages)[0]

    def record(self) -> ModelRecord:
        """Collect what there is: a model without record or metrics has no settings or curve."""
        record = TrainingRecord.read(model_directory(self.path))
        settings = record.settings if record else {}
        return ModelRecord(
            self.name,
            facts={**description_facts(self.description), **training_facts(record)},
            settings={name.replace("_", "-"): written(value) for name, value in settings.items()},
            curve=self.curve(),
        )

    def curve(self) -> LearningCurve | None:
        path = model_directory(self.path) / METRICS
        if not path.is_file():
            say(f"{path}: no such file; the page has no learning curve of {self.name}")
            return None
        return read_curve(self.name, path)


def description_facts(description: Description) -> dict[str, str]:
    """List languages, words and sizes; of what is beyond the paper, what is used."""
    facts, shape = description.facts, description.shape
    return {
        "languages": f"{facts.source_language} → {facts.target_language}",
        "source reversed": written(facts.reverse_source),
        "tokeniser": "the text came tokenised" if facts.tokenised else facts.tokeniser,
        "pieces of words": facts.subwords.kind,
        **{name.replace("_", " "): written(each) for name, each in shape.as_json().items()},
        "parameters": written(sum(parameter_counts(shape).values())),
    }


def training_facts(record: TrainingRecord | None) -> dict[str, str]:
    """List data, versions and devices of a training; of several environments, the last one's."""
    if record is None:
        return {}
    facts = {"training pairs": written(record.data.pairs)}
    for each in record.environments[-1:]:
        facts["trained with"] = f"s2s {each.s2s}, Python {each.python}, PyTorch {each.torch}"
        facts["trained on"] = f"{each.devices} × {each.device}"
    return facts


def written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
