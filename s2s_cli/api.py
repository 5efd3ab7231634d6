"""The Python interface: a trained model as an object that translates and scores lines of text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TypedDict, Unpack, overload

from torch import Tensor

from s2s_cli.decoding.alignment import attention_weights, make_aligner, require_attention
from s2s_cli.decoding.beam import AlignedHypothesis, search
from s2s_cli.decoding.config import AlignmentConfig, BeamConfig
from s2s_cli.decoding.stream import default_batch_size
from s2s_cli.decoding.translate import ChunkTranslator
from s2s_cli.errors import UsageError, UserError
from s2s_cli.inference.config import DEFAULT_SCALE, MbrConfig
from s2s_cli.inference.replicas import LoadedModel
from s2s_cli.inference.states import phrase_vectors
from s2s_cli.model.config import Precision
from s2s_cli.model.device import choose_device, set_threads
from s2s_cli.rescoring.perplexity import PairScorer
from s2s_cli.settings import check_bounds


@dataclass(frozen=True)
class Translation:
    """A hypothesis of beam search.

    Attributes:
        text: as ``s2s decode`` writes it.
        words: as ``s2s decode --nbest`` writes them.
        score: what search ranks by: the natural logarithm of the probability, divided by a power
            of the length if so asked.
        log_probs: log probability by each member of the ensemble, <EOS> included.
        alignment: places of source and target words, from 0; none unless asked for.
    """

    text: str
    words: tuple[str, ...]
    score: float
    log_probs: tuple[float, ...]
    alignment: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class AttentionMap:
    """Attention weights of a translation.

    Attributes:
        source: words, or pieces of words, that the model reads, in the order of the text, [n].
        target: those that it writes, <EOS> last, [m].
        weights: [m, n]; each row sums to 1.
    """

    source: list[str]
    target: list[str]
    weights: Tensor


class Search(TypedDict, total=False):
    """Keyword arguments of `Translator.translate`, which describes them."""

    beam: int
    normalise: float
    max_length: int
    forbid_unk: bool
    replace_unk: bool
    alignments: bool
    mbr: bool
    mbr_scale: float


class Translator:
    """A trained model, or the ensemble of several, that translates lines of text.

    It gives what the commands give: `translate` what ``s2s decode`` writes, `score` the log
    probabilities of ``s2s rescore``, `encode` the vectors of ``s2s show states``, and `attention`
    the weights of ``s2s show attention``.

    Threads may share a translator: their calls wait for each other.
    """

    def __init__(
        self,
        *models: str | Path,
        device: str = "auto",
        precision: Precision = "fp32",
        tokenised: bool = False,
        threads: int = 0,
    ) -> None:
        """Load model directories, or files of weights in them.

        Args:
            models: one or more; several are an ensemble.
            device: ``cpu``, ``cuda`` or ``cuda:1``; ``auto`` is a GPU where there is one.
            precision: of matrix products; ``int8`` is for CPUs, ``tf32`` for GPUs.
            tokenised: the words of all text stand between spaces.
            threads: CPU threads of the process; 0 leaves torch's choice.

        Raises:
            UserError: not a model directory; members that differ in vocabularies or tokenising; no
                such device.
            TypeError: no model is named.
        """
        if not models:
            raise TypeError("Translator() needs the path of a model")
        set_threads(threads)
        self._paths = tuple(map(Path, models))
        self._model = LoadedModel.of(
            self._paths, choose_device(device), precision, tokenised=tokenised
        )
        self._lock = Lock()

    @overload
    def translate(
        self, lines: Iterable[str], *, nbest: None = None, **search: Unpack[Search]
    ) -> list[str]: ...

    @overload
    def translate(
        self, lines: Iterable[str], *, nbest: int, **search: Unpack[Search]
    ) -> list[list[Translation]]: ...

    def translate(
        self,
        lines: Iterable[str],
        *,
        beam: int = 12,
        nbest: int | None = None,
        normalise: float = 0.0,
        max_length: int = 0,
        forbid_unk: bool = False,
        replace_unk: bool = False,
        alignments: bool = False,
        mbr: bool = False,
        mbr_scale: float = DEFAULT_SCALE,
    ) -> list[str] | list[list[Translation]]:
        """Translate each of ``lines`` with beam search.

        Args:
            lines: text without line ends.
            beam: hypotheses kept at each step.
            nbest: return so many hypotheses of each line, or as many as search has found.
            normalise: divide log probabilities by the length to this power.
            max_length: longest translation in words; 0 is twice the source and 10 more.
            forbid_unk: never write UNK.
            replace_unk: write for each UNK the source word that attention looked at most.
            alignments: with ``nbest``, find the source words of each target word by attention.
            mbr: choose and sort hypotheses by minimum Bayes risk.
            mbr_scale: weight of the scores in the probabilities that ``mbr`` takes.

        Returns:
            For each line its translation, blank for a blank line; with ``nbest`` its hypotheses,
            the best first, none for a blank line.

        Raises:
            UserError: settings out of range or that exclude each other; a model without attention
                where it is needed.
            TypeError: one line in place of several.
        """
        refuse_text(lines)
        if nbest == 0:
            raise UsageError("nbest=0: must be 1 or more; without it lines are translated")
        config = BeamConfig(beam, nbest or 0, normalise, max_length, forbid_unk)
        alignment = AlignmentConfig(replace_unk, None, alignments)
        risk = MbrConfig(mbr, mbr_scale)
        for each in (config, risk):
            check_bounds(each)
        config.check()
        risk.check()
        alignment.check(config)
        aligner = make_aligner(alignment, self._paths) if alignment.needed else None
        translator = ChunkTranslator(config, default_batch_size(config), aligner, risk=risk)
        found = self._search(list(lines), translator)
        if nbest is None:
            return [each[0].text if each else "" for each in found]
        return found

    def score(self, pairs: Iterable[tuple[str, str]]) -> list[float]:
        """Compute the log probability of each translation in ``pairs`` of a source and its target.

        Returns:
            Natural logarithms, summed over the target's words and <EOS>.
        """
        with self._lock:
            return list(PairScorer(self._model.scorer, self._model.codec).log_probs(pairs))

    def encode(self, lines: Sequence[str]) -> Tensor:
        """Compute the encoder's last states after each of ``lines``, none of them blank.

        Returns:
            [lines, size] on the CPU: hidden states of all layers, then cell states (§3.4).

        Raises:
            UserError: an ensemble, whose members have states of their own; a blank line.
            TypeError: one line in place of several.
        """
        refuse_text(lines)
        with self._lock:
            return phrase_vectors(self._model, lines)[0]

    def attention(self, line: str, target: str | None = None, *, beam: int = 12) -> AttentionMap:
        """Compute the attention weights of a translation of ``line``, of an ensemble their mean.

        Args:
            line: not blank.
            target: its translation; None: what `translate` finds.
            beam: hypotheses kept at each step where a translation is looked for.

        Raises:
            UserError: no model has attention; a blank line.
        """
        require_attention(self._paths, "the weights")
        codec = self._model.codec
        with self._lock:
            source = codec.source_words(line)
            if not source:
                raise UserError("a blank line has no attention weights")
            if target is None:
                config = BeamConfig(beam)
                check_bounds(config)
                found = search(self._model.scorer, [codec.ids(source)], config)[0]
                tokens = found[0].tokens if found else []
            else:
                tokens = codec.target_ids(codec.target_words(target))
            return AttentionMap(source, *attention_weights(self._model, source, tokens))

    def _search(self, lines: list[str], translator: ChunkTranslator) -> list[list[Translation]]:
        model = self._model
        with self._lock:
            words = [model.codec.source_words(line) for line in lines]
            found = translator.search(model, [model.codec.ids(each) for each in words])
            ranked = translator.ranked(model.codec, translator.aligned(model, words, found))
        return [[self._translation(each) for each in hypotheses] for hypotheses in ranked]

    def _translation(self, found: AlignedHypothesis) -> Translation:
        codec, hypothesis = self._model.codec, found.hypothesis
        return Translation(
            codec.text(codec.words(found.pieces)),
            tuple(codec.nbest_tokens(found.pieces)),
            hypothesis.score,
            tuple(hypothesis.member_log_probs),
            tuple(found.pairs),
        )


def refuse_text(lines: Iterable[str]) -> None:
    """Raise a `TypeError` for one line, whose characters would be taken for lines."""
    if isinstance(lines, str):
        raise TypeError(f"lines must be a list of lines, not one text; write [{lines[:20]!r}]")
