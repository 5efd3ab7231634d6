"""The section curve: what a model learns in bf16 beside fp32, which no speed would make up for.

Training depends on the seed too, so the distance of two seeds is what the distance of the two
precisions is to be held against.
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import combinations

from pages import format_table

from bench.measuring import Bench, measured
from bench.records import Records
from bench.tools.ours import Ours, OursInBf16
from bench.tools.tool import Values

SECTION = "curve"
NOTE = (
    "Perplexity on Multi30k's validation text, computed in fp32 for both, while the small model is"
    " trained for an epoch (README.md has the settings). A seed decides the initial weights and the"
    " order of batches."
)
# Those of the recipe multi30k_en_fr without dropout, which is of no use in so short a training.
SETTINGS = (
    *("--optimiser", "adam", "--learning-rate", "0.001", "--batch-size", "64"),
    *("--epochs", "1"),
)
MEASURE = "perplexity_at_"
TOOLS = {tool.precision: tool.name for tool in (Ours, OursInBf16)}
Curve = dict[int, float]  # perplexity by update


def curve(bench: Bench) -> None:
    """One training for each seed and precision, whatever RUNS says."""
    for seed in bench.sizes.seeds:
        entries = [
            bench.entry(tool, partial(train_once, bench, tool, seed))
            for tool in (bench.ours, bench.bf16)
        ]
        bench.rounds(SECTION, f"seed {seed}", entries, runs=1)


def train_once(bench: Bench, tool: Ours, seed: int, round: int) -> Values:
    shape, data = bench.sizes.shapes["small"], bench.corpora.validated
    options = [*SETTINGS, "--validate-every", bench.sizes.validate_every]
    told, timing = tool.told(data, shape, seed, options)
    found = {
        f"{MEASURE}{line['update']}": line["validation_perplexity"]
        for line in told
        if "validation_perplexity" in line
    }
    return measured(timing, **found)


def table(records: Records) -> str:
    """Perplexities, a row an update and a column a training; then how far trainings lie apart."""
    curves = read(records)
    rows = [["update", *curves]]
    for update in sorted({update for each in curves.values() for update in each}):
        found = [each.get(update) for each in curves.values()]
        rows.append([f"{update:,}", *(f"{value:,.2f}" if value else "" for value in found)])
    parts = [format_table(rows)]
    if distances := compared(curves, records.cases(SECTION)):
        parts += ["Mean of |ln a − ln b| over the updates, a and b the perplexities of:", distances]
    return "\n\n".join([*parts, "Runs: 1."])


def read(records: Records) -> dict[str, Curve]:
    """Each training that was made, by precision and seed."""
    curves: dict[str, Curve] = {}
    for precision, tool in TOOLS.items():
        for case in records.cases(SECTION):
            named = SECTION, case, tool
            measures = [each for each in records.measures(*named) if each.startswith(MEASURE)]
            if measures:
                curves[f"{precision} {case}"] = {
                    int(each.removeprefix(MEASURE)): records.values(*named, each)[0]
                    for each in measures
                }
    return curves


def compared(curves: dict[str, Curve], seeds: Sequence[str]) -> str:
    """The distance of both precisions for each seed, and of each two seeds in fp32."""
    pairs = [(f"fp32 {seed}", f"bf16 {seed}") for seed in seeds]
    pairs += [(f"fp32 {one}", f"fp32 {other}") for one, other in combinations(seeds, 2)]
    return "\n".join(
        f"- {one} and {other}: {distance(curves[one], curves[other]):.2g}"
        for one, other in pairs
        if curves.get(one, {}).keys() & curves.get(other, {}).keys()
    )


def distance(one: Curve, other: Curve) -> float:
    """Mean of |ln a − ln b| over the updates at which both were validated."""
    both = one.keys() & other.keys()
    return sum(abs(math.log(one[each] / other[each])) for each in both) / len(both)
