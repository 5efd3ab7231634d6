"""Settings to start from, for three sizes of corpus."""

from typing import Any, Literal, NamedTuple, assert_never

from s2s_cli.toml import toml_value

Preset = Literal["toy", "small", "paper"]


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
        Line("source-language", source, "text in corpus/train." + source + " and so on"),
        Line("target-language", target, "line by line its translation"),
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
            Line("layers", 1, "of the encoder and of the decoder"),
            Line("hidden-size", 128, "cells of a layer"),
            Line("embedding-size", 64, "numbers for a word"),
            *adam(0.003),
            Line("batch-size", 32, "pairs an update: many updates, though the text is short"),
            Line("epochs", 15, "passes over the text"),
            *halving(after=10, every=1),
            Line("log-every", 20, "updates between lines of the log"),
        ],
        "decode": [Line("beam", 4, "hypotheses kept at each step")],
    }


def small() -> Sections:
    return {
        "vocab": [
            Line("min-count", 2, "a word seen once teaches more as an unknown word"),
        ],
        "train": [
            Line("layers", 1, "of the encoder and of the decoder; 2 from 100,000 pairs on"),
            Line("hidden-size", 256, "cells of a layer; 512 is better and takes twice as long"),
            Line("embedding-size", 256, "numbers for a word"),
            Line("dropout", 0.2, "against learning by heart; 0.4 with 512 cells"),
            *adam(0.002),
            Line("batch-size", 64, "pairs an update"),
            Line("epochs", 10, "passes over the text"),
            *halving(after=7, every=1),
            Line("attention", "general", "better on long sentences; beyond the paper", off=True),
        ],
        "decode": [Line("beam", 12, "hypotheses kept at each step, as in the paper")],
    }


def paper() -> Sections:
    return {
        "vocab": [
            Line("source-size", 160_000, "words of the source (§3.1)"),
            Line("target-size", 80_000, "words of the target (§3.1)"),
        ],
        "train": [
            Line("layers", 4, "of the encoder and of the decoder (§3.4)"),
            Line("hidden-size", 1000, "cells of a layer (§3.4)"),
            Line("embedding-size", 1000, "numbers for a word (§3.4)"),
            Line("optimiser", "sgd", "without momentum (§3.4)"),
            Line("learning-rate", 0.7, "at the start (§3.4)"),
            Line("batch-size", 128, "pairs an update (§3.4)"),
            Line("clip-norm", 5.0, "largest norm of the gradient (§3.4)"),
            Line("epochs", 7.5, "passes over the text (§3.4)"),
            *halving(after=5.0, every=0.5),
            Line("gpus", 8, "with --layout model, a layer on each (§3.5)", off=True),
        ],
        "decode": [Line("beam", 12, "hypotheses kept at each step (Table 1)")],
    }


def adam(rate: float) -> list[Line]:
    return [
        Line("optimiser", "adam", "learns a small text sooner than the paper's SGD"),
        Line("learning-rate", rate, "at the start"),
    ]


def halving(after: float, every: float) -> list[Line]:
    return [
        Line("halve-after", after, "epochs until the learning rate is first halved"),
        Line("halve-every", every, "epochs between halvings"),
    ]
