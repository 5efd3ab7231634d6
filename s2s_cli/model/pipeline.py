"""One model over several devices: a pipeline of layers, and an output layer in slices (§3.5).

Each layer hands its hidden states on as soon as it has read a chunk of time steps, so that a
layer works on one chunk while the layer above works on the one before. Work on a GPU is only
begun here, not waited for; on the way back, torch has a thread for each GPU, and takes last what
came first.
"""

from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import Parameter
from torch.nn.utils.rnn import PackedSequence

from s2s_cli.errors import UsageError
from s2s_cli.model.lstm import Lstm
from s2s_cli.model.packed import layer_alone
from s2s_cli.model.placement import Placement
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.model.sequences import EndedStates, States
from s2s_cli.model.vocab_parallel import VocabParallelSoftmax

# Time steps handed on together: few, so that the layers above begin soon, yet enough to be worth
# the beginning of a product. The thread that begins the work of all GPUs needs fewer and larger
# pieces: with chunks of 4 it issues 1,842 operations an update on 8 GPUs, with these 578.
TIME_CHUNK, GPU_TIME_CHUNK = 4, 16

NOT_SPREAD = (
    "the paper's model alone is spread over several devices; with options beyond it, "
    "--layout data gives each device a copy and a share of every batch"
)


class SpreadSeq2Seq(nn.Module):
    """A `Seq2Seq` whose layers and output layer lie on several devices; the same numbers."""

    def __init__(self, model: Seq2Seq, placement: Placement) -> None:
        """Take over the weights of ``model``, which is not to be used any more."""
        super().__init__()
        self.shape, self.placement, first = model.shape, placement, placement.devices[0]
        self.source_embedding = model.source_embedding.to(first)
        self.target_embedding = model.target_embedding.to(first)
        self.encoder, self.decoder = (
            nn.ModuleList(
                layer_alone(lstm, index).to(placement.devices[place])
                for index, place in enumerate(placement.layers)
            )
            for lstm in (model.encoder, model.decoder)
        )
        self.devices = [placement.devices[place] for place in placement.layers]
        self.softmax = VocabParallelSoftmax(model.softmax, placement)
        self.dropout = model.dropout

    def tables(self) -> list[Tensor]:
        """The embeddings of both languages, [words, size] each."""
        return [self.source_embedding.weight, self.target_embedding.weight]

    def shards(self) -> dict[str, list[Parameter]]:
        """The parameters of a `Seq2Seq` by name, in its order, each as its shards here."""
        result = {
            f"{name}.weight": [getattr(self, name).weight]
            for name in ("source_embedding", "target_embedding")
        }
        for side in ("encoder", "decoder"):
            for index, layer in enumerate(lstms(getattr(self, side))):
                for name, parameter in layer.named_parameters():
                    result[f"{side}.{name.removesuffix('_l0')}_l{index}"] = [parameter]
        return {**result, **self.softmax.shards()}

    def forward(
        self, source: PackedSequence, target_input: PackedSequence, words: Tensor
    ) -> Tensor:
        """Loss as from `Seq2Seq.forward`; input on the first place, loss on the first slice's."""
        assert source.unsorted_indices is not None and target_input.sorted_indices is not None
        order = source.unsorted_indices[target_input.sorted_indices]
        # Sent before there is any work: a copy waits for what its source and its target do.
        orders = [order.to(device, non_blocking=True) for device in self.devices]
        encoder = [StageState(layer) for layer in lstms(self.encoder)]
        for chunk in time_chunks(source, time_chunk(self.devices[0].type)):
            self.read(encoder, self.source_embedding, chunk)
        states = [layer.last(order) for layer, order in zip(encoder, orders, strict=True)]
        decoder = [StageState(*each) for each in zip(lstms(self.decoder), states, strict=True)]
        loss = self.softmax.loss(words)
        for chunk in time_chunks(target_input, time_chunk(self.devices[0].type)):
            loss.add(self.dropout(self.read(decoder, self.target_embedding, chunk)))
        return loss.total

    def between(self, rows: Tensor) -> Tensor:
        """Dropout between layers."""
        return F.dropout(rows, self.dropout.p, self.training)

    def read(
        self, layers: Sequence["StageState"], table: nn.Embedding, words: PackedSequence
    ) -> Tensor:
        """Let all layers read a chunk of words; the top layer's hidden states, [rows, cells]."""
        if self.training and self.dropout.p > 0:  # each occurrence of a word is another vector
            rows = layers[0].read(self.dropout(table(words.data)), words.batch_sizes)
        else:
            rows = layers[0].read_words(words, table)
        for layer in layers[1:]:
            rows = layer.read(self.between(rows), words.batch_sizes)
        return rows


Model = Seq2Seq | SpreadSeq2Seq


def spread(model: Seq2Seq, devices: tuple[torch.device, ...]) -> Model:
    """``model`` on its device, or over several.

    Raises:
        UserError: a variant of the paper's model, which is not spread.
    """
    if len(devices) == 1:
        return model.to(devices[0])
    if not model.shape.plain:
        raise UsageError(NOT_SPREAD)
    # The gradients of all slices come from the first one's stream; torch has each device wait.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    return SpreadSeq2Seq(model, Placement.of(model.shape, devices))


class StageState:
    """A layer that reads sentences, chunk by chunk; the shortest end first."""

    def __init__(self, layer: Lstm, states: States | None = None) -> None:
        """Start from ``states``, [1, batch, cells] each; from zeros if None."""
        self.layer, self.states, self.ended = layer, states, EndedStates(dim=1)
        self.device = next(layer.parameters()).device

    def read(self, rows: Tensor, sizes: Tensor) -> Tensor:
        """Read rows, of which ``sizes[t]`` belong to time step t, from whatever device."""
        rows = rows.to(self.device, non_blocking=True)
        output: PackedSequence
        output, self.states = self.layer(PackedSequence(rows, sizes), self.going_on(sizes))
        return output.data

    def read_words(self, words: PackedSequence, table: nn.Embedding) -> Tensor:
        """Read the vectors that ``words`` have in ``table``."""
        states = self.going_on(words.batch_sizes)
        output, self.states = self.layer.read_words(words, table, states)
        return output.data

    def going_on(self, sizes: Tensor) -> States | None:
        """The states of the sentences that the next chunk belongs to."""
        return self.states and self.ended.drop(self.states, int(sizes[0]))

    def last(self, order: Tensor) -> States:
        """The states after each sentence's last word, in the order ``order`` of sentences."""
        assert self.states is not None
        return tuple(each.index_select(1, order) for each in self.ended.put_back(self.states))


def time_chunk(device_type: str) -> int:
    """Time steps that are handed on together between devices of type ``cpu`` or ``cuda``."""
    return TIME_CHUNK if device_type == "cpu" else GPU_TIME_CHUNK


def time_chunks(words: PackedSequence, steps: int) -> Iterator[PackedSequence]:
    """Cut packed sentences after every so many ``steps``."""
    sizes = words.batch_sizes.split(steps)
    for rows, of_rows in zip(
        words.data.split([int(each.sum()) for each in sizes]), sizes, strict=True
    ):
        yield PackedSequence(rows, of_rows)


def lstms(layers: nn.ModuleList) -> list[Lstm]:
    """The same modules, their type known."""
    return [each for each in layers if isinstance(each, Lstm)]
