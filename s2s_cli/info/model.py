"""What is known of a model directory."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from s2s_cli.console import counted, readable
from s2s_cli.info.text import (
    Fact,
    counts_facts,
    direction,
    facts_text,
    file_sizes,
    files_facts,
    shortened_digest,
    tokens,
    vocabularies_json,
    vocabulary_text,
)
from s2s_cli.model.config import PLAIN_FIELDS, Shape
from s2s_cli.model.description import BEST, LAST, Description
from s2s_cli.model.parameters import parameter_counts
from s2s_cli.scoring.curves import LearningCurve, read_curve
from s2s_cli.text.facts import FACTS_FORMAT
from s2s_cli.toml import toml_section
from s2s_cli.training.metrics import METRICS
from s2s_cli.training.record import RECORD, AverageRecord, Course, Environment, TrainingRecord
from s2s_cli.training.validation import Quality, shown_quality


@dataclass(frozen=True)
class ModelInfo:
    """A model directory.

    Attributes:
        record: of its training; None where there is none.
        average: the checkpoints that it is the mean of; None for a model that was trained.
        curve: its metrics, where there is no record.
        files: bytes by name.
    """

    directory: Path
    description: Description
    record: TrainingRecord | None
    average: AverageRecord | None
    curve: LearningCurve | None
    files: dict[str, int]

    @classmethod
    def read(cls, directory: Path) -> "ModelInfo":
        """Read all but the weights.

        Raises:
            UserError: a file is missing or damaged.
        """
        record = TrainingRecord.read(directory)
        has_metrics = (directory / METRICS).is_file() and (directory / METRICS).stat().st_size > 0
        curve = read_curve("", directory / METRICS) if not record and has_metrics else None
        average, description = AverageRecord.read(directory), Description.read(directory)
        return cls(directory, description, record, average, curve, file_sizes(directory))

    def as_json(self) -> dict[str, Any]:
        description = self.description
        vocabularies = description.source_vocabulary, description.target_vocabulary
        return {
            "kind": "model",
            "shape": asdict(description.shape),
            "facts": description.facts.entries(FACTS_FORMAT),
            "parameters": parameters_json(description.shape),
            "vocabularies": vocabularies_json(description.facts, vocabularies),
            "average": list(self.average.files) if self.average else None,
            "training": self.record.as_json() if self.record else None,
            "files": self.files,
        }

    def as_text(self, title: str) -> str:
        text = facts_text(title, self.facts())
        if self.record is None:
            return text
        settings = {name.replace("_", "-"): each for name, each in self.record.settings.items()}
        return f"{text}\n\n{toml_section('train', settings)}".rstrip()

    def facts(self) -> Iterator[Fact]:
        description = self.description
        yield "kind", "model"
        yield "direction", direction(description.facts)
        yield "text", tokens(description.facts)
        yield from shape_facts(description.shape)
        yield "source vocabulary", vocabulary_text(description.source_vocabulary)
        yield "target vocabulary", vocabulary_text(description.target_vocabulary)
        if self.average:
            yield "average of", ", ".join(self.average.files)
        if self.record:
            yield from course_facts(self.record.course)
            if not self.average:
                yield from best_facts(self.record.course, description.facts.subwords.per_piece)
            yield from environment_facts(self.record)
        elif self.average:
            yield "training", "not known: the checkpoints are of several directories"
        else:
            yield from unrecorded_facts(self.curve)
        if not {BEST, LAST} & set(self.files):
            yield "weights", "none yet: `s2s train` has saved no checkpoint"
        yield from files_facts(self.files)


def parameters_json(shape: Shape) -> dict[str, Any]:
    """The number of parameters, in all and by part."""
    counts = parameter_counts(shape)
    return {"total": sum(counts.values()), "parts": counts}


def shape_facts(shape: Shape) -> Iterator[Fact]:
    """The sizes, what is beyond the paper as options of ``train``, and the parameters."""
    encoder, decoder = layers(shape.layers, shape.hidden_size), layers(shape.depth, shape.width)
    if encoder == decoder:
        sides = f"{encoder} in encoder and decoder"
    else:
        sides = f"encoder of {encoder}, decoder of {decoder}"
    yield "shape", f"{sides}; embeddings of {shape.embedding_size:,}"
    beyond = {name: each for name, each in shape.as_json().items() if name not in PLAIN_FIELDS}
    options = [as_option(name, value) for name, value in beyond.items()]
    yield "beyond the paper", " ".join(options) or "nothing"
    counts = parameter_counts(shape)
    yield "parameters", f"{sum(counts.values()):,}"
    yield from counts_facts(counts)


def layers(count: int, cells: int) -> str:
    return f"{counted(count, 'layer')} of {counted(cells, 'cell')}"


def as_option(name: str, value: object) -> str:
    """Write a setting as an option of the command line."""
    flag = f"--{name.replace('_', '-')}"
    return flag if value is True else f"{flag} {value}"


def course_facts(course: Course) -> Iterator[Fact]:
    """The state of a training: ended or not, and after how many updates."""
    if course.finished:
        yield "training", f"finished: {course.finished}"
    else:
        yield (
            "training",
            f"not finished: {course.updates:,} of {counted(course.total_updates, 'update')}, "
            f"{course.epochs:.2f} epochs, at the last checkpoint",
        )
    if course.skipped:
        yield "skipped", f"{counted(course.skipped, 'update')}, whose gradient was not finite"


def best_facts(course: Course, per_piece: str) -> Iterator[Fact]:
    """The validation of the best weights."""
    if course.best_update:
        best = Quality(course.best_perplexity, course.best_bleu)
        epoch = course.epochs * course.best_update / max(1, course.updates)
        yield (
            "best weights",
            f"validation {shown_quality(best, per_piece)} after update {course.best_update:,}, "
            f"{epoch:.2f} epochs",
        )


def environment_facts(record: TrainingRecord) -> Iterator[Fact]:
    """The data; versions and devices, for each stretch of updates that had its own."""
    data = record.data
    yield (
        "trained on",
        f"{counted(data.pairs, 'pair')}, validated on {data.validation_pairs:,}; corpus.json has "
        f"SHA-256 {shortened_digest(data.sha256)}",
    )
    known = record.environments
    if not known:
        yield "trained with", "versions and devices are not known"
        return
    starts = [each.after_update for each in known]
    ends = [*starts[1:], record.course.updates]
    if starts[0]:
        yield f"updates 1–{starts[0]:,}", "versions and devices are not known"
    for each, start, end in zip(known, starts, ends, strict=True):
        alone = len(known) == 1 and not start
        yield "trained with" if alone else f"updates {start + 1:,}–{end:,}", where(each)


def where(environment: Environment) -> str:
    threads = counted(environment.threads, "thread")
    several, processes = environment.devices, environment.processes
    return (
        f"s2s {environment.s2s}, Python {environment.python}, PyTorch {environment.torch}, "
        + (f"{several} × " if several > 1 else "")
        + f"{environment.device}, "
        + (f"{processes} processes with {threads} each" if processes > 1 else threads)
    )


def unrecorded_facts(curve: LearningCurve | None) -> Iterator[Fact]:
    """The course of a training that left no record, by its metrics."""
    yield (
        "training",
        f"settings, data and versions are not known: there is no {RECORD}, which s2s before 0.3 "
        "did not write",
    )
    if curve is None:
        return
    last = curve.entries[-1]
    yield "measured until", f"update {last.update:,}, {last.epoch:.2f} epochs, by {METRICS}"
    found = [(each.validation, each.update) for each in curve.entries if each.validation]
    if found:
        best, update = min(found)
        yield "lowest", f"validation perplexity {readable(best, 2)} after update {update:,}"
