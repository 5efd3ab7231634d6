"""Rounds of runs: every program once, then every program again, so that a slow minute hits all."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

from results import output_of, processor

from bench.corpora import Corpora
from bench.records import FAILED, MISSING, Record, Records
from bench.settings import HOME, Settings
from bench.timing import Failed, OtherWork, Timing, run
from bench.tools.fairseq import Fairseq
from bench.tools.joeynmt import JoeyNMT
from bench.tools.marian import Marian
from bench.tools.opennmt import OpenNMT
from bench.tools.ours import Ours, OursInBf16, OursInInt8, Plain
from bench.tools.tool import Tool, Values

MACHINE = "this machine"
# Cores that other programs may take while one is measured.
MOST_OTHER_WORK = 0.1
Measure = Callable[[int], Values]


@dataclass(frozen=True)
class Entry:
    """One program in one case.

    Attributes:
        name: as the tables call it.
        measure: run number ``round``, and what it gave.
        version: of the program.
        missing: why it is not run.
        ours: it is ours, so that its failure is an error.
    """

    name: str
    measure: Measure
    version: str = ""
    missing: str | None = None
    ours: bool = False


class Bench:
    """What all sections share: settings, texts, programs, and the records."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.sizes = settings, settings.sizes
        self.corpora = Corpora(settings)
        self.records = Records(settings.work / f"records{settings.suffix}.tsv")
        self.commit, self.machine = commit(), f"{processor()}, {os.cpu_count()} cores"
        self.wanted: str | None = None
        self.visited: set[tuple[str, str]] = set()
        self.make_tools()
        self.refuse_others()

    def make_tools(self) -> None:
        """The programs, ours first."""
        given = (self.settings, self.corpora)
        self.ours, self.bf16, self.int8 = Ours(*given), OursInBf16(*given), OursInInt8(*given)
        self.plain, self.fairseq = Plain(*given), Fairseq(*given)
        others = OpenNMT(*given), self.fairseq, JoeyNMT(*given), Marian(*given)
        self.peers: list[Tool] = [self.plain, *others]
        self.tools: list[Tool] = [self.ours, self.bf16, *self.peers]
        # What decodes; training has no int8.
        inference = [self.int8] if OursInInt8.known else []
        self.decoders: list[Tool] = [self.ours, self.bf16, *inference, *self.peers]
        self.rescorers: list[Ours] = [self.ours, self.bf16, *inference]

    def by_threads(self) -> Iterator[tuple["Bench", str]]:
        """The same with THREADS threads, and with one; what the names of their cases end with."""
        yield self, ""
        if self.settings.threads > 1:
            single = copy(self)
            single.settings = replace(self.settings, threads=1)
            single.make_tools()
            yield single, ", 1 thread"

    def refuse_others(self) -> None:
        """Numbers of another machine, or of other threads, must not be mixed with these.

        Raises:
            SystemExit: there are some.
        """
        for machine in {each.machine for each in self.records.all} - {self.machine}:
            sys.exit(
                f"run.sh: {self.records.path} was measured on {machine}; set NAME to give this "
                "machine records and results of its own, or remove the file to begin anew"
            )
        threads = max((each.threads for each in self.records.all), default=self.settings.threads)
        if threads != self.settings.threads:
            sys.exit(
                f"run.sh: {self.records.path} was measured with THREADS={threads}; set that, or "
                "remove the file to begin anew"
            )

    def rounds(
        self, section: str, case: str, entries: Sequence[Entry], runs: int | None = None
    ) -> None:
        """Run each entry in turn, ``runs`` times or RUNS times; what is on record is not run."""
        self.visited.add((section, case))
        if self.wanted not in (None, case):
            return
        for entry in entries:
            self.records.forget_reasons(section, case, entry.name)
        for round in range(1, (runs or self.settings.rounds) + 1):
            for entry in entries:
                if entry.missing:
                    if round == 1:
                        self.keep(section, case, entry, 0, {MISSING: entry.missing})
                elif not self.records.has(section, case, entry.name, round):
                    self.attempt(section, case, entry, round)

    def attempt(self, section: str, case: str, entry: Entry, round: int) -> None:
        print(f"{section}, {case}, {entry.name}, round {round}", file=sys.stderr, flush=True)
        others = OtherWork()
        try:
            values = entry.measure(round)
            if not self.settings.quick and (cores := others.cores()) > MOST_OTHER_WORK:
                print(f"  beside other work, {cores:.2f} cores: not kept", file=sys.stderr)
                values = {FAILED: f"other work took {cores:.2f} cores"}
        except Failed as error:
            if entry.ours:
                raise
            print(f"  failed: {error}", file=sys.stderr)
            values = {FAILED: str(error)}
        self.keep(section, case, entry, round, values)

    def keep(self, section: str, case: str, entry: Entry, round: int, values: Values) -> None:
        record = Record(
            section,
            case,
            entry.name,
            round,
            measure="",
            value="",
            threads=self.settings.threads,
            device=self.settings.device,
            version=entry.version,
            commit=self.commit,
            date="",
            machine=self.machine,
        )
        self.records.add(record, values)

    def entry(self, tool: Tool, measure: Measure) -> Entry:
        missing = tool.missing()
        version = "" if missing else tool.version()
        return Entry(tool.name, measure, version, missing, ours=not tool.peer)

    def start_up(self, once: Callable[[], Timing]) -> Timing:
        """The faster of two runs over next to nothing, to be taken off a run over much."""
        times = [once() for _ in range(1 if self.settings.quick else 2)]
        return min(times, key=lambda timing: timing.seconds)

    def peak(self) -> Entry:
        """What the machine can do, measured in each round beside the others."""
        return Entry(MACHINE, lambda round: self.measured_peak(), ours=True)

    def measured_peak(self) -> Values:
        settings = self.settings
        given = [settings.threads, settings.device]
        environment = settings.environment() | {"PYTHONPATH": str(HOME)}
        timing = run([sys.executable, "-m", "bench.peak", *given], environment=environment)
        found: Values = json.loads(timing.talk[-1][1])
        return found


def measured(timing: Timing, **values: float | str) -> Values:
    """``values``, and what any run tells."""
    told = {"seconds": timing.seconds, "cpu_seconds": timing.cpu_seconds}
    return values | told | {"memory_mib": timing.memory_mib}


def commit() -> str:
    """The short commit, with a word where the code differs from it."""
    head = output_of("git", "rev-parse", "--short", "HEAD")
    others = [f":(top,exclude,glob)recipes/*/{name}" for name in ("RESULTS*.md", "results*.tsv")]
    return (
        f"{head} changed"
        if head and output_of("git", "status", "-s", "--", ":/", *others)
        else head
    )
