"""The generator of the embedded corpus, against readers that know the languages by themselves."""

import random
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "recipes/numbers_en_fr/number_phrases.py"
GENERATOR = runpy.run_path(str(SCRIPT))
english: Callable[[int], str] = GENERATOR["english"]
french: Callable[[int], str] = GENERATOR["french"]

# Every number that is built without its neighbours, and a draw of the others.
NUMBERS = [
    *range(2_000),
    *range(0, 1_000_000, 1_000),
    *random.Random(7).sample(range(10**6), 5_000),
]


def values(first: int, step: int, words: str) -> dict[str, int]:
    """The words in their order, as numbers ``step`` apart."""
    return {word: first + step * place for place, word in enumerate(words.split(" "))}


ENGLISH_WORDS = {
    **values(0, 1, "zero one two three four five six seven eight nine ten eleven twelve thirteen"),
    **values(14, 1, "fourteen fifteen sixteen seventeen eighteen nineteen"),
    **values(20, 10, "twenty thirty forty fifty sixty seventy eighty ninety"),
}
FRENCH_WORDS = {
    **values(0, 1, "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize"),
    **values(14, 1, "quatorze quinze seize"),
    **values(20, 10, "vingt trente quarante cinquante soixante"),
}


def read_english(phrase: str) -> int:
    """The number that an English phrase means; every word but ``and`` adds or multiplies."""
    thousands, group = 0, 0
    for word in phrase.replace("-", " ").split(" "):
        match word:
            case "and":
                pass
            case "hundred":
                group *= 100
            case "thousand":
                thousands, group = 1000 * group, 0
            case _:
                group += ENGLISH_WORDS[word]
    return thousands + group


def read_french(phrase: str) -> int:
    """The number that a French phrase means, however its plurals and hyphens are written."""
    thousands, hundreds, group = 0, 0, 0
    for word in phrase.replace("-", " ").split(" "):
        match word.removesuffix("s") if word in ("vingts", "cents") else word:
            case "et":
                pass
            case "mille":
                thousands, hundreds, group = 1000 * (hundreds + group or 1), 0, 0
            case "cent":
                hundreds, group = 100 * (group or 1), 0
            case "vingt" if group == 4:
                group = 80
            case plain:
                group += FRENCH_WORDS[plain]
    return thousands + hundreds + group


def test_both_phrases_say_the_number() -> None:
    for number in NUMBERS:
        assert read_english(english(number)) == number
        assert read_french(french(number)) == number


@pytest.mark.parametrize(
    ("number", "phrase"),
    [
        (0, "zero"),
        (40, "forty"),
        (291, "two hundred and ninety-one"),
        (1_005, "one thousand and five"),
        (1_100, "one thousand one hundred"),
        (70_000, "seventy thousand"),
        (105_006, "one hundred and five thousand and six"),
        (999_999, "nine hundred and ninety-nine thousand nine hundred and ninety-nine"),
    ],
)
def test_english_spelling(number: int, phrase: str) -> None:
    assert english(number) == phrase


@pytest.mark.parametrize(
    ("number", "phrase"),
    [
        (0, "zéro"),
        (17, "dix-sept"),
        (21, "vingt et un"),
        (22, "vingt-deux"),
        (61, "soixante et un"),
        (70, "soixante-dix"),
        (71, "soixante et onze"),
        (77, "soixante-dix-sept"),
        (80, "quatre-vingts"),
        (81, "quatre-vingt-un"),
        (90, "quatre-vingt-dix"),
        (91, "quatre-vingt-onze"),
        (99, "quatre-vingt-dix-neuf"),
        (100, "cent"),
        (101, "cent un"),
        (200, "deux cents"),
        (201, "deux cent un"),
        (280, "deux cent quatre-vingts"),
        (291, "deux cent quatre-vingt-onze"),
        (1_000, "mille"),
        (1_001, "mille un"),
        (2_000, "deux mille"),
        (21_000, "vingt et un mille"),
        (80_000, "quatre-vingt mille"),
        (80_080, "quatre-vingt mille quatre-vingts"),
        (200_000, "deux cent mille"),
        (200_200, "deux cent mille deux cents"),
    ],
)
def test_french_irregularities(number: int, phrase: str) -> None:
    assert french(number) == phrase


def test_the_plural_s_stands_at_the_end_alone() -> None:
    for number in NUMBERS:
        before, _, last = french(number).rpartition(" ")
        assert not {"cents", "quatre-vingts"} & set(before.split(" "))
        assert last != "vingts"


def generate(directory: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), str(directory), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def test_held_out_numbers_are_never_in_training(tmp_path: Path) -> None:
    sizes = {"train": 3_000, "valid": 200, "test": 300}
    assert generate(tmp_path, *(f"--{k}={v}" for k, v in sizes.items())).returncode == 0
    seen: set[int] = set()
    for split, size in sizes.items():
        source, target = lines(tmp_path / f"{split}.en"), lines(tmp_path / f"{split}.fr")
        numbers = [read_english(phrase) for phrase in source]
        assert numbers == [read_french(phrase) for phrase in target]
        assert len(set(numbers)) == size
        assert not seen & set(numbers)
        seen |= set(numbers)
        assert min(numbers) < 1_000 and max(numbers) > 100_000  # short ones and long ones


def test_the_seed_decides_the_corpus(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert generate(tmp_path / name, "--train=50", "--seed", seed).returncode == 0
    first, same, other = ((tmp_path / name / "train.fr").read_bytes() for name in "abc")
    assert first == same
    assert first != other


def test_more_numbers_than_there_are_is_refused(tmp_path: Path) -> None:
    done = generate(tmp_path / "corpus", "--train=1000000")
    assert done.returncode == 2
    assert "1,000,000" in done.stderr
    assert not (tmp_path / "corpus").exists()
