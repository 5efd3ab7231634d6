"""Scores of single lines, as sacreBLEU scores a sentence."""

from s2s_cli.scoring.metrics import Score, TextMetric, bleu_parts, corpus_metric
from s2s_cli.scoring.texts import Texts


def sentence_scores(metric: TextMetric, texts: Texts) -> list[Score]:
    """Score each line of ``texts`` by itself, in the form that ``metric`` compares.

    BLEU of a sentence is sacreBLEU's: smoothed exponentially, of no order longer than the text.
    """
    from sacrebleu.metrics.bleu import BLEU

    definition = corpus_metric(metric, texts.given.bleu_tokeniser)
    form, sentence = definition.form(texts), definition.sacrebleu
    if isinstance(sentence, BLEU):
        sentence.effective_order, sentence.smooth_method = True, "exp"
    lines = definition.comparable(form.hypotheses, *form.references)
    results = [sentence.sentence_score(line, others) for line, *others in zip(*lines, strict=True)]
    signature = definition.signature(str(sentence.get_signature()), form.tokeniser)
    return [
        # Rounding may reach 100.00000000000004.
        Score(definition.name, min(float(each.score), 100.0), signature, parts=bleu_parts(each))
        for each in results
    ]
