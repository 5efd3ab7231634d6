"""The plain way: nn.Embedding, nn.LSTM, nn.Linear and cross_entropy, as a tutorial would do it.

A reference to measure against: no trick that is not in the first pages of PyTorch's manual. It
trains, translates and scores, and reads the folder that ``s2s vocab`` filled. The source is read
last word first. What it measured is the last line of stderr, as JSON.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

SYMBOLS = ["<pad>", "<s>", "</s>", "UNK"]
PAD, START, END, UNKNOWN = range(4)
NEVER = -1e9
Ids = list[int]
State = tuple[Tensor, Tensor]


class Net(nn.Module):
    """Two LSTMs without attention; tensors are [batch, steps]."""

    def __init__(self, source: int, target: int, given: argparse.Namespace) -> None:
        super().__init__()
        size, cells = given.embedding, given.cells
        self.se, self.te = nn.Embedding(source, size), nn.Embedding(target, size)
        two = given.directions == 2
        each = cells // given.directions
        self.enc = nn.LSTM(size, each, given.layers, batch_first=True, bidirectional=two)
        self.attends = given.attention
        if self.attends:  # trained alone: it neither translates nor scores
            self.query = nn.Linear(cells, cells, bias=False)
            self.combine = nn.Linear(2 * cells, cells, bias=False)
        self.dec = nn.LSTM(size, cells, given.layers, batch_first=True)
        self.out = nn.Linear(cells, target, bias=False)
        for each in self.parameters():
            nn.init.uniform_(each, -0.08, 0.08)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        outputs, state = self.enc(self.se(source))
        if self.enc.bidirectional:  # the states of both directions side by side
            state = tuple(torch.cat([each[::2], each[1::2]], 2) for each in state)
        hidden, _ = self.dec(self.te(target), state)
        if self.attends:
            hidden = self.attend(hidden, outputs, source == PAD)
        return self.out(hidden)  # type: ignore[no-any-return]

    def attend(self, hidden: Tensor, outputs: Tensor, padding: Tensor) -> Tensor:
        """General attention (Luong et al. 2015)."""
        scores = self.query(hidden) @ outputs.transpose(1, 2)
        weights = scores.masked_fill(padding[:, None], NEVER).softmax(2)
        return self.combine(torch.cat([weights @ outputs, hidden], 2)).tanh()  # type: ignore[no-any-return]

    def encode(self, sources: list[Ids]) -> State:
        """The state after each source; packed, so that padding never enters it."""
        device = self.out.weight.device
        padded = pad_sequence([torch.tensor(each[::-1]) for each in sources], batch_first=True)
        packed = pack_padded_sequence(
            self.se(padded.to(device)),
            torch.tensor(list(map(len, sources))),
            batch_first=True,
            enforce_sorted=False,
        )
        return self.enc(packed)[1]  # type: ignore[no-any-return]


def vocabulary(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return SYMBOLS + [line.rpartition("\t")[0] for line in lines]


def read(path: Path, words: list[str]) -> list[Ids]:
    ids = {word: index for index, word in enumerate(words) if index > UNKNOWN}
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [[ids.get(word, UNKNOWN) for word in line.split(" ")] for line in lines]


def left_padded(sources: list[Ids]) -> Tensor:
    """Reversed sources, padding first: the last step is the first word."""
    longest = max(map(len, sources))
    return torch.tensor([[PAD] * (longest - len(each)) + each[::-1] for each in sources])


def shifted(targets: list[Ids]) -> tuple[Tensor, Tensor]:
    """What the decoder reads and what it has to say, padded at the end."""
    longest = max(map(len, targets))
    read = [[START, *each] + [PAD] * (longest - len(each)) for each in targets]
    said = [[*each, END] + [PAD] * (longest - len(each)) for each in targets]
    return torch.tensor(read), torch.tensor(said)


def wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def train(net: Net, sources: list[Ids], targets: list[Ids], given: argparse.Namespace) -> None:
    """Updates on batches of sentences of like length; the clock starts after the warm-up."""
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[given.optimiser]
    optimiser = kind(net.parameters(), lr=given.rate)
    order = sorted(range(len(sources)), key=lambda i: (len(sources[i]), len(targets[i])))
    batches = [order[i : i + given.batch] for i in range(0, len(order), given.batch)]
    done, words, start = 0, 0, time.perf_counter()
    while done < given.updates:
        random.shuffle(batches)
        for batch in batches[: given.updates - done]:
            if done == given.warm:
                wait(given.device)
                words, start = 0, time.perf_counter()
            x, y = [sources[i] for i in batch], [targets[i] for i in batch]
            read, said = (each.to(given.device) for each in shifted(y))
            logits = net(left_padded(x).to(given.device), read)
            loss = F.cross_entropy(
                logits.flatten(0, 1), said.flatten(), ignore_index=PAD, reduction="sum"
            )
            optimiser.zero_grad()
            (loss / len(batch)).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimiser.step()
            words += sum(map(len, x)) + sum(map(len, y))
            done += 1
    wait(given.device)
    seconds = time.perf_counter() - start
    tell(words=words, seconds=seconds, loss=loss.item() / sum(len(each) + 1 for each in y))
    if given.model:
        torch.save(net.state_dict(), given.model)


@torch.no_grad()
def beam_search(net: Net, sources: list[Ids], given: argparse.Namespace) -> list[Ids]:
    """The best hypothesis of each source by beam search over all of the batch at once."""
    n, beam, size = len(sources), given.beam, net.out.out_features
    device = net.out.weight.device
    state = tuple(each.repeat_interleave(beam, 1) for each in net.encode(sources))
    tokens = torch.full((n * beam, 1), START, device=device)
    scores = torch.full((n, beam), NEVER, device=device)
    scores[:, 0] = 0
    complete: list[list[tuple[float, Ids]]] = [[] for _ in sources]
    for _ in range(given.longest):
        hidden, state = net.dec(net.te(tokens[:, -1:]), state)
        log_probs = F.log_softmax(net.out(hidden[:, 0]), -1).view(n, beam, size)
        # As many candidates again as the beam holds: those that end the sentence leave it.
        best, flat = (scores[:, :, None] + log_probs).view(n, -1).topk(2 * beam, -1)
        parents, words = flat // size, flat % size
        ends = words == END
        for row, column in ends[:, :beam].nonzero().tolist():
            hypothesis = tokens[row * beam + int(parents[row, column]), 1:].tolist()
            complete[row].append((float(best[row, column]), hypothesis))
        scores, kept = best.masked_fill(ends, NEVER).topk(beam, -1)
        rows = parents.gather(1, kept) + torch.arange(n, device=device)[:, None] * beam
        tokens = torch.cat([tokens[rows.view(-1)], words.gather(1, kept).view(-1, 1)], 1)
        state = tuple(each[:, rows.view(-1)] for each in state)
        if all(len(each) >= beam for each in complete):
            break
    return [
        max(found)[1] if found else tokens[row * beam, 1:].tolist()
        for row, found in enumerate(complete)
    ]


@torch.no_grad()
def forced(net: Net, sources: list[Ids], targets: list[Ids], device: str) -> list[float]:
    """The log probability of each target given its source."""
    read, said = (each.to(device) for each in shifted(targets))
    logits = net.out(net.dec(net.te(read), net.encode(sources))[0])
    losses = F.cross_entropy(
        logits.flatten(0, 1), said.flatten(), ignore_index=PAD, reduction="none"
    )
    return (-losses.view(said.shape).sum(1)).tolist()


def answer(net: Net, given: argparse.Namespace, words: list[list[str]]) -> None:
    """Translate or score the given text, batches of like length, lines in their own order."""
    sources = read(given.source, words[0])
    targets = read(given.target, words[1]) if given.mode == "score" else [[]] * len(sources)
    lines = [""] * len(sources)
    start = time.perf_counter()
    order = sorted(range(len(sources)), key=lambda i: (len(sources[i]), len(targets[i])))
    for first in range(0, len(order), given.batch):
        batch = order[first : first + given.batch]
        some = [sources[i] for i in batch]
        if given.mode == "score":
            scores = forced(net, some, [targets[i] for i in batch], given.device)
            found = [f"{score:.6f}" for score in scores]
        else:
            ids = beam_search(net, some, given)
            found = [" ".join(words[1][word] for word in each) for each in ids]
        for index, line in zip(batch, found, strict=True):
            lines[index] = line
    tell(seconds=time.perf_counter() - start)
    sys.stdout.write("".join(line + "\n" for line in lines))


def tell(**values: float) -> None:
    print(json.dumps(values), file=sys.stderr)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The plain PyTorch reference.")
    parser.add_argument("mode", choices=["train", "translate", "score"])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--model", type=Path)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--cells", type=int, default=512)
    parser.add_argument("--embedding", type=int, default=512)
    parser.add_argument("--directions", type=int, choices=[1, 2], default=1)
    parser.add_argument("--attention", action="store_true")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--updates", type=int, default=24)
    parser.add_argument("--warm", type=int, default=0, help="updates before the clock starts")
    parser.add_argument("--optimiser", choices=["sgd", "adam"], default="sgd")
    parser.add_argument("--rate", type=float, default=0.7)
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--longest", type=int, default=50)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--target", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    torch.manual_seed(given.seed)
    random.seed(given.seed)
    words = [vocabulary(given.data / f"vocab.{language}") for language in ("en", "fr")]
    net = Net(len(words[0]), len(words[1]), given).to(given.device)
    if given.mode == "train":
        texts = [
            read(given.data / f"train.{language}", words[i])
            for i, language in enumerate(("en", "fr"))
        ]
        train(net, texts[0], texts[1], given)
    else:
        net.load_state_dict(torch.load(given.model, map_location=given.device, weights_only=True))
        answer(net.eval(), given, words)


if __name__ == "__main__":
    main()
