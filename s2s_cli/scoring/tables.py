"""Tables for programs (TSV) and for people (Markdown)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from s2s_cli.console import counted
from s2s_cli.scoring.systems import Systems

# What would begin or end something in a cell of Markdown.
MARKDOWN_ESCAPES = str.maketrans({each: f"\\{each}" for each in "\\`*_<>|[]~"})
TSV_BLANKS = str.maketrans("\t\n\r", "   ")


@dataclass(frozen=True)
class Table:
    """Rows of text under the names of their columns."""

    columns: list[str]
    rows: list[list[str]]

    def tsv(self) -> bytes:
        """A line for the names, then one for each row; tabs within a cell become spaces."""
        lines = ("\t".join(cell.translate(TSV_BLANKS) for cell in row) for row in self.lines())
        return "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")

    def lines(self) -> Iterator[Sequence[str]]:
        yield self.columns
        yield from self.rows


def longest_sentences(systems: Systems, count: int) -> Iterator[str]:
    """The ``count`` longest source sentences with translations and reference (Table 3).

    Longest first, of equal ones the earlier. Lines of Markdown, each with its end.
    """
    order = sorted(range(len(systems.words)), key=lambda line: (-len(systems.words[line]), line))
    for line in order[:count]:
        words = counted(len(systems.words[line]), "word")
        yield f"### Line {line + 1}: {words}\n\n| | |\n| --- | --- |\n"
        hypotheses = [(name, each.given.hypotheses) for name, each in systems.texts.items()]
        texts = [("source", systems.sources), *hypotheses, ("reference", systems.references)]
        for name, lines in texts:
            yield f"| {markdown_cell(name)} | {markdown_cell(lines[line])} |\n"
        yield "\n"


def markdown_cell(text: str) -> str:
    """Escape ``text`` for a table of Markdown."""
    return text.translate(TSV_BLANKS).translate(MARKDOWN_ESCAPES)
