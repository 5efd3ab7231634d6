"""Pages of results in Markdown, written by the recipes."""

from collections.abc import Iterable, Mapping, Sequence


def format_page(
    title: str, script: str, origin: str, parts: Iterable[str], *, note: str = ""
) -> str:
    """Put a page together: its head, how its numbers were made, and its parts.

    Args:
        title: of the page.
        script: the name of the script that writes it.
        origin: as `format_facts` gives it.
        parts: sections and paragraphs, without line ends; empty ones are left out.
        note: a sentence behind the first one.
    """
    written = f"Written by `{script}`, not by hand.{note and f' {note}'}"
    head = [f"# {title}", written, origin]
    return "\n\n".join(part for part in [*head, *parts] if part) + "\n"


def format_section(title: str, *parts: str) -> str:
    return "\n\n".join([f"## {title}", *parts])


def format_facts(facts: Mapping[str, str]) -> str:
    """List facts by name, such as how numbers were made."""
    return "\n".join(f"- {name}: {value}" for name, value in facts.items())


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Format a table; its columns are even for reading as plain text.

    Args:
        rows: the head, then the others. The first column is aligned left, others right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("| " + " | ".join([first, *(c.strip().rjust(len(c)) for c in others)]) + " |")
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([lines[0], "| " + " | ".join(rule) + " |", *lines[1:]])
