"""Write the table of README.md that compares the paper with the recipes' results, row by row.

The figures are those of the pages RESULTS.md, tokenised BLEU without intervals; a row that a page
has not is empty, and one that was not run says so. Run it after a recipe has written its page.
"""

import argparse
import sys
from pathlib import Path

from pages import format_table

HERE = Path(__file__).parent
BEGIN, END = "<!-- by recipes/compare.py -->\n", "<!-- end -->\n"
COLUMN, PAPER = "BLEU (tokenised)", "BLEU in the paper"
FIRST, SECOND, TUNED = "Table 1", "Table 2", "Beside the paper"
BEYOND = ("Beyond the paper", "What came next")
LAPTOP = "At a laptop's size"
Title = str | tuple[str, ...]  # the beginning of one, or several that it may be
# Of each row: what it is called here, and where pages have it: beginnings of a table's title, and
# of the row's label. The laws have fewer rows, all in one table.
ROWS: dict[str, tuple[Title, str]] = {
    "phrase-based system": (FIRST, "Baseline system"),
    "one forward LSTM, beam 12": (FIRST, "Single forward"),
    "one reversed LSTM, beam 12": (FIRST, "Single reversed"),
    "5 reversed LSTMs, beam 1": (FIRST, "Ensemble of 5 reversed LSTMs, beam size 1"),
    "2 reversed LSTMs, beam 12": (FIRST, "Ensemble of 2 reversed LSTMs, beam size 12"),
    "5 reversed LSTMs, beam 2": (FIRST, "Ensemble of 5 reversed LSTMs, beam size 2"),
    "5 reversed LSTMs, beam 12": (FIRST, "Ensemble of 5 reversed LSTMs, beam size 12"),
    "lists rescored with a forward LSTM": (SECOND, "Rescored with a single forward"),
    "with a reversed LSTM": (SECOND, "Rescored with a single reversed"),
    "with 5 reversed LSTMs": (SECOND, "Rescored with an ensemble"),
    "with 5, tuned weights": (TUNED, "Rescored with an ensemble"),
    "best of each list": (SECOND, "Oracle"),
    "one LSTM with attention": (BEYOND, "Attention, two encoders"),
}
PAGES = {
    "Multi30k": "multi30k_en_fr/RESULTS.md",
    "Tatoeba": "tatoeba_en_fr/RESULTS.md",
    "laws": "canada_laws_en_fr/RESULTS.md",
}
LAWS: dict[Title, Title] = {FIRST: LAPTOP}
Tables = dict[str, list[dict[str, str]]]


def read_tables(page: str) -> Tables:
    """Read the tables of a page of Markdown: their rows by the title above, cells by column.

    The first column, the labels, has no name.
    """
    tables: Tables = {}
    title = ""
    head: list[str] = []
    for line in page.split("\n"):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("## "):
            title, head = line.removeprefix("## "), []
        if not line.startswith("|"):
            continue
        if not head:
            head = cells
        elif set(line) - set("|-: "):
            tables.setdefault(title, []).append(dict(zip(head, cells, strict=True)))
    return tables


def find_cell(tables: Tables, title: Title, label: str, column: str) -> str:
    """The cell of the row whose label is, or begins with, ``label``; empty where there is none.

    Of several the row with the very label is meant, otherwise the first. An interval is left out.
    """
    rows = [row for name in tables if name.startswith(title) for row in tables[name]]
    found = [row for row in rows if row[""] == label]
    found += [row for row in rows if row[""].startswith(label)]
    cell = found[0].get(column, "") if found else ""
    return cell.split(" [")[0]


def make_table(pages: dict[str, str]) -> str:
    """The comparison; ``pages`` has the text of each column's page."""
    tables = {name: read_tables(page) for name, page in pages.items()}
    lines = [["", "paper", *pages]]
    for row, (title, label) in ROWS.items():
        papers = [find_cell(each, title, label, PAPER) for each in tables.values()]
        cells = [next(filter(None, papers), "")]
        for name, each in tables.items():
            titles = LAWS.get(title, ()) if name == "laws" else title
            cells.append(find_cell(each, titles, label, COLUMN))
        lines.append([row, *cells])
    return format_table(lines) + "\n"


def replace_table(readme: str, table: str) -> str:
    """Put ``table`` between the two marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, _, after = readme.partition(BEGIN)
    _, end, after = after.partition(END)
    if not end:
        raise ValueError(f"it lacks the lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the comparison of README.md.")
    parser.add_argument("readme", type=Path, nargs="?", default=HERE.parent / "README.md")
    given = parser.parse_args()
    pages = {name: (HERE / path).read_text(encoding="utf-8") for name, path in PAGES.items()}
    try:
        text = replace_table(given.readme.read_text(encoding="utf-8"), make_table(pages))
    except ValueError as error:
        sys.exit(f"compare.py: {given.readme}: {error}")
    given.readme.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
