"""A validation: what it finds, which of two is better, and who translates for it."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, assert_never

from s2s_cli.console import readable
from s2s_cli.training.config import BestBy

if TYPE_CHECKING:
    from s2s_cli.model.pipeline import Model

# In place of a BLEU that was not computed: lower than any.
NO_BLEU = -1.0


@dataclass(frozen=True)
class Quality:
    """Measures that a validation found.

    Attributes:
        perplexity: of the validation text, infinite where there is none.
        bleu: of translations, from 0 to 100; `NO_BLEU` where none was computed.
    """

    perplexity: float = math.inf
    bleu: float = NO_BLEU

    def beats(self, other: "Quality", by: BestBy) -> bool:
        """True where this is better than ``other``; of equal BLEU the lower perplexity is."""
        match by:
            case "perplexity":
                return self.perplexity < other.perplexity
            case "bleu":
                mine, its = (self.bleu, -self.perplexity), (other.bleu, -other.perplexity)
                return mine > its and math.isfinite(self.perplexity)
            case _:
                assert_never(by)


def shown_quality(quality: Quality, unit: str = "") -> str:
    """Describe what a validation found; ``unit`` is that of a perplexity not of words."""
    perplexity = f"perplexity {readable(quality.perplexity, 3)}{unit}"
    return perplexity if quality.bleu == NO_BLEU else f"{perplexity}, BLEU {quality.bleu:.2f}"


@dataclass(frozen=True)
class Sample:
    """A sentence of the validation text as running text, with its translation."""

    source: str
    reference: str
    hypothesis: str


@dataclass(frozen=True)
class ValidationTranslations:
    """Translations of validation sentences by the weights of now.

    Attributes:
        samples: to be shown.
        hypotheses: all of this process, as running text.
        bleu: of those that BLEU is computed of, of all processes; `NO_BLEU` if of none.
    """

    samples: list[Sample] = field(default_factory=list)
    hypotheses: list[str] = field(default_factory=list)
    bleu: float = NO_BLEU


class ValidationTranslator(Protocol):
    """Translates validation sentences, the same ones each time."""

    def describe(self) -> str:
        """Say what BLEU is computed of, and its signature; "" where none is."""

    def __call__(self, model: "Model") -> ValidationTranslations:
        """Translate; all replicas call it together. Weights and random state stay as they are."""
