"""Lists of whole texts, made by several processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from s2s_cli.console import say
from s2s_cli.files import replacing
from s2s_cli.parallel import worker_processes
from smt import language_model
from smt.features import nbest_line
from smt.nbest import TRIES, Translation, nbest
from smt.search import Decoder, Limits
from smt.table_file import TranslationTable

SAY_EVERY = 200  # sentences


@dataclass(frozen=True)
class System:
    """Where a system's models are, and how it searches.

    Attributes:
        lm: file of the language model.
        phrases, reordering: files of the tables.
        limits: of the search.
        jobs: worker processes.
    """

    lm: Path
    phrases: Path
    reordering: Path
    limits: Limits
    jobs: int

    def decoder(self, weights: Sequence[float]) -> Decoder:
        """Load the models."""
        lm = language_model.LanguageModel(language_model.load(self.lm))
        return Decoder(lm, TranslationTable(self.phrases, self.reordering), weights, self.limits)


@dataclass
class Worker:
    """What a process keeps between sentences: the models, with the weights of the last one."""

    system: System
    decoder: Decoder

    def with_weights(self, weights: Sequence[float]) -> Decoder:
        """Return a decoder with these weights."""
        if list(weights) != self.decoder.weights:
            old = self.decoder
            self.decoder = Decoder(old.lm, old.maker.table, weights, self.system.limits)
        return self.decoder


def set_up(system: System, weights: Sequence[float], number: int) -> Worker:
    """Load the models into worker ``number``."""
    return Worker(system, system.decoder(weights))


@dataclass(frozen=True)
class Task:
    """A sentence to translate, with what weights, into how many hypotheses in how many steps."""

    sentence: list[str]
    weights: tuple[float, ...]
    most: int
    tries: int


def translate(worker: Worker, task: Task) -> list[Translation]:
    """Make the list of one sentence."""
    return nbest(worker.with_weights(task.weights), task.sentence, task.most, task.tries)


def each_list(
    system: System,
    weights: Sequence[float],
    sentences: Sequence[list[str]],
    most: int,
    tries: int = TRIES,
) -> Iterator[list[Translation]]:
    """Yield the n-best list of each sentence, in order; says how far it is."""
    tasks = (Task(each, tuple(weights), most, tries) for each in sentences)
    with worker_processes(system.jobs, partial(set_up, system, tuple(weights)), "JOBS") as workers:
        for number, found in enumerate(workers.in_order(translate, tasks), 1):
            if number % SAY_EVERY == 0:
                say(f"decoded {number:,} of {len(sentences):,} sentences")
            yield found


def write_lists(
    system: System,
    weights: Sequence[float],
    sentences: Sequence[list[str]],
    path: Path,
    most: int,
) -> int:
    """Write the n-best lists of sentences as ``path``; returns the number of hypotheses."""
    entries = 0
    with replacing(path) as out:
        for segment, found in enumerate(each_list(system, weights, sentences, most)):
            entries += len(found)
            out.write("".join(nbest_line(segment, *each) for each in found).encode())
    return entries
