"""RESULTS.md out of the records: medians with the range of the runs, and what follows."""

from collections.abc import Sequence
from dataclasses import dataclass

from pages import format_facts, format_page, format_section, format_table

from bench import curve, plan
from bench.measuring import MACHINE
from bench.records import Record, Records, unique

PEERS = ("plain nn.LSTM", "OpenNMT-py", "fairseq", "JoeyNMT", "Marian")
PRECISIONS = ("fp32", "bf16", "int8")
Row = list[str]


@dataclass(frozen=True)
class Column:
    """A number of each program in a case.

    Attributes:
        measure: its name in the records.
        title: the head of the column.
        digits: decimals, or None for three significant figures.
        spread: show the smallest and the largest run too.
    """

    measure: str
    title: str
    digits: int | None = 0
    spread: bool = False


@dataclass(frozen=True)
class Section:
    """A section of the page: a table for each case, or one whose rows are cases."""

    name: str
    title: str
    note: str
    columns: Sequence[Column]
    ratio: str = ""  # the measure that is compared with the fastest peer
    share: bool = False  # of the machine's peak
    by_case: bool = False


MEMORY = Column("memory_mib", "MiB")
SECTIONS = (
    Section(
        "train",
        "Training",
        "Updates alone, after a warm-up; words of both languages without padding and ends of"
        " sentences. The share of the peak counts the multiply-adds that the model needs.",
        [Column("words_per_second", "words/s", spread=True), Column("gflops", "GFLOP/s"), MEMORY],
        ratio="words_per_second",
        share=True,
    ),
    Section(curve.SECTION, "Learning in bf16", curve.NOTE, []),
    Section(
        "decode",
        "Decoding",
        "Without start-up: a run over the text less a run over one line. All but JoeyNMT and Marian"
        " have the same weights; these have weights of their own, attention, and an output of known"
        " length. The"
        " share of the peak counts a full beam up to the end of the best translation, and no more."
        ' "Same": lines that are those of s2s in fp32.',
        [
            Column("sentences_per_second", "sentences/s", 1, spread=True),
            Column("gflops", "GFLOP/s"),
            Column("bleu", "BLEU", 2),
            Column("same_percent", "same %", 1),
            MEMORY,
        ],
        ratio="sentences_per_second",
        share=True,
    ),
    Section(
        "rescore",
        "Rescoring",
        "Without start-up. The peers score a sample of the same hypotheses, as pairs. The share of"
        ' the peak counts every distinct prefix once. "Difference": mean distance of a log'
        " probability from that of s2s in fp32.",
        [
            Column("hypotheses_per_second", "hypotheses/s", spread=True),
            Column("gflops", "GFLOP/s"),
            Column("difference", "difference", None),
            MEMORY,
        ],
        ratio="hypotheses_per_second",
        share=True,
    ),
    Section(
        "prep",
        "Tokenising",
        "Both languages, start-up included. `s2s prep` also normalises, filters and reports."
        " Memory: of all processes together.",
        [Column("lines_per_second", "lines/s", spread=True), MEMORY],
    ),
    Section(
        "vocab",
        "Vocabulary and ids",
        "Without start-up: a run over the text less a run over two pairs.",
        [
            Column("words_per_second", "words/s", spread=True),
            Column("words_per_cpu_second", "words/s a core"),
            MEMORY,
        ],
    ),
    Section(
        "start",
        "Start-up",
        "Seconds from the command to its end; files are in the system's cache.",
        [Column("seconds", "seconds", 2, spread=True), MEMORY],
    ),
    Section(
        "softmax",
        "Large vocabularies",
        "A random text, one layer under wide embeddings: only the products with the output layer"
        " grow with its rows, and the tables of the embeddings cost what the touched rows cost.",
        [
            Column("seconds_per_update", "s/update", 3, spread=True),
            Column("gflops", "GFLOP/s"),
            MEMORY,
        ],
        by_case=True,
    ),
    Section(
        "growth",
        "Growth",
        "One thing grows, the rest stays. What must not fall is the rate: multiply-adds a second,"
        " or pairs a second.",
        [
            Column("gflops", "GFLOP/s", 1),
            Column("pairs_per_second", "pairs/s"),
            MEMORY,
        ],
        by_case=True,
    ),
    Section(
        plan.SECTION,
        "Several devices, predicted",
        plan.NOTE,
        [
            Column("layer_places", "of layers"),
            Column("output_places", "of the output layer"),
            Column("words_per_second", "words/s", spread=True),
            Column("speed_up", "× one device", 2, spread=True),
            Column("speed_up_in_stretches", "× in stretches", 2, spread=True),
            Column("moved_mib", "MiB moved/update"),
            Column("device_gib", "GiB, largest device", 1),
        ],
    ),
)


def page(records: Records) -> str:
    """The whole page."""
    parts = []
    for section in SECTIONS:
        cases = records.cases(section.name)
        shown = tables(section, cases, records) if cases else ["Not run."]
        parts.append(format_section(section.title, section.note, *shown))
    note = "README.md says how it is measured."
    return format_page("Speed", "run.sh", origin(records.all), parts, note=note)


def origin(records: Sequence[Record]) -> str:
    """How the numbers were made, said once where all are of one kind."""
    versions = unique(f"{each.tool} {each.version}" for each in records if each.version)
    counts = unique(str(each.threads) for each in records)
    dates = sorted(each.date[:10] for each in records)
    facts = {
        "command": "`recipes/speed/run.sh`; the tables show medians, with the range in brackets",
        "hardware": "; ".join(unique(each.machine for each in records)),
        "threads": ", ".join(counts),
        "device": ", ".join(unique(each.device for each in records)),
        "commit": ", ".join(unique(each.commit or "unknown" for each in records)),
        "dates": " to ".join(unique([*dates[:1], *dates[-1:]])),
        "versions": ", ".join(versions),
    }
    return format_facts(facts)


def tables(section: Section, cases: Sequence[str], records: Records) -> list[str]:
    if section.name == curve.SECTION:
        return [curve.table(records)]
    named = {
        case: [(case, tool) for tool in records.tools(section.name, case) if tool != MACHINE]
        for case in cases
    }
    if section.by_case:
        of_all = [each for some in named.values() for each in some]
        return [described(section, of_all, records)]
    return [
        f"### {case}\n\n{described(section, of_one, records, peaks(section, case, records))}"
        for case, of_one in named.items()
    ]


def described(
    section: Section, named: Sequence[tuple[str, str]], records: Records, below: str = ""
) -> str:
    """A table with a row for each case and program, and how many runs are behind each row."""
    rows = [
        [*([case] * section.by_case), tool, *cells(section, case, tool, records)]
        for case, tool in named
    ]
    head = [*([""] * section.by_case), "", *heads(section)]
    counts = [len(records.values(section.name, *each, "seconds")) for each in named]
    if len(set(filter(None, counts))) > 1:
        head.append("runs")
        rows = [[*row, str(count or "")] for row, count in zip(rows, counts, strict=True)]
    else:
        below += f"Runs: {max(counts, default=0)}."
    return table(head, rows) + (f"\n\n{below.strip()}" if below else "")


def heads(section: Section) -> Row:
    titles = [column.title for column in section.columns]
    if section.ratio:
        titles.insert(1, "× fastest peer")
    if section.share:
        titles.insert(2 + bool(section.ratio), "% of peak")
    return titles


def cells(section: Section, case: str, tool: str, records: Records) -> Row:
    """The numbers of one program, or why there are none."""
    named = (section.name, case, tool)
    shown = [number(column, records.values(*named, column.measure)) for column in section.columns]
    if section.ratio:
        shown.insert(1, against_peers(section, case, tool, records))
    if section.share:
        shown.insert(2 + bool(section.ratio), share(section, case, tool, records))
    if (reason := records.reason(*named)) and not any(records.values(*named, "seconds")):
        shown[0] = reason if len(reason) < 40 else f"{reason[:40]}…"
    return shown


def number(column: Column, values: Sequence[float]) -> str:
    """The median, with the range where the column shows it."""
    if not values:
        return ""
    ordered = sorted(values)
    half = len(ordered) // 2
    median = (ordered[half] + ordered[~half]) / 2
    text = written(column, median)
    if column.spread and len(values) > 1:
        text += f" [{written(column, ordered[0])}, {written(column, ordered[-1])}]"
    return text


def written(column: Column, value: float) -> str:
    return f"{value:.2g}" if column.digits is None else f"{value:,.{column.digits}f}"


def against_peers(section: Section, case: str, tool: str, records: Records) -> str:
    """The median over that of the fastest peer; for a peer, over the fastest of the others."""
    mine = records.median(section.name, case, tool, section.ratio)
    others = [records.median(section.name, case, each, section.ratio) for each in PEERS]
    fastest = max((each for each in others if each), default=None)
    return f"{mine / fastest:.2f}" if mine and fastest else ""


def share(section: Section, case: str, tool: str, records: Records) -> str:
    """Of the rate of large matrix products in the same precision, measured in the same rounds."""
    precision = next((each for each in PRECISIONS if tool.endswith(each)), PRECISIONS[0])
    rate = records.median(section.name, case, tool, "gflops")
    peak = records.median(section.name, case, MACHINE, f"peak_{precision}")
    return f"{100 * rate / peak:.0f}" if rate and peak else ""


def peaks(section: Section, case: str, records: Records) -> str:
    found = {
        name: records.median(section.name, case, MACHINE, f"peak_{name}") for name in PRECISIONS
    }
    told = [f"{name} {value:,.0f} GFLOP/s" for name, value in found.items() if value]
    by = [
        f"{name} by {library}"
        for name in found
        for library in records.texts(section.name, case, MACHINE, f"library_{name}")
    ]
    libraries = f"Gradients of weights: {', '.join(by)}. " if by else ""
    return f"Peak of matrix products: {', '.join(told)}. {libraries}" if told else ""


def table(head: Row, rows: Sequence[Row]) -> str:
    """Format a table; columns without a number are left out."""
    kept = [i for i in range(len(head)) if i == 0 or any(row[i] for row in rows)]
    return format_table([[row[i] for i in kept] for row in [head, *rows]])
