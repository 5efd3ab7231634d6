"""Settings to start from, for three sizes of corpus."""

from typing import Any, NamedTuple, assert_never

from s2s_cli.model.config import PRESET_MODELS, Preset
from s2s_cli.toml import toml_value


class Line(NamedTuple):
    """A setting and why it is so; in the file it is a comment if ``off``."""

    key: str
    value: Any
    why: str
    off: bool = False


Sections = dict[str, list[Line]]


def preset_text(preset: Preset, languages: tuple[str, str]) -> str:
    """Write the settings file of ``preset`` for a source and a target language."""
    sections = {"prep": preparation(*languages), **sections_of(preset), **later(*languages)}
    head = (
        f"# Settings of s2s, made by `s2s init --preset {preset}`: a section for each command.\n"
        "# An option on the command line wins. `s2s train --help` lists all of them.\n"
    )
    return head + "".join(section_text(name, lines) for name, lines in sections.items())


def section_text(name: str, lines: list[Line]) -> str:
    settings = [f"{'# ' * each.off}{each.key} = {toml_value(each.value)}" for each in lines]
    width = max(map(len, settings))
    pairs = zip(settings, lines, strict=True)
    return f"\n[{name}]\n" + "".join(f"{text:{width}}  # {each.why}\n" for text, each in pairs)


def preparation(source: str, target: str) -> list[Line]:
    return [
        Line("source-language", source, f"text in corpus/train.{source} and so on"),
        Line("target-language", target, "its translation, line by line"),
        Line("reverse-source", True, "the source is read last word first (§3.3)"),
    ]


def later(source: str, target: str) -> Sections:
    """The sections of commands that look for the test text."""
    return {
        "rescore": [Line("source", f"corpus/test.{source}", "what the hypotheses translate")],
        "score": [Line("references", [f"corpus/test.{target}"], "what is compared with")],
    }


def sections_of(preset: Preset) -> Sections:
    """The sections whose settings depend on the size of the corpus."""
    match preset:
        case "toy":
            return toy()
        case "small":
            return small()
        case "paper":
            return paper()
        case _:
            assert_never(preset)


def toy() -> Sections:
    return {
        "train": [
            *shape("toy"),
            *adam(0.003),
            Line("batch-size", 32, "sentence pairs an update"),
            *epochs(15, halve_after=10, halve_every=1),
            Line("log-every", 20, "updates between lines of the log"),
        ],
        "decode": [Line("beam", 4, "hypotheses kept at each step")],
    }


def small() -> Sections:
    return {
        "vocab": [Line("min-count", 2, "leave out words that occur once in the training text")],
        "train": [
            *shape("small"),
            Line("dropout", 0.2, "against overfitting"),
            *adam(0.002),
            Line("batch-size", 64, "sentence pairs an update"),
            *epochs(10, halve_after=7, halve_every=1),
            Line("attention", "additive", "beyond the paper", off=True),
        ],
        "decode": [Line("beam", 12, "hypotheses kept at each step")],
    }


def paper() -> Sections:
    return {
        "vocab": [
            Line("source-size", 160_000, "words of the source (§3.1)"),
            Line("target-size", 80_000, "words of the target (§3.1)"),
        ],
        "train": [
            *shape("paper"),
            Line("optimiser", "sgd", "without momentum (§3.4)"),
            Line("learning-rate", 0.7, "at the start"),
            Line("batch-size", 128, "sentence pairs an update"),
            Line("clip-norm", 5.0, "largest norm of the gradient"),
            *epochs(7.5, halve_after=5.0, halve_every=0.5),
            Line("gpus", 8, "with --layout model, a layer on each (§3.5)", off=True),
        ],
        "decode": [Line("beam", 12, "hypotheses kept at each step (Table 1)")],
    }


def shape(preset: Preset) -> list[Line]:
    model = PRESET_MODELS[preset]
    return [
        Line("layers", model.layers, "LSTM layers of the encoder, and of the decoder"),
        Line("hidden-size", model.hidden_size, "cells of each layer"),
        Line("embedding-size", model.embedding_size, "size of a word embedding"),
    ]


def adam(rate: float) -> list[Line]:
    return [
        Line("optimiser", "adam", "the paper's is sgd"),
        Line("learning-rate", rate, "at the start"),
    ]


def epochs(count: float, halve_after: float, halve_every: float) -> list[Line]:
    return [
        Line("epochs", count, "passes over the corpus"),
        Line("halve-after", halve_after, "epochs before the learning rate is first halved"),
        Line("halve-every", halve_every, "epochs between halvings"),
    ]
