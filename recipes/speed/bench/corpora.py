"""The texts, models and lists that are measured on; made once, in work/."""

import gzip
import itertools
import json
import random
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.settings import HOME, Settings, Shape
from bench.timing import Command, run

S2S = Path(sys.executable).with_name("s2s")
PLAIN = HOME / "peers/plain.py"
LANGUAGES = ("en", "fr")


class Corpora:
    """Paths of what is measured on; each property makes its own where it is missing."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.sizes = settings, settings.sizes
        self.folder = settings.work / "corpora"

    def make(self, command: Command, cwd: Path | None = None) -> None:
        print("making:", " ".join(map(str, command)), file=sys.stderr)
        run(command, environment=self.settings.environment(), cwd=cwd)

    def s2s(self, *arguments: object) -> None:
        self.make([S2S, *arguments])

    @property
    def fetched(self) -> Path:
        """Multi30k's {train,valid,test}.{en,fr} as it is published."""
        folder = self.folder / "fetched"
        if not (folder / "test.fr").exists():
            self.make([sys.executable, HOME.parent / "multi30k_en_fr/fetch.py", folder])
        return folder

    @property
    def raw(self) -> Path:
        """Its train and test, or their heads."""
        folder = self.folder / "raw"
        if not (folder / "test.fr").exists():
            write_heads(self.fetched, folder, train=self.sizes.pairs, test=self.sizes.lines)
        return folder

    @property
    def data(self) -> Path:
        """What prep and vocab make of it: text in words, vocabularies, ids."""
        return self.numbered(self.raw, self.folder / "data")

    @property
    def validated(self) -> Path:
        """The same training text with a validation text, whose time `data` must not cost."""
        raw = self.folder / "validated-raw"
        if not (raw / "valid.fr").exists():
            write_heads(self.fetched, raw, train=self.sizes.pairs, valid=self.sizes.lines)
        return self.numbered(raw, self.folder / "validated")

    def numbered(self, raw: Path, folder: Path) -> Path:
        """A data directory, ready for training, of the corpus ``raw``; made once."""
        if not (folder / "corpus.json").exists():
            self.s2s("prep", "--corpus", raw, "--output", folder, "--reverse-source")
            size = str(self.sizes.words + 2)
            self.s2s("vocab", "--data", folder, "--source-size", size, "--target-size", size)
        return folder

    @property
    def vocabulary(self) -> int:
        """Rows of the target tables."""
        return 2 + sum(1 for _ in lines_of(self.data / "vocab.fr"))

    def counts(self) -> tuple[int, int, int]:
        """Pairs, source words and target words of the training text."""
        split = json.loads((self.data / "corpus.json").read_bytes())["splits"]["train"]
        return split["pairs"], split["words"]["en"], split["words"]["fr"]

    @property
    def plain_weights(self) -> Path:
        """The weights with which all decode: the plain reference, trained a little."""
        path = self.folder / "plain.pt"
        if not path.exists():
            settings = ["--batch", "64", "--optimiser", "adam", "--rate", "0.0015"]
            temporary = path.with_suffix(".tmp")
            self.make(
                [
                    *(sys.executable, PLAIN, "train", "--data", self.data, "--model", temporary),
                    *shape_options(self.sizes.shapes["small"]),
                    *("--updates", str(self.sizes.weights), *settings),
                ]
            )
            temporary.rename(path)
        return path

    @property
    def model(self) -> Path:
        """The same weights as a model directory."""
        folder = self.folder / "model"
        if not (folder / "best.pt").exists():
            self.make([sys.executable, HOME / "convert.py", self.plain_weights, self.data, folder])
        return folder

    def five_models(self) -> list[Path]:
        """Five directories with these weights, an ensemble by its work alone."""
        folders = [self.folder / f"model-{number}" for number in range(1, 6)]
        for each in folders:
            if not each.exists():
                shutil.copytree(self.model, each)
        return folders

    def text(self, lines: int = 0) -> Path:
        """The test text in words, or its head."""
        path = self.folder / f"test.{lines}.en"
        if not path.exists():
            write(path, head(lines_of(self.data / "test.en"), lines))
        return path

    @property
    def laws(self) -> Path:
        """A directory with much raw text, train.{en,fr}: of Canada's laws, or of Multi30k."""
        folder = self.folder / "laws"
        if not (folder / "train.fr").exists():
            data = self.settings.data
            source = data / "canada_laws" if data else None
            if source is None or not source.exists():
                source = self.raw
            most = self.sizes.growth_pairs * 11 if self.settings.quick else 0
            write_heads(source, folder, train=most)
        return folder

    def laws_head(self, pairs: int) -> Path:
        """A directory with the first pairs of `laws`."""
        folder = self.folder / f"laws-{pairs}"
        if not (folder / "train.fr").exists():
            write_heads(self.laws, folder, train=pairs)
        return folder

    @property
    def lists(self) -> Path:
        """A folder with nbest.txt, its source in words test.en, and one hypothesis a line.

        Lists of a phrase-based system where S2S_DATA has them, segments spread evenly over the
        test text; synthetic ones otherwise.
        """
        folder = self.folder / "lists"
        if not (folder / "nbest.txt").exists():
            folder.mkdir(exist_ok=True)
            sources, lists = self.real_lists() or self.synthetic_lists(
                self.sizes.segments, self.sizes.hypotheses
            )
            write_lists(folder, sources, lists)
        return folder

    def real_lists(self) -> tuple[list[str], list[list[str]]] | None:
        data = self.settings.data
        if data is None or not (data / "smt/test_2016_flickr.nbest.gz").exists():
            return None
        sources = list(lines_of(data / "smt/test_2016_flickr.tok.en"))
        step = len(sources) // self.sizes.segments
        wanted = [step * number for number in range(self.sizes.segments)]
        entries = lines_of(data / "smt/test_2016_flickr.nbest.gz")
        lists: dict[int, list[str]] = {index: [] for index in wanted}
        for index, group in itertools.groupby(entries, lambda line: int(line.split(" ")[0])):
            if index in lists:
                some = itertools.islice(group, self.sizes.hypotheses)
                lists[index] = [line.split(" ||| ")[1].strip() for line in some]
            if index >= wanted[-1]:
                break
        return [sources[index] for index in wanted], list(lists.values())

    def synthetic_lists(self, segments: int, size: int) -> tuple[list[str], list[list[str]]]:
        """Sentences of the test text, and hypotheses that differ in two words of the reference."""
        random.seed(1)
        some = head(lines_of(self.data / "test.en"), segments)
        references = head(lines_of(self.data / "test.fr"), segments)
        words = [line.split("\t")[0] for line in lines_of(self.data / "vocab.fr")]
        lists = []
        for line in references:
            hypotheses = [line.split(" ") for _ in range(size)]
            for each in hypotheses:
                for _ in range(2):
                    each[random.randrange(len(each))] = random.choice(words)
            lists.append([" ".join(each) for each in hypotheses])
        return list(some), lists


def shape_options(shape: Shape) -> list[str]:
    """The shape as plain.py is told it."""
    return [
        *("--layers", str(shape.layers), "--cells", str(shape.cells)),
        *("--embedding", str(shape.embedding), "--directions", str(shape.directions)),
        *["--attention"] * shape.attention,
    ]


def lines_of(path: Path) -> Iterator[str]:
    """Lines of a text, compressed or not, that end at a line feed alone."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        for line in stream:
            yield line.decode().rstrip("\n")


def head(lines: Iterable[str], count: int) -> Iterator[str]:
    """The first ``count`` lines; 0: all."""
    return itertools.islice(lines, count or None)


def write_heads(corpus: Path, folder: Path, **pairs: int) -> None:
    """The first pairs of each split of ``corpus``, compressed or not, as a corpus; 0: all.

    The last file comes last: once it is there, all are.
    """
    folder.mkdir(exist_ok=True)
    for split, count in pairs.items():
        for language in LANGUAGES:
            name = f"{split}.{language}"
            write(folder / name, head(lines_of(next(corpus.glob(f"{name}*"))), count))


def write(path: Path, lines: Iterable[str]) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as stream:
        stream.writelines(line.encode() + b"\n" for line in lines)
    temporary.rename(path)


def write_lists(folder: Path, sources: Sequence[str], lists: Sequence[Sequence[str]]) -> None:
    """An n-best list in the layout of Moses, and the text it belongs to."""
    write(folder / "test.en", sources)
    entries = (
        f"{index} ||| {hypothesis} ||| LM0= -1 ||| {-place}"
        for index, hypotheses in enumerate(lists)
        for place, hypothesis in enumerate(hypotheses, 1)
    )
    write(folder / "nbest.txt", entries)


def read_lists(folder: Path) -> tuple[list[str], list[list[str]]]:
    """What `write_lists` wrote."""
    sources = list(lines_of(folder / "test.en"))
    lists: list[list[str]] = [[] for _ in sources]
    for line in lines_of(folder / "nbest.txt"):
        index, hypothesis = line.split(" ||| ")[:2]
        lists[int(index)].append(hypothesis)
    return sources, lists
