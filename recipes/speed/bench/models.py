"""The sections train, decode and rescore: ours beside the peers, on Multi30k."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from sacrebleu import BLEU

from bench.arithmetic import decoding, distinct_prefixes, rescoring, training
from bench.corpora import head, lines_of, read_lists, write, write_lists
from bench.measuring import Bench, Entry, measured
from bench.timing import Failed, Timing
from bench.tools.joeynmt import JoeyNMT
from bench.tools.marian import Marian
from bench.tools.ours import Ours
from bench.tools.tool import Tool, Values

BEAMS = (1, 2, 12)
ENSEMBLE, ENSEMBLE_BEAM = 5, 12
GIGA = 1e9
# What decodes weights of its own: it has attention always.
OWN_WEIGHTS = (JoeyNMT, Marian)


def train(bench: Bench) -> None:
    """Words a second of both languages, updates alone, after a warm-up."""
    for name in bench.sizes.shapes:
        entries = [training_entry(bench, tool, name) for tool in bench.tools]
        bench.rounds("train", name, [bench.peak(), *entries])


def training_entry(bench: Bench, tool: Tool, name: str) -> Entry:
    entry = bench.entry(tool, partial(train_once, bench, tool, name))
    return replace(entry, missing=entry.missing or tool.lacks(bench.sizes.shapes[name]))


def train_once(bench: Bench, tool: Tool, name: str, round: int) -> Values:
    """The round is the seed, so that each trains on other batches."""
    shape, counts = bench.sizes.shapes[name], bench.corpora.counts()
    values, timing = tool.train(shape, bench.sizes.updates[name], round)
    a_word = training(shape, bench.corpora.vocabulary, *counts) / sum(counts[1:])
    speed = float(values["words_per_second"])
    return measured(timing, **values, gflops=speed * a_word / GIGA)


def decode(bench: Bench) -> None:
    """Sentences a second without loading, all with the same weights but JoeyNMT and Marian."""
    for each, threads in bench.by_threads():
        for beam in BEAMS:
            searches(each, f"beam {beam}{threads}", beam, 1, each.decoders)
    ensembles = [tool for tool in bench.decoders if tool is not bench.plain]
    ensembles = [tool for tool in ensembles if not isinstance(tool, OWN_WEIGHTS)]
    searches(
        bench, f"ensemble of {ENSEMBLE}, beam {ENSEMBLE_BEAM}", ENSEMBLE_BEAM, ENSEMBLE, ensembles
    )


def searches(bench: Bench, case: str, beam: int, models: int, tools: list[Tool]) -> None:
    entries = [
        bench.entry(tool, partial(decode_once, bench, tool, case, beam, models)) for tool in tools
    ]
    bench.rounds("decode", case, [bench.peak(), *entries])


def decode_once(bench: Bench, tool: Tool, case: str, beam: int, models: int, round: int) -> Values:
    """A run over the text, less one over its first line, which loads as much."""
    source = bench.corpora.text(bench.sizes.ensemble_lines if models > 1 else bench.sizes.lines)
    one = bench.corpora.text(1)
    output = output_of(tool, case)
    tool.prepare_decoding()
    start = bench.start_up(lambda: tool.translate(one, tool.folder / "one", beam, models))
    timing = tool.translate(source, output, beam, models)
    sources, outputs = words_in(source), words_in(output)
    if len(outputs) != len(sources):
        raise Failed(f"{len(outputs)} lines for {len(sources)}")
    seconds = net_seconds(start, timing)
    shape, vocabulary = bench.sizes.shapes["small"], bench.corpora.vocabulary
    operations = models * decoding(shape, vocabulary, sources, outputs, beam)
    values: Values = {
        "sentences_per_second": (len(sources) - 1) / seconds,
        "start_seconds": start.seconds,
        "output_words": float(sum(outputs)),
    }
    if not isinstance(tool, OWN_WEIGHTS):
        values["gflops"] = operations * (1 - 1 / len(sources)) / seconds / GIGA
        values["bleu"] = bleu(output, bench.corpora.data / "test.fr")
        values["same_percent"] = same_percent(output, output_of(bench.ours, case))
    return measured(timing, **values)


def net_seconds(start: Timing, timing: Timing) -> float:
    """What was not start-up; a work too small to measure took a millisecond."""
    return max(timing.seconds - start.seconds, 1e-3)


def output_of(tool: Tool, case: str) -> Path:
    return tool.folder / f"decoded.{case.replace(' ', '-')}"


def words_in(path: Path) -> list[int]:
    """Words of each line."""
    return [len(line.split(" ")) if line else 0 for line in lines_of(path)]


def bleu(output: Path, reference: Path) -> float:
    """BLEU on words, as far as there are translations."""
    lines = list(lines_of(output))
    references = list(head(lines_of(reference), len(lines)))
    score: float = BLEU(tokenize="none", force=True).corpus_score(lines, [references]).score
    return score


def same_percent(output: Path, other: Path) -> float:
    """Lines that are the same, whichever way the unknown word is written."""
    pairs = [
        (mine.replace("<unk>", "UNK"), yours.replace("<unk>", "UNK"))
        for mine, yours in zip(lines_of(output), lines_of(other), strict=True)
    ]
    return 100 * sum(mine == yours for mine, yours in pairs) / len(pairs)


def rescore(bench: Bench) -> None:
    """Hypotheses a second without loading; a peer scores a sample, pair by pair."""
    folder = bench.corpora.lists
    _, lists = read_lists(folder)
    case = f"{len(lists)} lists, {sum(map(len, lists))} hypotheses"
    for each, threads in bench.by_threads():
        entries = [each.entry(tool, partial(rescore_once, each, tool)) for tool in each.rescorers]
        entries += [each.entry(tool, partial(score_once, each, tool)) for tool in each.peers]
        each.rounds("rescore", case + threads, [each.peak(), *entries])


def rescore_once(bench: Bench, tool: Ours, round: int) -> Values:
    folder = bench.corpora.lists
    sources, lists = read_lists(folder)
    small = tool.folder / "one-list"
    small.mkdir(parents=True, exist_ok=True)
    write_lists(small, sources[:1], [lists[0][:1]])
    tool.prepare_decoding()
    start = bench.start_up(lambda: tool.rescore(small, tool.folder / "one"))
    output = tool.folder / "rescored"
    timing = tool.rescore(folder, output)
    seconds, count = net_seconds(start, timing), sum(map(len, lists))
    prefixes = sum(distinct_prefixes(line.split(" ") for line in each) for each in lists)
    read = sum(len(line.split(" ")) for line in sources)
    shape, vocabulary = bench.sizes.shapes["small"], bench.corpora.vocabulary
    values: Values = {
        "hypotheses_per_second": count / seconds,
        "start_seconds": start.seconds,
        "gflops": rescoring(shape, vocabulary, read, prefixes) / seconds / GIGA,
        "prefixes": float(prefixes),
    }
    if tool is not bench.ours:
        expected = added_scores(bench.ours.folder / "rescored")
        values["difference"] = mean_difference(added_scores(output), expected)
    return measured(timing, **values)


def added_scores(path: Path) -> list[float]:
    """The feature that was added to each entry of a list."""
    return [float(line.split(" ||| ")[2].split(" ")[-1]) for line in lines_of(path)]


def mean_difference(some: list[float], others: list[float]) -> float:
    """Mean distance of two log probabilities."""
    pairs = list(zip(some, others, strict=True))
    return sum(abs(a - b) for a, b in pairs) / len(pairs)


def score_once(bench: Bench, tool: Tool, round: int) -> Values:
    """Every so many-th hypothesis as a pair of its own: what each costs a peer is the same."""
    sources, lists = read_lists(bench.corpora.lists)
    pairs = [(source, line) for source, each in zip(sources, lists, strict=True) for line in each][
        :: bench.sizes.one_in
    ]
    tool.folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, some in (("one", pairs[:1]), ("all", pairs)):
        source, target = (tool.folder / f"pairs.{name}.{side}" for side in ("en", "fr"))
        write(source, (pair[0] for pair in some))
        write(target, (pair[1] for pair in some))
        files[name] = source, target
    tool.prepare_decoding()
    start = bench.start_up(lambda: tool.score(*files["one"], tool.folder / "one"))
    output = tool.folder / "scores"
    timing = tool.score(*files["all"], output)
    seconds = net_seconds(start, timing)
    values: Values = {
        "hypotheses_per_second": tool.scored_times * (len(pairs) - 1) / seconds,
        "start_seconds": start.seconds,
    }
    if tool is bench.plain:
        expected = added_scores(bench.ours.folder / "rescored")[:: bench.sizes.one_in]
        values["difference"] = mean_difference(list(map(float, lines_of(output))), expected)
    return measured(timing, **values)
