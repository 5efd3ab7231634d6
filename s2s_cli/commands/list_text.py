"""The rules by which a list's words are read from raw text and joined to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from s2s_cli.commands.score import model_facts
from s2s_cli.console import say, warn
from s2s_cli.errors import UserError
from s2s_cli.files import name_of
from s2s_cli.scoring.languages import DATA_DIRECTORY
from s2s_cli.text.facts import FACTS_FILE, Facts
from s2s_cli.text.language_guess import (
    COMMON_WORDS,
    UNDETERMINED,
    guess_language,
    language_evidence,
)
from s2s_cli.text.languages import find_language, unknown_language
from s2s_cli.text.subwords import CONTINUED, WORD_START
from s2s_cli.text.target_text import TargetText

# With so many times the evidence, a text is in another language than the facts say.
DECISIVE = 2


@dataclass
class ListText:
    """Where the rules of a list's text come from.

    Attributes:
        path: of the list.
        models: that scored it, or stand beside its scores.
        language: as the user gave it; "" if not.
        kept: the list has its scores already, so that no model has to be there.
        tokenised: raw text has its words between spaces.
        pieces: the list holds pieces of words.
    """

    path: Path
    models: Sequence[Path]
    language: str
    tokenised: bool
    kept: bool = False
    pieces: bool = False
    _found: TargetText | None = field(default=None, init=False)

    def rules(self, lines: Sequence[str]) -> TargetText:
        """Find the rules; ``lines`` in the list's language show it where nothing else says it.

        Raises:
            UserError: the rules of the model are needed, and it is not there.
        """
        if self._found is None:
            self._found = self._stored_rules(lines) if self.kept else self._rules_of_model()
        return self._found

    def _rules_of_model(self) -> TargetText:
        facts = model_facts(self.models[0])
        if self.language and not agree(facts, self.language):
            warn(
                f"--language {self.language}, but the model writes {facts.target_language}, "
                "whose rules are used"
            )
        return TargetText(facts)

    def _stored_rules(self, lines: Sequence[str]) -> TargetText:
        facts, where = self._facts_nearby()
        if facts and (not self.language or agree(facts, self.language)):
            self._check_language(facts, where, lines)
            return TargetText(facts)
        if self.pieces:
            raise UserError(
                f"{name_of(self.path)}: holds pieces of words, and only the model knows how they "
                "join and how text is split into them; name it with --model, or leave out "
                "--detokenise and give the reference in pieces with --tokenised"
            )
        code = self.language or guess_language(lines)
        if self.language and not find_language(code).is_known:
            warn(unknown_language(find_language(code)))
        if not self.language:
            self._say_guess(code)
        return TargetText.in_language(code)

    def _facts_nearby(self) -> tuple[Facts | None, str]:
        """Find the facts of the model or, without one, those of the data; and name the place."""
        from s2s_cli.model.description import DESCRIPTION, model_directory

        model = self.models[0]
        if model.exists() and (model_directory(model) / DESCRIPTION).is_file():
            return model_facts(model), str(model)
        if (DATA_DIRECTORY / FACTS_FILE).is_file():
            return Facts.read(DATA_DIRECTORY), str(DATA_DIRECTORY)
        return None, ""

    def _say_guess(self, code: str) -> None:
        name = name_of(self.path)
        if code == UNDETERMINED:
            say(f"{name}: its language is not known; general rules (--language CODE names it)")
        else:
            say(f"{name}: rules of text are those of {code} (--language CODE names another)")

    def _check_language(self, facts: Facts, where: str, lines: Sequence[str]) -> None:
        """Warn where the words are clearly those of another language."""
        known = find_language(facts.target_language).rules
        evidence = language_evidence(lines)
        other = max(evidence, key=evidence.__getitem__, default=known)
        if known in COMMON_WORDS and evidence[other] > DECISIVE * evidence[known]:
            warn(
                f"{name_of(self.path)}: looks like {other}, but its text follows the rules of "
                f"{known}, which {where} has; --language {other} changes that"
            )


def agree(facts: Facts, language: str) -> bool:
    """Check whether a language has the rules of the target language of ``facts``."""
    return find_language(facts.target_language).rules == find_language(language).rules


def has_pieces(hypotheses: Sequence[str]) -> bool:
    """Check whether a hypothesis has pieces of words, in either convention."""
    return any(
        word.startswith(WORD_START) or (word.endswith(CONTINUED) and word != CONTINUED)
        for text in hypotheses
        for word in text.split(" ")
    )
