"""Every file format, how it is read, and what damage may and may not do to it."""

import gzip
import json
import platform
import resource
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

import torch

from s2s_cli.commands.app import known_options
from s2s_cli.commands.settings_file import read_settings
from s2s_cli.data.corpus import Corpus, Split
from s2s_cli.distributed import state_dicts
from s2s_cli.errors import as_user_error
from s2s_cli.files import read_lines
from s2s_cli.model.description import LAST, Description
from s2s_cli.model.directory import PREVIOUS, load_model, load_tensors
from s2s_cli.model.pipeline import spread
from s2s_cli.model.seq2seq import Seq2Seq
from s2s_cli.rescoring.rescorer import SourcedList
from s2s_cli.rescoring.weights import Weights
from s2s_cli.rescoring.winners import RowReader
from s2s_cli.text.facts import Facts
from s2s_cli.training.checkpoint import Checkpoints
from s2s_cli.training.metrics import METRICS, MetricsFile, ValidationMetrics
from s2s_cli.training.optimisers import Optimisers
from s2s_cli.training.progress import Identity
from s2s_cli.training.record import TrainingRecord

CPU = torch.device("cpu")
# The settings of the experiment's training, which `resumed` goes on with.
SETTINGS = "settings.json"
# A model of pieces of words.
GOLDEN = Path(__file__).parents[1] / "golden/model-2-bpe"
SECONDS = 20
# Damage may make these name a file that is not there, and it is that one which is told of.
MISLEADING = {"corpus.json", "model.json"}
MEMORY = 1 << 30  # bytes beyond what the process has at the start


class TooLong(BaseException):
    """Nothing may catch it."""


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        file: an example, in an experiment directory that is `complete`.
        load: what the toolkit makes of it, given the directory; compared by ``==``.
        told: another result is no silent error: the file has no redundancy, as a text has not.
    """

    file: str
    load: Callable[[Path], Any]
    told: bool = False


def tensors(values: dict[str, Any]) -> dict[str, Any]:
    return {name: torch.as_tensor(each).tolist() for name, each in values.items()}


def facts(directory: Path) -> Any:
    found = Facts.read(directory / "data")
    # Which files to read, and a note for the record: a wrong one finds no file.
    return replace(found, source_language="", target_language="", tokeniser="")


def model(name: str, folder: str = "model") -> Callable[[Path], Any]:
    def load(directory: Path) -> Any:
        network, found = load_model(directory / folder / name, CPU)
        words = found.source_vocabulary.words, found.target_vocabulary.words
        facts = replace(found.facts, tokeniser="")
        return tensors(network.state_dict()), words, facts, found.piece_models

    return load


def resumed(directory: Path) -> Any:
    """All that a training goes on with."""
    found = Description.read(directory / "model")
    network = spread(Seq2Seq(found.shape), (CPU,))
    optimisers = Optimisers.of("adam", network)
    identity = Identity(json.loads((directory / SETTINGS).read_bytes()))
    progress = Checkpoints(directory / "model", network, optimisers, identity, CPU).restore()
    states = [
        [tensors(state) for state in each["state"].values()]
        for each in state_dicts.optimiser_state_dicts(optimisers.each, network)
    ]
    return (
        progress,
        tensors(state_dicts.model_state_dict(network)),
        states,
        torch.get_rng_state().tolist(),
    )


def sentences(split: Split | None) -> Any:
    sides = (split.source, split.target) if split else ()
    return [[side[index].tolist() for index in range(len(side))] for side in sides]


def corpus(directory: Path) -> Any:
    found = Corpus.open(directory / "data")
    words = found.source_vocabulary.words, found.target_vocabulary.words
    return replace(found.facts, tokeniser=""), words, sentences(found.train), sentences(found.valid)


def metrics(directory: Path) -> Any:
    """A resumed training cuts the file, and goes on with whatever is before."""
    path = directory / "model" / METRICS
    before = path.read_bytes()
    with MetricsFile(path.parent, len(before)) as stream:
        stream.write(ValidationMetrics(1, 0.5, 9.0))
    after = path.read_bytes()
    path.write_bytes(before)
    return after == before + b'{"update": 1, "epoch": 0.5, "validation_perplexity": 9.0}\n'


def record(directory: Path) -> Any:
    return TrainingRecord.read(directory / "model")


def features(name: str) -> Callable[[Path], Any]:
    def load(directory: Path) -> Any:
        path = directory / name
        sources = list(read_lines(directory / "corpus/test.en"))
        reader = RowReader(path, "s2s")
        return [
            reader.rows(entries, [0.5] * len(entries))
            for _, entries in SourcedList(path, sources, 0).segments()
        ]

    return load


def settings(directory: Path) -> Any:
    return read_settings(directory / "s2s.toml", known_options())


def ranking(directory: Path) -> Any:
    return Weights.read(directory / "weights.toml").values


def text(name: str) -> Callable[[Path], Any]:
    return lambda directory: list(read_lines(directory / name))


FORMATS = {
    "facts.json": Format("data/facts.json", facts),
    "corpus.json": Format("data/corpus.json", corpus),
    "vocab of the data": Format("data/vocab.fr", corpus),
    "ids": Format("data/valid.en.ids", corpus),
    "idx": Format("data/valid.fr.idx", corpus),
    "model.json": Format("model/model.json", model("")),
    "vocab of the model": Format("model/vocab.en", model("")),
    "best.pt": Format("model/best.pt", model("best.pt")),
    "last.pt": Format("model/last.pt", model("last.pt")),
    "last.pt resumed": Format("model/last.pt", resumed),
    "model.json with pieces": Format("pieces/model.json", model("", "pieces")),
    "model of pieces": Format("pieces/subwords.fr.model", model("", "pieces")),
    "metrics.jsonl": Format("model/metrics.jsonl", metrics),
    "training.json": Format("model/training.json", record, told=True),
    "weights": Format("weights.toml", ranking, told=True),
    "s2s.toml": Format("s2s.toml", settings, told=True),
    "list": Format("nbest.txt", features("nbest.txt"), told=True),
    "packed list": Format("nbest.txt.gz", features("nbest.txt.gz")),
    "text": Format("corpus/test.en", text("corpus/test.en"), told=True),
    "packed text": Format("packed.txt.gz", text("packed.txt.gz")),
}


def complete(directory: Path) -> None:
    """Put the files beside a trained experiment that training does not make."""
    saved = load_tensors(directory / "model" / LAST)["settings"]
    (directory / "model" / PREVIOUS).unlink(missing_ok=True)  # it would stand in for a damaged one
    (directory / SETTINGS).write_text(json.dumps(saved))
    shutil.copytree(GOLDEN, directory / "pieces")
    (directory / "weights.toml").write_text(
        '[tuning]\nbleu = 12.5\nreference = "ref.fr"\n\n[weights]\ntotal = 0.5\nS2S0 = [-1.25]\n'
    )
    lines = [f"{n} ||| un deux {n} ||| S2S0= -{n}.25 ||| -{n}.5\n" for n in (0, 0, 1, 2)]
    (directory / "nbest.txt").write_text("".join(lines))
    for name, content in (("nbest.txt.gz", "".join(lines)), ("packed.txt.gz", "a b\nc\n\nd\n")):
        (directory / name).write_bytes(gzip.compress(content.encode(), mtime=0))


def truncations(content: bytes, lengths: list[int] | None = None) -> Iterator[tuple[str, bytes]]:
    for length in range(len(content)) if lengths is None else lengths:
        yield f"cut to {length} bytes", content[:length]


def flips(content: bytes, places: list[int] | None = None) -> Iterator[tuple[str, bytes]]:
    """Each bit of each byte, and the byte's opposite."""
    for place in range(len(content)) if places is None else places:
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            damaged = bytearray(content)
            damaged[place] ^= mask
            yield f"byte {place} xor {mask}", bytes(damaged)


@contextmanager
def bounded() -> Iterator[None]:
    """No endless loop within, and on Linux no endless allocation."""

    def stop(*_: object) -> None:
        raise TooLong

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, stop)
    if sys.platform == "linux":
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


def outcome(kind: Format, directory: Path, expected: Any) -> str:
    """``same``, ``other``, or ``told: SENTENCE``; whatever else is raised comes through."""
    try:
        with bounded():
            found = kind.load(directory)
    except Exception as error:
        told = as_user_error(error)
        if told is None or isinstance(error, MemoryError):
            raise
        return f"told: {told}"
    return "same" if found == expected else "other"


def sweep(kind: Format, directory: Path, damaged: Iterator[tuple[str, bytes]]) -> Counter[str]:
    """Read every damaged version of the file; how many came out how.

    Raises:
        AssertionError: one was read as something else, and nothing was said.
    """
    path = directory / kind.file
    whole_file = path.read_bytes()
    expected = kind.load(directory)
    outcomes: Counter[str] = Counter()
    try:
        for what, content in damaged:
            path.write_bytes(content)
            try:
                found = outcome(kind, directory, expected)
            except BaseException as error:
                raise AssertionError(f"{kind.file}, {what}: {error!r}") from error
            named = path.name in found or not found.startswith("told")
            assert named or path.name in MISLEADING, f"{kind.file}, {what}: {found}"
            assert found != "other" or kind.told, f"{kind.file}, {what}: read as something else"
            outcomes[found.partition(":")[0]] += 1
    finally:
        path.write_bytes(whole_file)
    return outcomes


def all_damage(path: Path) -> Iterator[tuple[str, bytes]]:
    """Every length and every bit; of an archive every length, and one bit of each byte."""
    content = path.read_bytes()
    of_bits = flips(content)
    if path.suffix == ".pt":
        of_bits = islice(of_bits, 0, None, 10)  # nine of each byte: the bits take turns
    return chain(truncations(content), of_bits)


def main(experiment: Path) -> None:
    """Try all damage to a copy of an experiment that was trained; print how it came out."""
    print("$ python tests/damage/damaged.py EXPERIMENT > tests/damage/damaged.txt")
    print(f"PyTorch {torch.__version__}, Python {platform.python_version()}")
    print("Each damaged version of a file was told of in a sentence (told), read as what had been")
    print(
        "written (same), or, of a text, as another text (other). None: a traceback, other numbers."
    )
    print(f"\n{'file':20}{'versions':>9}{'told':>9}{'same':>9}{'other':>9}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        directory = shutil.copytree(experiment, Path(folder) / "experiment")
        complete(directory)
        for name, kind in FORMATS.items():
            outcomes = sweep(kind, directory, all_damage(directory / kind.file))
            columns = (outcomes.total(), *(outcomes[each] for each in ("told", "same", "other")))
            print(f"{name:20}" + "".join(f"{each:9,}" for each in columns), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
