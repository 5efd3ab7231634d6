"""It must learn: a toy translation is nearly perfect in seconds on one core, end to end."""

import random
from pathlib import Path

from conftest import Run

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


def test_digits_are_translated(s2s: Run, tmp_path: Path) -> None:
    numbers = [f"{number:03d}" for number in range(1000)]
    random.Random(1).shuffle(numbers)
    corpus = tmp_path / "corpus"
    write_pairs(corpus, "train", numbers[:700])
    write_pairs(corpus, "valid", numbers[700:740])
    write_pairs(corpus, "test", numbers[740:])
    (tmp_path / "s2s.toml").write_text(TRAINING)
    for command in ("prep", "vocab", "train"):
        done = s2s(command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr.decode()
    source, reference = ((corpus / f"test.{language}").read_bytes() for language in ("en", "fr"))
    found = s2s("decode", "--beam", "2", "--threads", "1", cwd=tmp_path, input=source)
    pairs = list(zip(found.stdout.split(b"\n"), reference.split(b"\n"), strict=True))[:-1]
    assert len(pairs) == 260
    assert sum(one == other for one, other in pairs) >= 0.95 * 260
