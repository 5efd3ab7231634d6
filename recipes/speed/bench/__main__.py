"""Measure sections, then write RESULTS.md and results.tsv. usage: python3 -m bench --help"""

import argparse
import fcntl
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import curve, growth, models, plan, texts
from bench.measuring import Bench
from bench.page import page
from bench.settings import Settings
from bench.timing import Failed

SECTIONS = {
    "train": models.train,
    "curve": curve.curve,
    "decode": models.decode,
    "rescore": models.rescore,
    "prep": texts.prep,
    "vocab": texts.vocab,
    "start": texts.start,
    "softmax": growth.softmax,
    "growth": growth.growth,
    plan.SECTION: plan.plan,
}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="run.sh",
        description="Measure the speed of s2s beside the peers that are installed.",
        epilog="Variables: RUNS, THREADS, DEVICE, PEERS, S2S_DATA; README.md says what they mean.",
    )
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="SECTION[/CASE]",
        help=f"what to measure: {', '.join(SECTIONS)}; all, if none is named. Results name cases.",
    )
    parser.add_argument(
        "--again", action="store_true", help="forget what was measured for these before"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="everything once and tiny, into work/quick: it shows that all works, and no speed",
    )
    parser.add_argument("--results", action="store_true", help="only write the results")
    given = parser.parse_args()
    for each in given.sections:
        if each.partition("/")[0] not in SECTIONS:
            parser.error(f"no section {each!r}; there are {', '.join(SECTIONS)}")
    return given


def main() -> None:
    given = arguments()
    settings = Settings.read(given.quick)
    with alone(settings.work):
        measure(Bench(settings), given)


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Two runs at a time would slow each other down, and write over each other's records.

    Raises:
        SystemExit: another run is under way.
    """
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.exit(f"run.sh: another run is under way in {work}; wait for its end")
        yield


def measure(bench: Bench, given: argparse.Namespace) -> None:
    """The sections that were asked for; what was measured is written in any case."""
    try:
        for each in [] if given.results else given.sections or list(SECTIONS):
            section, _, case = each.partition("/")
            bench.wanted = case or None
            if given.again:
                bench.records.forget(section, bench.wanted)
            bench.visited.clear()
            SECTIONS[section](bench)
            cases = {name for of, name in bench.visited if of == section}
            if case and case not in cases:
                sys.exit(f"run.sh: section {section} has no case {case!r}")
            for stale in set(bench.records.cases(section)) - cases:
                bench.records.forget(section, stale)
    except Failed as error:
        sys.exit(f"run.sh: {error}")
    finally:
        write(bench)


def write(bench: Bench) -> None:
    """Both files, of all that was ever measured here."""
    folder, suffix = bench.settings.results, bench.settings.suffix
    bench.records.write(folder / f"results{suffix}.tsv")
    text = page(bench.records)
    (folder / f"RESULTS{suffix}.md").write_text(text, encoding="utf-8")
    print(re.sub(r"\A.*?(?=^## )", "", text, flags=re.DOTALL | re.MULTILINE), end="")


if __name__ == "__main__":
    main()
