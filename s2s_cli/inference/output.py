"""The output layer as search needs it: exponentials straight from the product, sums, logarithms."""

import torch
import torch.nn.functional as F
from torch import Tensor

from s2s_cli.inference.distribution import GROUP, LogitsSoftmax, Softmax, refuse_overflow
from s2s_cli.model.products import MARGIN, Exponentials, Product, blocks, reliable


class OutputLayer:
    """Output layer: from hidden states to distributions of the next word.

    Where the processor's library can, the product gives exponentials in place of logits, so that
    the usual passes of a softmax over as many numbers as rows times words are not needed; only
    the sum is.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor, dtype: torch.dtype, origin: str = "model"
    ) -> None:
        """Lay out ``weight`` [vocabulary, cells] and ``bias``.

        Args:
            weight: what is multiplied with hidden states, whose numbers are between -1 and 1.
            bias: [vocabulary].
            dtype: of products, as `Product` takes it.
            origin: where the model came from.

        Raises:
            UserError: logits could be so large that there is no difference between two of them;
                by `softmax`, for a hidden state that is no number.
        """
        self.accumulation_dtype, self.origin = bias.dtype, origin
        refuse_overflow(4 * (weight.shape[1] * largest(weight) + largest(bias)), origin)
        self.logits = Product(*whole_groups(weight, bias), dtype)
        self.powers: Exponentials | None = None

    def fuse_exp(self, weight: Tensor, bias: Tensor, hidden: Tensor) -> None:
        """Take exponentials from now on, where products can fuse them (`products.fuses_exp`).

        Args:
            weight: as before; looked into for words whose exponentials are too small.
            bias: likewise.
            hidden: a few states [rows, cells] of the usual kind.
        """
        self.weight, self.bias = weight, bias
        usual = self.logits(hidden).to(self.accumulation_dtype).logsumexp(1).mean()
        self.powers = Exponentials(self.logits, float(usual) + MARGIN)

    @property
    def product(self) -> Product:
        """Product that `blocks` are cut for."""
        return self.powers or self.logits

    def softmax(self, hidden: Tensor) -> Softmax:
        """The distribution after ``hidden``, [rows, cells] of one of `blocks`."""
        if self.powers is None:
            logits = self.logits(hidden).to(self.accumulation_dtype)
            return LogitsSoftmax(logits, self.origin)
        return FusedExpSoftmax(self, self.powers, hidden)


class FusedExpSoftmax:
    """Softmax made of exponentials of logits, each row's divided by the same number."""

    def __init__(self, layer: OutputLayer, powers: Exponentials, hidden: Tensor) -> None:
        self.layer, self.hidden = layer, hidden
        self.powers, self.sums = powers.with_sums(hidden, layer.accumulation_dtype)
        # The logarithm of the sum of a row's exponentials, undivided.
        self.normaliser = self.sums.double().log() + powers.offset
        unreliable = (~reliable(self.sums)).nonzero().squeeze(1)
        if len(unreliable):
            self.repair(unreliable)

    def repair(self, rows: Tensor) -> None:
        """Compute the softmax of ``rows`` from their logits."""
        product = self.layer.logits
        for block in blocks(len(rows), product):
            of_block = rows[block]
            logits = product.compute(product.pad_rows(self.hidden[of_block])).to(
                self.layer.accumulation_dtype
            )
            self.powers[of_block] = logits.softmax(1)[: len(of_block)]
            self.sums[of_block] = 1
            # As with sums: of one row alone, it would be added up in another order.
            self.normaliser[of_block] = logits.double().logsumexp(1)[: len(of_block)]
        refuse_overflow(self.normaliser[rows], self.layer.origin)

    def ranking(self) -> Tensor:
        return self.powers

    def probabilities(self) -> Tensor:
        return self.powers / self.sums[:, None]

    def log_probs(self, rows: Tensor, words: Tensor) -> Tensor:
        powers = self.powers[rows, words].double()
        result = powers.log() - self.log_totals()[rows]
        # Too small for the type, or so small that digits are missing; not what is ruled out.
        lost = (powers >= 0) & (powers < torch.finfo(self.powers.dtype).tiny)
        if lost.any():
            rows, words = torch.broadcast_tensors(rows, words)
            result[lost] = self.of_lost(rows[lost], words[lost])
        return result

    def log_totals(self) -> Tensor:
        return self.sums.double().log()

    def of_lost(self, rows: Tensor, words: Tensor) -> Tensor:
        """Compute `log_probs` from a logit each: [n]."""
        layer = self.layer
        known = words.clamp(max=len(layer.weight) - 1)
        weight = layer.weight[known].to(self.hidden.dtype).double()
        logits = (self.hidden[rows].double() * weight).sum(-1) + layer.bias[known].double()
        # Behind the vocabulary stands what fills its last group up.
        return torch.where(known == words, logits - self.normaliser[rows], float("-inf"))


def largest(values: Tensor) -> Tensor:
    """The largest absolute value, a scalar."""
    low, high = values.aminmax()
    return torch.maximum(-low, high)


def whole_groups(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """The output layer with words of probability 0 at its end, so that `top` finds whole groups."""
    missing = -len(weight) % GROUP
    if not missing:
        return weight, bias
    return F.pad(weight, (0, 0, 0, missing)), F.pad(bias, (0, missing), value=float("-inf"))
