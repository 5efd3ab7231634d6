"""What was measured, kept in a table of which every line says how it came about."""

import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

# Instead of a number: why there is none.
MISSING = "missing"
FAILED = "failed"


@dataclass(frozen=True)
class Record:
    """One number. ``value`` is a number, or for the measure "missing" or "failed" the reason."""

    section: str
    case: str
    tool: str
    round: int
    measure: str
    value: str
    threads: int
    device: str
    version: str
    commit: str
    date: str
    machine: str


HEADER = [field.name for field in fields(Record)]


class Records:
    """A file of records; every line is on the disk before the next run begins."""

    def __init__(self, path: Path) -> None:
        """Read what earlier runs left."""
        self.path = path
        self.all: list[Record] = []
        if path.exists():
            lines = path.read_text(encoding="utf-8").split("\n")[1:]
            self.all = [parse(line) for line in lines if line.count("\t") == len(HEADER) - 1]

    def add(self, record: Record, values: dict[str, float | str]) -> None:
        """Append a line for each of ``values``, otherwise as ``record``."""
        date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        given = asdict(record) | {"date": date}
        for measure, value in values.items():
            shown = " ".join(value.split()) if isinstance(value, str) else f"{value:.6g}"
            self.all.append(Record(**(given | {"measure": measure, "value": shown})))
        self.write()

    def forget(self, section: str, case: str | None, tool: str | None = None) -> None:
        """Drop what was measured for a section, or for one case or tool of it."""
        self.all = [
            each
            for each in self.all
            if each.section != section
            or case not in (None, each.case)
            or tool not in (None, each.tool)
        ]

    def forget_reasons(self, section: str, case: str, tool: str) -> None:
        """What is missing or failed is tried anew."""
        named = (section, case, tool)
        self.all = [
            each
            for each in self.all
            if (each.section, each.case, each.tool) != named
            or each.measure not in (MISSING, FAILED)
        ]

    def write(self, path: Path | None = None) -> None:
        path = path or self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = ["\t".join(HEADER), *("\t".join(map(str, astuple(each))) for each in self.all)]
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        temporary.replace(path)

    def has(self, section: str, case: str, tool: str, round: int) -> bool:
        """Whether this run was made and went well."""
        return any(
            (each.section, each.case, each.tool, each.round) == (section, case, tool, round)
            and each.measure not in (MISSING, FAILED)
            for each in self.all
        )

    def cases(self, section: str) -> list[str]:
        return unique(each.case for each in self.all if each.section == section)

    def tools(self, section: str, case: str) -> list[str]:
        named = (section, case)
        return unique(each.tool for each in self.all if (each.section, each.case) == named)

    def measures(self, section: str, case: str, tool: str) -> list[str]:
        named = (section, case, tool)
        return unique(
            each.measure for each in self.all if (each.section, each.case, each.tool) == named
        )

    def values(self, section: str, case: str, tool: str, measure: str) -> list[float]:
        named = (section, case, tool, measure)
        return [
            float(each.value)
            for each in self.all
            if (each.section, each.case, each.tool, each.measure) == named
        ]

    def texts(self, section: str, case: str, tool: str, measure: str) -> list[str]:
        """The different values of what is no number."""
        named = (section, case, tool, measure)
        return unique(
            each.value
            for each in self.all
            if (each.section, each.case, each.tool, each.measure) == named
        )

    def median(self, section: str, case: str, tool: str, measure: str) -> float | None:
        values = self.values(section, case, tool, measure)
        return statistics.median(values) if values else None

    def reason(self, section: str, case: str, tool: str) -> str | None:
        """Why there is no number."""
        for each in self.all:
            named = (each.section, each.case, each.tool)
            if named == (section, case, tool) and each.measure in (MISSING, FAILED):
                return each.value if each.measure == MISSING else f"failed: {each.value}"
        return None


def unique(values: Iterable[str]) -> list[str]:
    """Each value once, in the order in which they come."""
    return list(dict.fromkeys(values))


def parse(line: str) -> Record:
    cells: list[Any] = line.split("\t")
    for index in (HEADER.index("round"), HEADER.index("threads")):
        cells[index] = int(cells[index])
    return Record(*cells)
