"""Greedy translations of validation sentences by the weights of now, and their BLEU."""

from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

import torch

from s2s_cli.console import counted, warn
from s2s_cli.decoding.config import BeamConfig
from s2s_cli.decoding.translate import ChunkTranslator
from s2s_cli.distributed.state_dicts import model_state_dict
from s2s_cli.errors import UserError, is_out_of_memory
from s2s_cli.inference.codec import TextCodec
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.inference.scorer import ModelScorer
from s2s_cli.model.directory import with_weights
from s2s_cli.model.parts import BatchParts
from s2s_cli.model.pipeline import Model
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.scoring.languages import choose_bleu_tokeniser
from s2s_cli.scoring.metrics import corpus_score
from s2s_cli.scoring.statistics import ORDERS, References, corpus_bleu
from s2s_cli.scoring.texts import AS_GIVEN, Form, Texts
from s2s_cli.training.trainer import Trainer
from s2s_cli.training.validation import NO_BLEU, Sample, ValidationTranslations
from s2s_cli.validation.sentences import ValidationText, evenly_spaced

BATCH_SENTENCES = 128
GREEDY = ChunkTranslator(BeamConfig(beam=1), BATCH_SENTENCES)


def open_translator(data: Path, trainer: Trainer) -> "GreedyTranslator | None":
    """Make the translator of a training; None where its settings ask for none.

    Raises:
        UserError: the prepared text in ``data`` is gone, or is not that of the corpus.
    """
    wanted = trainer.config.samples or trainer.config.validate_bleu
    return GreedyTranslator(data, trainer) if wanted and trainer.corpus.valid else None


class GreedyTranslator:
    """Translates the same sentences at each validation: samples to be shown, others for BLEU.

    BLEU is that of ``s2s score`` on tokenised text. Each replica translates a share of its
    sentences; the first one makes the samples.
    """

    def __init__(self, data: Path, trainer: Trainer) -> None:
        """Choose the sentences, read from the directory ``data``."""
        corpus, config, replica = trainer.corpus, trainer.config, trainer.replica
        assert corpus.valid is not None
        self.trainer, self.replica, self.facts = trainer, replica, corpus.facts
        self.device, self.parts = replica.devices[0], BatchParts("batches of translations")
        self.codec = TextCodec(trainer.description, tokenised=False)
        self.bleu_tokeniser = choose_bleu_tokeniser("auto", self.facts.target_language)
        text, count = ValidationText(data, corpus, self.codec), len(corpus.valid)
        self.sampled = evenly_spaced(count, config.samples) if replica.is_main else []
        self.scored = evenly_spaced(count, config.validate_bleu)
        if self.scored:
            text.require("--validate-bleu")
        self.share = self.scored[replica.rank :: replica.world_size]
        self.sentences = text.sentences(sorted({*self.sampled, *self.share}))
        form = self.as_words([], [self.sentences[each].reference for each in self.share])
        self.references = [References([line]) for line in form.references[0]]

    def describe(self) -> str:
        """Say what BLEU is computed of, with its signature."""
        if not self.scored:
            return ""
        references = [self.sentences[each].reference for each in self.share]
        signature = corpus_score("bleu-tokenised", self.as_words(references, references)).signature
        sentences = counted(len(self.scored), "sentence")
        return f"validation BLEU: {sentences}, greedy search; {signature}"

    def as_words(self, hypotheses: Sequence[str], references: Sequence[str]) -> Form:
        """Running text as the words that ``s2s score`` compares."""
        texts = ([normalize("NFC", each) for each in text] for text in (hypotheses, references))
        form = Form(next(texts), list(texts), AS_GIVEN, self.bleu_tokeniser)
        return Texts(form, self.facts.tokenised, self.facts.target_language).words

    def __call__(self, model: Model) -> ValidationTranslations:
        """Translate with the weights of ``model``; all replicas call it together."""
        model.zero_grad()  # the memory of gradients is free for another layout of the weights
        try:
            found = self.translate(model)
        except UserError as error:  # weights that nothing can be done with
            warn(f"the validation sentences cannot be translated: {error}")
            found = dict.fromkeys(self.sentences, "")
        samples = [
            Sample(self.sentences[each].source, self.sentences[each].reference, found[each])
            for each in self.sampled
        ]
        bleu = self.bleu([found[each] for each in self.share]) if self.scored else NO_BLEU
        return ValidationTranslations(samples, list(found.values()), bleu)

    def translate(self, model: Model) -> dict[int, str]:
        """Translate all sentences of this process: running text by the number of the sentence."""
        try:
            return self.translate_on(model, self.device)
        except RuntimeError as error:
            if self.device.type == "cpu" or not is_out_of_memory(error):
                raise
        # Outside the handler: the error holds on to all that the attempt has allocated.
        torch.cuda.empty_cache()
        warn(f"{self.device} has no memory to translate in; the CPU translates from now on")
        self.device = torch.device("cpu")
        return self.translate_on(model, self.device)

    def translate_on(self, model: Model, device: torch.device) -> dict[int, str]:
        """Translate on ``device``, where the model may have to be put together."""
        origin = self.trainer.directory
        network = model
        if not isinstance(model, Seq2Seq) or device != self.replica.devices[0]:
            weights = {name: each.to(device) for name, each in model_state_dict(model).items()}
            network = with_weights(model.shape, weights, origin)
        assert isinstance(network, Seq2Seq)
        scorer = ModelScorer(network, reverse_source=self.facts.reverse_source, origin=str(origin))
        sources = [each.source_ids for each in self.sentences.values()]
        found = GREEDY.search(LoadedModel(scorer, self.codec, self.parts), sources)
        codec = self.codec
        tokens = [each[0].tokens if each else [] for each in found]
        texts = [codec.text(codec.words(codec.pieces(each))) for each in tokens]
        return dict(zip(self.sentences, texts, strict=True))

    def bleu(self, hypotheses: Sequence[str]) -> float:
        """BLEU of all replicas' ``hypotheses``, each of which has those of its own share."""
        form = self.as_words(hypotheses, [])
        counts = [
            each.statistics(line)
            for each, line in zip(self.references, form.hypotheses, strict=True)
        ]
        sums = torch.tensor(counts, dtype=torch.float64).reshape(-1, 2 + 2 * ORDERS).sum(0)
        total = self.replica.reduce_sum(sums.to(self.replica.devices[0]))
        return corpus_bleu(list(map(int, total.tolist())))
