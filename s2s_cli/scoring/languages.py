"""The language of the texts to score, and sacreBLEU's tokeniser for it."""

from pathlib import Path
from typing import Literal

from s2s_cli.console import warn
from s2s_cli.errors import UserError
from s2s_cli.installation import install_packages
from s2s_cli.text.facts import FACTS_FILE, Facts
from s2s_cli.text.languages import find_language

# As sacreBLEU names them; flores200 and the two of MeCab need packages of their own.
BleuTokeniser = Literal["13a", "intl", "char", "zh", "ja-mecab", "ko-mecab", "flores200"]
OF_SACREBLEU: tuple[BleuTokeniser, ...] = ("13a", "intl", "char", "zh")
BleuTokeniserChoice = Literal[BleuTokeniser, "auto"]
DEFAULT_LANGUAGE = "fr"
DATA_DIRECTORY = Path("data")


def choose_language(given: str, model: Facts | None, data: Path = DATA_DIRECTORY) -> str:
    """Choose the language of the texts: as given, else the model's, that of ``data``, or French.

    Says where what is given disagrees with the model or the data.
    """
    known = {}
    if model:
        known["the model"] = model.target_language
    if (data / FACTS_FILE).is_file():
        known[f"{data / FACTS_FILE}"] = Facts.read(data).target_language
    if not given:
        return next(iter(known.values()), DEFAULT_LANGUAGE)
    for where, language in known.items():
        if find_language(language).rules != find_language(given).rules:
            warn(f"--language {given}, but {where} says {language}")
    return given


def choose_bleu_tokeniser(asked: BleuTokeniserChoice, language: str) -> BleuTokeniser:
    """Choose sacreBLEU's tokeniser: as asked, or by the language.

    Raises:
        UserError: the one that was asked for is not installed.
    """
    chosen = tokeniser_of_language(language) if asked == "auto" else asked
    problem = missing_package(chosen)
    if not problem:
        return chosen
    if asked != "auto":
        raise UserError(f"--tokenize {chosen}: {problem}")
    warn(f"{problem}; characters are compared instead (--tokenize char)")
    return "char"


def tokeniser_of_language(language: str) -> BleuTokeniser:
    """The tokeniser that sacreBLEU takes for a language; characters where nothing else is known."""
    found = find_language(language)
    match found.rules:
        case "zh" | "yue":
            return "zh"
        case "ja":
            return "ja-mecab"
        case "ko":
            return "ko-mecab"
        case _:
            return "char" if found.is_unspaced else "13a"


def missing_package(tokeniser: BleuTokeniser) -> str:
    """Say what to install for ``tokeniser``; "" where nothing is missing."""
    if tokeniser in OF_SACREBLEU:  # whose import a training without BLEU does not wait for
        return ""
    from sacrebleu.metrics.bleu import BLEU

    try:
        BLEU(tokenize=tokeniser)
    except (ImportError, RuntimeError, SystemExit):
        language = tokeniser.partition("-")[0]
        package = f"sacrebleu[{language}]" if language in ("ja", "ko") else "sentencepiece"
        return f"sacreBLEU's tokeniser {tokeniser} needs a package: {install_packages(package)}"
    return ""
