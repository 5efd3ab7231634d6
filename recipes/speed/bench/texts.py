"""The sections prep, vocab and start: what has no model, or only begins to use one."""

import shutil
import sys
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bench import synthetic
from bench.corpora import LANGUAGES, S2S, lines_of, write
from bench.measuring import Bench, Entry, measured
from bench.models import net_seconds
from bench.settings import HOME, Shape
from bench.timing import Command, Timing
from bench.tools.tool import Tool, Values

SACREMOSES = Path(sys.executable).with_name("sacremoses")
ONE_BEAM = 12  # as s2s decode has it by default


def prep(bench: Bench) -> None:
    """Lines a second, both languages: s2s prep beside sacremoses on the same text."""
    pairs = bench.sizes.prep_pairs
    ours, theirs = version("s2s-cli"), version("sacremoses")
    entries = []
    for workers in (1, 2):
        name = f"s2s prep, {processes(workers)}"
        measure = partial(prep_once, bench, pairs, workers)
        entries.append(Entry(name, measure, ours, ours=True))
    for workers in (1, 2):
        name = f"sacremoses command, {processes(workers)}"
        entries.append(Entry(name, partial(sacremoses_once, bench, pairs, workers), theirs))
    entries.append(Entry("sacremoses API", partial(sacremoses_once, bench, pairs, 0), theirs))
    bench.rounds("prep", f"{pairs} pairs", entries)


def processes(count: int) -> str:
    return f"{count} process" + "es" * (count > 1)


def prep_once(bench: Bench, pairs: int, workers: int, round: int) -> Values:
    raw, output = bench.corpora.laws_head(pairs), bench.ours.folder / "prepared"
    shutil.rmtree(output, ignore_errors=True)
    command = [S2S, "prep", "--corpus", raw, "--output", output, "--workers", str(workers)]
    return line_speed(bench, [bench.ours.run(command)], pairs)


def sacremoses_once(bench: Bench, pairs: int, workers: int, round: int) -> Values:
    """One language after the other; without workers, through its API."""
    raw, folder = bench.corpora.laws_head(pairs), bench.ours.folder
    timings = []
    for language in LANGUAGES:
        command: Command = [sys.executable, HOME / "peers/sacremoses_api.py", language]
        if workers:
            command = [SACREMOSES, "-q", "-j", str(workers), "-l", language, "tokenize"]
        text = raw / f"train.{language}"
        timings.append(bench.ours.run(command, stdin=text, stdout=folder / "tokenised"))
    return line_speed(bench, timings, pairs)


def line_speed(bench: Bench, timings: list[Timing], pairs: int) -> Values:
    whole = Timing(
        seconds=sum(each.seconds for each in timings),
        cpu_seconds=sum(each.cpu_seconds for each in timings),
        memory_mib=max(each.memory_mib for each in timings),
    )
    speed = len(LANGUAGES) * pairs / whole.seconds
    return measured(whole, lines_per_second=speed)


def vocab(bench: Bench) -> None:
    """Words a second of counting and numericalising, start-up left out."""
    pairs = bench.sizes.prep_pairs
    entries = [
        bench.entry(bench.ours, partial(vocab_once, bench, pairs)),
        bench.entry(bench.fairseq, partial(fairseq_once, bench, pairs)),
    ]
    bench.rounds("vocab", f"{pairs} pairs", entries)


def prepared(bench: Bench, pairs: int) -> Path:
    """What prep makes of the head of the laws, made once."""
    folder = bench.corpora.folder / f"prepared-{pairs}"
    if not folder.exists():
        temporary = folder.with_suffix(".tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        bench.corpora.s2s("prep", "--corpus", bench.corpora.laws_head(pairs), "--output", temporary)
        temporary.rename(folder)
    return folder


def vocab_once(bench: Bench, pairs: int, round: int) -> Values:
    commands = [[S2S, "vocab", "--data", prepared(bench, size)] for size in (2, pairs)]
    start = bench.start_up(lambda: bench.ours.run(commands[0]))
    return word_speed(start, bench.ours.run(commands[1]), bench, pairs)


def fairseq_once(bench: Bench, pairs: int, round: int) -> Values:
    """Its dictionaries and binary text of the same words."""
    texts = [prepared(bench, size) / "train" for size in (2, pairs)]
    start = bench.start_up(lambda: bench.fairseq.preprocess(texts[0]))
    return word_speed(start, bench.fairseq.preprocess(texts[1]), bench, pairs)


def word_speed(start: Timing, whole: Timing, bench: Bench, pairs: int) -> Values:
    """From a run over two pairs and one over all."""
    folder = prepared(bench, pairs)
    words = sum(
        line.count(" ") + 1
        for language in LANGUAGES
        for line in lines_of(folder / f"train.{language}")
    )
    cpu = max(whole.cpu_seconds - start.cpu_seconds, 1e-3)
    return measured(
        whole,
        words_per_second=words / net_seconds(start, whole),
        words_per_cpu_second=words / cpu,
        start_seconds=start.seconds,
    )


def start(bench: Bench) -> None:
    """Seconds from a command to its end: one sentence through a new process, and help."""
    tools = [tool for tool in bench.tools if tool is not bench.bf16]
    importing = [sys.executable, "-c", "import torch"]
    entries = [Entry("import torch", partial(seconds_of, bench.plain, importing), version("torch"))]
    entries += [bench.entry(each, partial(one_sentence, bench, each)) for each in tools]
    bench.rounds("start", "one sentence", entries)
    paper = [
        bench.entry(bench.ours, partial(one_sentence_of_paper, bench)),
    ]
    bench.rounds("start", "one sentence, the paper's model", paper)
    shutil.rmtree(synthetic.model_folder(bench.corpora, *paper_model(bench)), ignore_errors=True)
    entries = [
        replace(bench.entry(tool, partial(seconds_of, tool, command)), name=name)
        for tool in tools
        for name, command in tool.helps().items()
    ]
    bench.rounds("start", "help", entries)


def seconds_of(tool: Tool, command: Command, round: int) -> Values:
    return measured(tool.run(command))


def one_sentence(bench: Bench, tool: Tool, round: int) -> Values:
    tool.prepare_decoding()
    return measured(tool.translate(bench.corpora.text(1), tool.folder / "one", ONE_BEAM))


def paper_model(bench: Bench) -> tuple[Shape, tuple[int, int]]:
    return bench.sizes.shapes["paper"], bench.sizes.paper_words


def one_sentence_of_paper(bench: Bench, round: int) -> Values:
    """A model of the paper's size, random, that stops after ten words."""
    model = synthetic.model(bench.corpora, *paper_model(bench))
    text = bench.ours.folder / "words.en"
    text.parent.mkdir(parents=True, exist_ok=True)
    write(text, synthetic.words(10, 1, 10, seed=1))
    options = ["--model", model, "--max-length", "10"]
    output = bench.ours.folder / "one"
    return measured(bench.ours.translate_with(options, text, output, ONE_BEAM))
