"""It must learn: a toy translation is nearly perfect in seconds on one core, end to end."""

import random
from pathlib import Path

import pytest
from conftest import Run
from sacrebleu import corpus_bleu

from s2s_cli.api import Translator
from s2s_cli.model.config import Precision

ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
FRENCH = ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"]
TRAINING = """
[prep]
tokenised = true
reverse-source = true

[train]
layers = 1
hidden-size = 96
embedding-size = 32
optimiser = "adam"
learning-rate = 0.006
halve-after = 8
batch-size = 32
epochs = 12
threads = 1
"""


def write_pairs(directory: Path, split: str, numbers: list[str]) -> None:
    directory.mkdir(exist_ok=True)
    for language, words in (("en", ENGLISH), ("fr", FRENCH)):
        lines = [" ".join(words[int(digit)] for digit in number) for number in numbers]
        (directory / f"{split}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def experiment(s2s: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """After a training on three digits each; corpus/test has others."""
    directory = tmp_path_factory.mktemp("digits")
    numbers = [f"{number:03d}" for number in range(1000)]
    random.Random(1).shuffle(numbers)
    corpus = directory / "corpus"
    write_pairs(corpus, "train", numbers[:700])
    write_pairs(corpus, "valid", numbers[700:740])
    write_pairs(corpus, "test", numbers[740:])
    (directory / "s2s.toml").write_text(TRAINING)
    for command in ("prep", "vocab", "train"):
        done = s2s(command, cwd=directory)
        assert done.returncode == 0, done.stderr.decode()
    return directory


def test_digits_are_translated(s2s: Run, experiment: Path) -> None:
    source, reference = (
        (experiment / "corpus" / f"test.{language}").read_bytes() for language in ("en", "fr")
    )
    found = s2s("decode", "--beam", "2", "--threads", "1", cwd=experiment, input=source)
    pairs = list(zip(found.stdout.split(b"\n"), reference.split(b"\n"), strict=True))[:-1]
    assert len(pairs) == 260
    assert sum(one == other for one, other in pairs) >= 0.95 * 260


def test_int8_translates_and_scores_as_fp32(experiment: Path) -> None:
    lines, references = (
        (experiment / "corpus" / f"test.{language}").read_text("utf-8").splitlines()[:120]
        for language in ("en", "fr")
    )
    bleu, found = {}, {}
    precisions: tuple[Precision, ...] = "fp32", "int8"
    for precision in precisions:
        translator = Translator(experiment / "model", device="cpu", precision=precision, threads=1)
        translations = translator.translate(lines, beam=4)
        bleu[precision] = corpus_bleu(translations, [references], tokenize="none").score
        if precision == "fp32":
            lists = translator.translate(lines, beam=4, nbest=4)
            pairs = [
                (line, each.text)
                for line, listed in zip(lines, lists, strict=True)
                for each in listed
            ]
        found[precision] = translator.score(pairs)
    assert bleu["int8"] == pytest.approx(bleu["fp32"], abs=0.2)
    words = sum(len(text.split()) + 1 for _, text in pairs)
    apart = sum(abs(one - other) for one, other in zip(found["fp32"], found["int8"], strict=True))
    assert 0 < apart / words < 0.02
