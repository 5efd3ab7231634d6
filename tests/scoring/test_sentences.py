"""Scores of single lines against sacreBLEU's own."""

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from s2s_cli.scoring.metrics import BleuParts
from s2s_cli.scoring.sentences import sentence_scores
from s2s_cli.scoring.texts import AS_GIVEN, Form, Texts

HYPOTHESES = ["Le chat, noir, dort ici.", "", "Oui.", "Le chien\u00a0: non.", "a b c d e"]
REFERENCES = [
    ["Le chat, noir, dort là.", "", "Oui, oui.", "Le chien : non.", "a b c d e"],
    ["Le chat noir dort.", "Non.", "Non.", "Un chien.", ""],
]
RUNNING = Texts(Form(HYPOTHESES, REFERENCES, AS_GIVEN), tokenised=False, language="fr")


@pytest.mark.parametrize("references", [REFERENCES[:1], REFERENCES])
def test_running_text_is_scored_as_sacrebleu_scores_sentences(references: list[list[str]]) -> None:
    texts = Texts(Form(HYPOTHESES, references, AS_GIVEN), tokenised=False, language="fr")
    lines = list(zip(HYPOTHESES, *references, strict=True))
    for metric, theirs in (("bleu-detokenised", BLEU(effective_order=True)), ("chrf", CHRF())):
        found = [each.value for each in sentence_scores(metric, texts)]  # type: ignore[arg-type]
        assert found == pytest.approx(
            [theirs.sentence_score(line, others).score for line, *others in lines]
        )
        assert max(found) == 100.0


def test_words_are_scored_and_counted() -> None:
    scores = sentence_scores("bleu-tokenised", RUNNING)
    bleu = BLEU(tokenize="none", effective_order=True)
    line, *others = (lines[0] for lines in (RUNNING.words.hypotheses, *RUNNING.words.references))
    assert scores[0].value == pytest.approx(bleu.sentence_score(line, others).score)
    parts = [each.parts for each in scores]
    lengths = [(each.length, each.reference_length) for each in parts if each]
    assert lengths == [(8, 8), (0, 0), (2, 2), (5, 5), (5, 5)]
    assert isinstance(parts[0], BleuParts)
    assert "eff:yes" in scores[0].signature.split("|")
    given = Texts(Form(["a\u00a0b c"], [["a b c"]], AS_GIVEN), tokenised=True, language="fr")
    (only,) = sentence_scores("bleu-tokenised", given)
    assert only.parts and (only.parts.length, only.parts.reference_length) == (2, 3)
