"""README.md and the pages of docs/, with what tests look for in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
README = (ROOT / "README.md").read_text("utf-8")
TEXTS = {"README": README, **PAGES}

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def prose(text: str) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", text)


def blocks(text: str, language: str) -> list[str]:
    """The blocks of code of one language, in their order."""
    return [code for name, code in FENCE.findall(text) if name == language]


def section(page: str, title: str) -> str:
    """The text under a heading of a page, up to the next heading of any level."""
    text = PAGES[page]
    # What looks like a heading in the code of the page is none.
    blanked = FENCE.sub(lambda block: block[0].replace("#", " "), text)
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", blanked, re.M | re.S)
    assert found, f"docs/{page}.md has no section {title!r}"
    return text[found.start(1) : found.end(1)]


def table(text: str, heading: str) -> list[list[str]]:
    """The cells of the table whose first column has ``heading``, without its head."""
    found = re.search(rf"^\| {heading} \|.*\n\|[-| :]+\n((?:\|.*\n)+)", text, re.M)
    assert found, f"no table with {heading!r}"
    rows = found[1].removesuffix("\n").split("\n")
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def code(cell: str) -> str:
    """What stands in the first pair of backquotes of a cell."""
    found = re.search(r"`([^`]+)`", cell)
    assert found, cell
    return found[1]
