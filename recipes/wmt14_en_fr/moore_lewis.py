"""Select the pairs of a large corpus that are most like an in-domain one.

Moore and Lewis (2010): a sentence is the better, the lower its cross-entropy under a language
model of in-domain text is, compared with that under a model of general text. As Axelrod, He and
Gao (2011) do for parallel text, the differences of both languages are added.

The models are bigrams with Witten-Bell smoothing over the most frequent in-domain words. The
in-domain model sees the in-domain text, the general one as many pairs, drawn evenly from the
general corpora. Text streams: memory holds the models and the sample, never a corpus.
"""

import argparse
import gzip
import json
import math
import random
import re
import sys
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice, pairwise
from pathlib import Path

SIDES = ("en", "fr")
WORD = re.compile(r"\w+|[^\w\s]")
EDGE, UNKNOWN = 0, 1  # ids of both ends of a sentence and of words outside the vocabulary
CACHED = 1_000_000
PIECE = 100_000
LONGEST, RATIO = 100, 9  # pairs that `s2s prep` would drop are not selected
UNUSABLE = math.inf
Pair = tuple[bytes, bytes]


def words_of(line: bytes) -> list[str]:
    return WORD.findall(line.decode("utf-8", "replace").lower())


class BigramModel:
    """Bigrams of sentences as ids, smoothed: P(w|v) = (c(vw) + T(v) P(w)) / (c(v) + T(v))."""

    def __init__(self, sentences: Iterable[list[int]], size: int) -> None:
        """Make a model of ``size`` ids."""
        self.size = size
        self.pairs: Counter[int] = Counter()
        for ids in sentences:
            self.pairs.update(v * size + w for v, w in pairwise([EDGE, *ids, EDGE]))
        self.before: Counter[int] = Counter()  # c(v)
        self.kinds: Counter[int] = Counter()  # T(v), the number of different words after v
        self.after: Counter[int] = Counter()
        for pair, count in self.pairs.items():
            v, w = divmod(pair, size)
            self.before[v] += count
            self.kinds[v] += 1
            self.after[w] += count
        self.total = sum(self.after.values())

    def log_probability(self, v: int, w: int) -> float:
        """Natural logarithm of P(w|v); never of zero, as unigrams have one count more."""
        single = (self.after[w] + 1) / (self.total + self.size)
        kinds = self.kinds[v]
        if not kinds:
            return math.log(single)
        together = self.pairs[v * self.size + w] + kinds * single
        return math.log(together / (self.before[v] + kinds))


class CrossEntropyDifference:
    """Cross-entropy difference in one language; lower is more in-domain."""

    def __init__(self, inside: list[bytes], general: list[bytes], most: int) -> None:
        counts = Counter(word for line in inside for word in words_of(line))
        frequent = sorted(counts, key=lambda word: (-counts[word], word))[:most]
        self.ids = {word: i for i, word in enumerate(frequent, UNKNOWN + 1)}
        size = len(self.ids) + 2
        self.inside = BigramModel((self.numbered(words_of(line)) for line in inside), size)
        self.general = BigramModel((self.numbered(words_of(line)) for line in general), size)
        self.known: dict[int, float] = {}

    def numbered(self, words: list[str]) -> list[int]:
        return [self.ids.get(word, UNKNOWN) for word in words]

    def __call__(self, words: list[str]) -> float:
        """H_in - H_general in nats a word, the end of the sentence counted."""
        if len(self.known) > CACHED:
            self.known.clear()
        ids, size, known = self.numbered(words), self.inside.size, self.known
        total, v = 0.0, EDGE
        for w in (*ids, EDGE):
            found = known.get(v * size + w)
            if found is None:
                found = self.general.log_probability(v, w) - self.inside.log_probability(v, w)
                known[v * size + w] = found
            total += found
            v = w
        return total / (len(ids) + 1)


def read_pairs(prefix: str) -> Iterator[Pair]:
    with ExitStack() as stack:
        sides = [stack.enter_context(gzip.open(f"{prefix}.{side}.gz")) for side in SIDES]
        try:
            yield from zip(*sides, strict=True)
        except (OSError, EOFError, ValueError, zlib.error) as error:
            message = f"{prefix}.{{en,fr}}.gz are damaged or of unequal length ({error})"
            raise ValueError(message) from error


def sample_pairs(pairs: Iterable[Pair], size: int, seed: int) -> list[Pair]:
    """Draw ``size`` of the pairs, each as likely as another (reservoir sampling)."""
    draw, kept = random.Random(seed), []
    for number, pair in enumerate(pairs):
        if number < size:
            kept.append(pair)
        elif (place := draw.randrange(number + 1)) < size:
            kept[place] = pair
    return kept


def is_usable(english: list[str], french: list[str]) -> bool:
    shorter, longer = sorted((len(english), len(french)))
    return 0 < longer <= LONGEST and longer <= RATIO * shorter


def score_pair(differences: list[CrossEntropyDifference], pair: Pair) -> float:
    english, french = words_of(pair[0]), words_of(pair[1])
    if not is_usable(english, french):
        return UNUSABLE
    return differences[0](english) + differences[1](french)


def write_scores(
    pairs: Iterator[Pair], differences: list[CrossEntropyDifference], path: Path
) -> None:
    """Write one float32 a pair; those that an earlier run wrote are skipped."""
    part = path.with_name(f"{path.name}.part")
    done = part.stat().st_size // 4 if part.exists() else 0
    with part.open("ab") as out:
        out.truncate(4 * done)
        next(islice(pairs, done, done), None)
        while piece := list(islice(pairs, PIECE)):
            array("f", (score_pair(differences, pair) for pair in piece)).tofile(out)
            out.flush()
            done += len(piece)
            print(f"{done:,} pairs scored", file=sys.stderr, flush=True)
    part.rename(path)


def score_keys(path: Path) -> Iterator[int]:
    """Read the scores as integers in the same order (the bits of a float32, turned)."""
    with path.open("rb") as scores:
        while block := scores.read(4 * PIECE):
            for bits in array("I", block):
                yield bits ^ 0xFFFFFFFF if bits >> 31 else bits | 0x80000000


def find_cut(path: Path, keep: int) -> tuple[int, int]:
    """Find the key of the ``keep``-th best score, and count the pairs of that key among the best.

    Two passes over the file, by the upper and the lower half of the key: no sorting.
    """
    worst = 0x80000000 | 0x7F800000  # of UNUSABLE
    keep = min(keep, sum(key < worst for key in score_keys(path)))
    if not keep:
        return 0, 0
    upper, rest = nth_smallest(Counter(key >> 16 for key in score_keys(path)), keep)
    lower, rest = nth_smallest(
        Counter(key & 0xFFFF for key in score_keys(path) if key >> 16 == upper), rest
    )
    return upper << 16 | lower, rest


def nth_smallest(counts: Counter[int], number: int) -> tuple[int, int]:
    """Find the bin of the ``number``-th smallest (from 1), and its number within the bin."""
    for value in sorted(counts):
        if number <= counts[value]:
            return value, number
        number -= counts[value]
    raise ValueError("fewer values than that")


def write_best(given: argparse.Namespace, scores: Path, general: int) -> dict[str, object]:
    """Write the usable in-domain pairs and the ``general`` best others; count what was kept."""
    limit, ties = find_cut(scores, general)
    kept: Counter[str] = Counter()
    ordered = score_keys(scores)
    paths = [Path(f"{given.output}.{side}.gz") for side in SIDES]
    temporary = [path.with_name(f".{path.name}.tmp") for path in paths]
    with ExitStack() as stack:
        outputs = [stack.enter_context(gzip.open(path, "wb", 1)) for path in temporary]
        for prefix in (given.in_domain, *given.general):
            for pair in read_pairs(prefix):
                if prefix == given.in_domain:
                    take = is_usable(words_of(pair[0]), words_of(pair[1]))
                else:
                    key = next(ordered)
                    take = key < limit or (key == limit and ties > 0)
                    ties -= key == limit
                if take:
                    kept[prefix] += 1
                    for output, line in zip(outputs, pair, strict=True):
                        output.write(line.rstrip(b"\n") + b"\n")
    for path, whole in zip(temporary, paths, strict=True):
        path.replace(whole)
    names = (given.in_domain, *given.general)
    return {"pairs": kept.total(), "from": {Path(name).name: kept[name] for name in names}}


def main() -> None:
    parser = argparse.ArgumentParser(description="Select pairs like those of an in-domain corpus.")
    parser.add_argument("--in-domain", required=True, help="PREFIX of PREFIX.{en,fr}.gz")
    parser.add_argument("--general", required=True, nargs="+", help="PREFIX of each other corpus")
    parser.add_argument("--keep", type=int, required=True, help="pairs in all, in-domain included")
    parser.add_argument("--output", required=True, help="PREFIX to write")
    parser.add_argument("--sample", type=int, default=200_000, help="pairs for a model")
    parser.add_argument("--vocabulary", type=int, default=50_000, help="words of a language")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    Path(given.output).parent.mkdir(parents=True, exist_ok=True)
    scores = Path(f"{given.output}.scores")
    everything = (pair for prefix in given.general for pair in read_pairs(prefix))
    try:
        inside = sample_pairs(read_pairs(given.in_domain), given.sample, given.seed)
        if not scores.exists():
            general = sample_pairs(everything, len(inside), given.seed)
            differences = [
                CrossEntropyDifference(
                    [p[i] for p in inside], [p[i] for p in general], given.vocabulary
                )
                for i in range(len(SIDES))
            ]
            everything = (pair for prefix in given.general for pair in read_pairs(prefix))
            write_scores(everything, differences, scores)
        within = sum(
            is_usable(words_of(en), words_of(fr)) for en, fr in read_pairs(given.in_domain)
        )
        report = write_best(given, scores, max(0, given.keep - within))
    except (OSError, EOFError, ValueError) as error:
        sys.exit(f"moore_lewis.py: {error}")
    path = Path(f"{given.output}.json")
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report), file=sys.stderr)


if __name__ == "__main__":
    main()
