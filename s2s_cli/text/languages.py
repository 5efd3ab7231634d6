"""Language codes as people write them, and what the rules of text know of a language.

Files are named by ISO 639-1 (``fr``), 639-2 (``fra``, ``fre``), 639-3 with a script (``fra_Latn``,
as FLORES has them) or in English (``french``). Rules are looked up by `Language.rules`; the code
itself stays what the user wrote.
"""

import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from typing import Any

# Country codes that are often taken for those of the language.
COUNTRIES = {"cz": "cs", "jp": "ja", "cn": "zh", "kr": "ko", "gr": "el", "ua": "uk", "dk": "da"}
# Codes that stand for themselves: found without langcodes' tables of all languages, which would be
# loaded at every start.
PLAIN_LIST = """
af ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is
it ja ka kk km kn ko ku ky lo lt lv mk ml mn mr ms mt my ne nl no oc pa pl ps pt ro ru si sk
sl so sq sr sv sw ta te tg th tr uk ur uz vi xh yi zh zu
"""
PLAIN_CODES = frozenset(PLAIN_LIST.split())
# Names of languages for which sacremoses has no list of abbreviations, and names has none.
NAMES = {
    "arabic": "ar",
    "bulgarian": "bg",
    "croatian": "hr",
    "danish": "da",
    "farsi": "fa",
    "hebrew": "he",
    "japanese": "ja",
    "khmer": "km",
    "korean": "ko",
    "lao": "lo",
    "mandarin": "zh",
    "burmese": "my",
    "norwegian": "no",
    "persian": "fa",
    "serbian": "sr",
    "thai": "th",
    "turkish": "tr",
    "ukrainian": "uk",
    "vietnamese": "vi",
}
# Between their words there is no space.
UNSPACED = frozenset({"zh", "yue", "ja", "th", "lo", "km", "my", "bo", "dz"})
# The apostrophe of an elision belongs to the word before it: l'eau, dell'acqua, d'árasán.
ELIDING = frozenset(
    {"fr", "it", "ga", "ca", "oc", "co", "mt", "wa", "gd", "lij", "lmo", "pms", "scn", "vec"}
)
# The apostrophe of a contraction belongs to what comes after it: don't, the girl's.
CONTRACTING = frozenset({"en"})
# A colon stands before the ending of an abbreviation: EU:n, USA:s.
COLON_BEFORE_ENDING = frozenset({"fi", "sv"})
# Quotation marks stand between letters: צה"ל.
GERSHAYIM = frozenset({"he", "yi"})
# Rules beside the general ones, for languages without a list of abbreviations.
OTHERS = frozenset({"ja", "he", "oc", "mt", "th", "lo", "km", "my", "bo"})


@dataclass(frozen=True)
class Language:
    """A language code, and how its text is written.

    Attributes:
        code: as the user wrote it.
        rules: ISO 639-1 or 639-3 code by which rules are looked up.
        region: ISO 3166 code in capitals, where the code names one: ``CA`` of ``fr-CA``.
    """

    code: str
    rules: str
    region: str

    @property
    def is_known(self) -> bool:
        """Presence of rules or abbreviations of this language, beside the general rules."""
        return self.rules in OTHERS or self.rules in abbreviated()

    @property
    def is_unspaced(self) -> bool:
        """Absence of spaces between words."""
        return self.rules in UNSPACED


@cache
def find_language(code: str) -> Language:
    """Find the language that ``code`` names; one that nobody knows has the general rules."""
    if code in PLAIN_CODES:
        return Language(code, code, "")
    return look_up(code)


def look_up(code: str) -> Language:
    """Find the language in the tables of all."""
    from langcodes import standardize_tag
    from langcodes.tag_parser import LanguageTagError

    plain = code.lower()
    plain = COUNTRIES.get(plain) or NAMES.get(plain) or abbreviated().get(plain) or code
    try:
        parts = standardize_tag(plain, macro=True).split("-")
    except LanguageTagError:
        return Language(code, plain.lower(), "")
    region = next((part for part in parts[1:] if len(part) == 2 and part.isupper()), "")
    return Language(code, "no" if parts[0] in ("nb", "nn") else parts[0], region)


@cache
def abbreviated() -> dict[str, str]:
    """Codes and English names of the languages with a list of abbreviations, to their codes."""
    return dict(abbreviation_lists().available_langs)


@cache
def abbreviation_lists() -> Any:
    """The ``NonbreakingPrefixes`` of sacremoses, without its tokenisers.

    Those compile large regular expressions while they are imported. So sacremoses.corpus is
    imported from a package that has not been executed; one who needs the tokenisers then imports
    the package as ever.
    """
    bare = None
    if "sacremoses" not in sys.modules and (spec := find_spec("sacremoses")):
        bare = sys.modules["sacremoses"] = module_from_spec(spec)
    try:
        return import_module("sacremoses.corpus").NonbreakingPrefixes()
    finally:
        if bare is not None:
            del sys.modules["sacremoses"]


def unknown_language(language: Language) -> str:
    """The sentence for a language without rules."""
    return (
        f"no rules for the language {language.code!r}: its text is split by the general rules; "
        "name the language by its ISO 639 code (fr, fra, fra_Latn) if it has another"
    )
