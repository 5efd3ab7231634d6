"""The sections softmax and growth: what a run costs as something grows, ours alone or beside plain.

Texts and models are random, so the arithmetic of every run is known: a row says how much of it
there was a second, which must not fall as things grow.
"""

import math
import shutil
from functools import partial
from pathlib import Path

from bench import synthetic
from bench.arithmetic import distinct_prefixes, lstm_word, rescoring, target_word, training
from bench.corpora import S2S, read_lists, write, write_lists
from bench.measuring import Bench, Entry, measured
from bench.models import GIGA, net_seconds
from bench.settings import Shape
from bench.texts import prepared
from bench.tools.ours import Ours, Plain
from bench.tools.tool import Values

SOFTMAX_WORDS = 10, 9  # of a source and of a target
SOFTMAX_UPDATES = 4
BEAM, LENGTH = 5, 10
PAIRS_AN_UPDATE = 32


def softmax(bench: Bench) -> None:
    """Seconds an update as the tables grow: a small LSTM under wide embeddings."""
    tables = bench.sizes.tables
    for rows in tables:
        case = f"{rows[0]} + {rows[1]} rows, {rows[2]} pairs"
        tools: list[Ours | Plain] = [bench.ours]
        if rows in (tables[0], tables[-1]):
            tools.append(bench.plain)
        entries = [bench.entry(tool, partial(softmax_once, bench, tool, rows)) for tool in tools]
        bench.rounds("softmax", case, entries)


def softmax_once(
    bench: Bench, tool: Ours | Plain, rows: tuple[int, int, int], round: int
) -> Values:
    *tables, pairs = rows
    cells = bench.sizes.cells
    shape = Shape(1, cells, 4 * cells)
    sentences = 2 * SOFTMAX_UPDATES * pairs
    data = synthetic.corpus(bench.corpora, (tables[0], tables[1]), SOFTMAX_WORDS, sentences)
    values, timing = tool.train_on(data, shape, SOFTMAX_UPDATES, round, pairs)
    seconds = pairs * sum(SOFTMAX_WORDS) / float(values["words_per_second"])
    source, target = (pairs * length for length in SOFTMAX_WORDS)
    operations = training(shape, tables[1], pairs, source, target)
    return measured(
        timing,
        seconds_per_update=seconds,
        words_per_update=float(source + target),
        gflops=operations / seconds / GIGA,
    )


def growth(bench: Bench) -> None:
    """Each thing grows by itself; see `Sizes`."""
    sizes, shape = bench.sizes, bench.sizes.shapes["small"]
    rows = sizes.growth_words[0]
    for length in sizes.growth_lengths:
        measure = partial(training_once, bench, shape, rows, length)
        alone(bench, f"training, {length} words a sentence", measure)
    for beam in sizes.growth_beams:
        measure = partial(search_once, bench, shape, rows, LENGTH, beam)
        alone(bench, f"decoding, beam {beam}", measure)
    for length in sizes.growth_lengths:
        measure = partial(search_once, bench, shape, rows, length, BEAM)
        alone(bench, f"decoding, {length} words a sentence", measure)
    for words in sizes.growth_words:
        measure = partial(search_once, bench, shape, words, LENGTH, BEAM)
        alone(bench, f"decoding, {words} words in the vocabulary", measure)
    for size in sizes.growth_lists:
        alone(bench, f"rescoring, {size} hypotheses a list", partial(lists_once, bench, size))
    for pairs in (sizes.growth_pairs, 10 * sizes.growth_pairs):
        alone(bench, f"prep, {pairs} pairs", partial(prep_once, bench, pairs))
        alone(bench, f"vocab, {pairs} pairs", partial(vocab_once, bench, pairs))


def alone(bench: Bench, case: str, measure: "partial[Values]") -> None:
    bench.rounds("growth", case, [Entry(bench.ours.name, measure, bench.ours.version(), ours=True)])


def training_once(bench: Bench, shape: Shape, rows: int, length: int, round: int) -> Values:
    updates = 4
    sentences = 2 * updates * PAIRS_AN_UPDATE
    data = synthetic.corpus(bench.corpora, (rows, rows), (length, length - 1), sentences)
    values, timing = bench.ours.train_on(data, shape, updates, round, PAIRS_AN_UPDATE)
    a_pair = training(shape, rows, 1, length, length - 1)
    speed = float(values["words_per_second"])
    return measured(timing, gflops=speed / (2 * length - 1) * a_pair / GIGA)


def search_once(
    bench: Bench, shape: Shape, rows: int, length: int, beam: int, round: int
) -> Values:
    """As many sentences as make about the same arithmetic, none of which ends by itself."""
    output = 2 * length
    hypotheses = 1 + beam * (output - 1)
    a_sentence = length * lstm_word(shape) + hypotheses * target_word(shape, rows)
    count = math.ceil(bench.sizes.growth_operations / a_sentence)
    text = bench.ours.folder / "words.en"
    text.parent.mkdir(parents=True, exist_ok=True)
    write(text, synthetic.words(rows - 2, count, length, seed=1))
    empty = text.with_name("empty.en")
    write(empty, [])
    model = synthetic.model(bench.corpora, shape, (rows, rows))
    options = ["--model", model, "--max-length", str(output)]
    found = bench.ours.folder / "found"
    start = bench.start_up(lambda: bench.ours.translate_with(options, empty, found, beam))
    timing = bench.ours.translate_with(options, text, found, beam)
    seconds = net_seconds(start, timing)
    return measured(
        timing,
        gflops=count * a_sentence / seconds / GIGA,
        sentences_per_second=count / seconds,
        start_seconds=start.seconds,
    )


def lists_once(bench: Bench, size: int, round: int) -> Values:
    """The same number of hypotheses in fewer and longer lists."""
    segments = max(1, bench.sizes.growth_hypotheses // size)
    folder = bench.corpora.folder / f"lists-of-{size}"
    if not (folder / "nbest.txt").exists():
        folder.mkdir(exist_ok=True)
        write_lists(folder, *bench.corpora.synthetic_lists(segments, size))
    sources, lists = read_lists(folder)
    empty = folder / "one"
    empty.mkdir(exist_ok=True)
    write_lists(empty, sources[:1], [lists[0][:1]])
    bench.ours.prepare_decoding()
    start = bench.start_up(lambda: bench.ours.rescore(empty, bench.ours.folder / "one"))
    timing = bench.ours.rescore(folder, bench.ours.folder / "found")
    seconds = net_seconds(start, timing)
    prefixes = sum(distinct_prefixes(line.split(" ") for line in each) for each in lists)
    read = sum(len(line.split(" ")) for line in sources)
    shape, vocabulary = bench.sizes.shapes["small"], bench.corpora.vocabulary
    return measured(
        timing,
        gflops=rescoring(shape, vocabulary, read, prefixes) / seconds / GIGA,
        hypotheses_per_second=sum(map(len, lists)) / seconds,
        prefixes=float(prefixes),
        start_seconds=start.seconds,
    )


def prep_once(bench: Bench, pairs: int, round: int) -> Values:
    """With as many processes as there are threads."""
    workers, output = str(bench.settings.threads), bench.ours.folder / "prepared"
    shutil.rmtree(output, ignore_errors=True)
    raw = bench.corpora.laws_head(pairs)
    timing = bench.ours.run(
        [S2S, "prep", "--corpus", raw, "--output", output, "--workers", workers]
    )
    return measured(timing, pairs_per_second=pairs / timing.seconds)


def vocab_once(bench: Bench, pairs: int, round: int) -> Values:
    data: Path = prepared(bench, pairs)
    timing = bench.ours.run([S2S, "vocab", "--data", data])
    return measured(timing, pairs_per_second=pairs / timing.seconds)
