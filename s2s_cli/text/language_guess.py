"""A guess at the language of a text, from its most frequent words and its script."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

import regex

UNDETERMINED = "und"  # ISO 639-2; it has the general rules
SAMPLE_LINES = 5000

# Among the most frequent words of each language; of equal evidence the first language counts.
COMMON_WORDS = {
    "fr": "le la les l' des de d' du un une et est dans sur avec pour qui que qu' c' j' il elle",
    "en": "the of and to a in is with that for on at was this are it you he we not i my by has",
    "it": "il la lo l' gli di che è e un una un' per con nel dell' all' della sono del c' po' non",
    "es": "el la los las de que y en un una con por para del se es no su al lo está muy",
    "pt": "o a os as de que e do da em um uma não no na com para dos é ao se está",
    "ca": "el la els les l' de d' que i amb és un una del dels als per no aquest en",
    "ro": "și în de la cu pe este un o nu din care sau să se o mai",
    "ga": "an na agus tá is ag ar le ní go d' sa bhí sé atá i",
    "de": "der die das und ist ein eine nicht mit auf den im zu von in es ich sie einem des",
    "nl": "de het een van en is op met voor niet zijn dat te in aan ik er",
    "da": "og er ikke på af til med det som en den der et i at jeg har",
    "no": "og er ikke på av til med det som en den et i å jeg har",
    "sv": "och är inte på av till med det som en den ett i att jag har",
    "fi": "ja on ei että oli se hän ovat mutta myös kun en minä joka",
    "hu": "a az és nem hogy egy van is ez de meg volt",
    "cs": "a je se na v že s není jsou si do to který",
    "sk": "a je sa na v že s nie sú do to ktorý",
    "pl": "i w na z się nie jest że do to jak są",
    "hr": "je i u na se da su za od nije koji što",
    "sl": "je in v na se da so za od ni ki tudi",
    "tr": "ve bir bu için ile de da değil çok ne mi",
    "ru": "и в не на что с он я это как по к",
    "uk": "і в не на що з та до він це як у",
    "el": "και το να του η της με για ο είναι στο",
}
# Scripts that a language without spaces, or with rules of its own, is written in.
SCRIPTS = {
    r"[\p{Hiragana}\p{Katakana}]": "ja",
    r"\p{Han}": "zh",
    r"\p{Thai}": "th",
    r"\p{Lao}": "lo",
    r"\p{Khmer}": "km",
    r"\p{Myanmar}": "my",
    r"\p{Tibetan}": "bo",
    r"\p{Hebrew}": "he",
}
SCRIPT_SHARE = 0.1  # of the letters; Japanese has Han beside its kana
WORD = re.compile(r"(?<!')\b\w+'?")  # not what follows an apostrophe


def language_evidence(lines: Iterable[str]) -> Counter[str]:
    """Count the common words, or the letters, of each language in the first of ``lines``.

    Words may be split as a tokeniser leaves them, or stand in running text.
    """
    text = "\n".join(islice(lines, SAMPLE_LINES)).lower().replace("’", "'")
    letters = len(regex.findall(r"\p{L}", text))
    for script, code in SCRIPTS.items():
        found = len(regex.findall(script, text))
        if found > SCRIPT_SHARE * letters:
            return Counter({code: found})
    words = Counter(WORD.findall(text))
    counted = {
        code: sum(words[word] for word in set(common.split()))
        for code, common in COMMON_WORDS.items()
    }
    return Counter({code: count for code, count in counted.items() if count})


def guess_language(lines: Iterable[str]) -> str:
    """Guess the language of ``lines``: its code, or `UNDETERMINED` without evidence."""
    evidence = language_evidence(lines)
    return max(evidence, key=evidence.__getitem__, default=UNDETERMINED)
