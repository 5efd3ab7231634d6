"""The language of a text is seen from a few words, split or not."""

import pytest

from s2s_cli.text.language_guess import COMMON_WORDS, SCRIPTS, UNDETERMINED, guess_language
from s2s_cli.text.languages import find_language


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("fr", "L'été d’une fille, c'est ça."),
        ("fr", "L' été d' une fille !"),
        ("en", "The girl 's dog does n't bark ."),
        ("it", "L' acqua dell' isola non è fredda ."),
        ("de", "Das ist nicht mein Hund."),
        ("es", "Los perros duermen en la casa."),
        ("fi", "EU:n päätös ei ole hyvä ja se on uusi"),
        ("sv", "Det är inte en hund"),
        ("ga", "Tá d' árasán ag an teach"),
        ("uk", "Він і вона не знають, що це"),
        ("zh", "他 不 知道 。"),
        ("ja", "これは本です。"),
        ("he", 'צה"ל הודיע'),
        (UNDETERMINED, "xyz 12 !"),
        (UNDETERMINED, ""),
    ],
)
def test_a_line_shows_its_language(code: str, line: str) -> None:
    assert guess_language([line]) == code


def test_a_few_foreign_words_decide_nothing() -> None:
    assert guess_language(["Le film The Girl est dans la ville .", "the of", "des", "les"]) == "fr"


def test_all_languages_of_the_guess_have_rules() -> None:
    for code in [*COMMON_WORDS, *SCRIPTS.values()]:
        found = find_language(code)
        assert found.rules == code
        assert found.is_known or code in ("hr", "tr", "uk", "no", "da")
