"""Batch MIRA: weights of a list's features by online updates with a large margin.

Cherry and Foster, *Batch Tuning Strategies for Statistical Machine Translation* (2012). For one
segment after the other, the weights move so far that the score tells a good hypothesis (hope) from
a bad one that it likes (fear) by as much as BLEU does. It stays stable with many features, where
minimum error rate training fits noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from s2s_cli.rescoring.candidates import COUNTS, Candidates, bleu
from s2s_cli.rescoring.config import TunerConfig

# Settings of the paper (§4.1), and of Moses
EPOCHS = 60
LARGEST_STEP = 0.01  # C, which bounds what a single segment can do
DECAY = 0.999  # of the background with each segment


@dataclass
class Mira:
    """The state of MIRA between two segments.

    Attributes:
        weights: [F].
        background: statistics of BLEU of the last hopes, decayed, [`COUNTS`]. BLEU of a sentence
            is what it adds to that of the background, so that it is smooth.
    """

    weights: Tensor
    background: Tensor

    def update(self, values: Tensor, counts: Tensor) -> None:
        """Learn from one segment.

        Args:
            values: of its hypotheses, [N, F].
            counts: their statistics, [N, `COUNTS`].
        """
        scores = values @ self.weights
        gains = self.gains(counts)
        hope, fear = int((scores + gains).argmax()), int((scores - gains).argmax())
        difference = values[hope] - values[fear]
        loss = float(gains[hope] - gains[fear] - difference @ self.weights)
        size = float(difference @ difference)
        if loss > 0 and size > 0:
            self.weights = self.weights + min(LARGEST_STEP, loss / size) * difference
        self.background = DECAY * self.background + counts[hope]

    def gains(self, counts: Tensor) -> Tensor:
        """BLEU of each hypothesis with the background, scaled by their length, [N].

        The scale is that of references in words (Chiang et al. 2008, §2.1): differences do not
        shrink as the background grows.
        """
        sums = self.background + counts
        return bleu(sums) / 100 * sums[:, 1]


def mira(candidates: Candidates, config: TunerConfig) -> list[tuple[float, Tensor]]:
    """Go over all segments in random order, `EPOCHS` times.

    It begins with weights of 0, with which hope and fear are the best and the worst by BLEU: other
    weights would count as much as their scale, of which nothing is known.

    Returns:
        The average of all weights [F] so far after each epoch, and its BLEU.
    """
    generator = torch.Generator().manual_seed(config.seed)
    values = candidates.values.permute(1, 2, 0).contiguous()
    segments, _, features = values.shape
    total = torch.zeros(features, dtype=torch.float64)
    state = Mira(total.clone(), torch.ones(COUNTS, dtype=torch.float64))
    found = []
    for epoch in range(1, EPOCHS + 1):
        for segment in torch.randperm(segments, generator=generator).tolist():
            state.update(values[segment], candidates.counts[segment])
            total += state.weights
        average = total / (epoch * segments)
        found.append((candidates.bleu(candidates.along(average)), average))
    return found
