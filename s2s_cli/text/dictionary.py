"""Dictionary of words, for the replacement of unknown ones."""

from pathlib import Path

from s2s_cli.errors import UserError
from s2s_cli.files import name_of, read_lines
from s2s_cli.text.tokenise import SpaceTokeniser

Dictionary = dict[str, list[str]]


def read_dictionary(path: Path) -> Dictionary:
    """Read a dictionary; a line is a source word, a tab or space, and its target words.

    Raises:
        UserError: as `s2s_cli.files.read_lines`; a line of another form; a word with two entries.
    """
    words = SpaceTokeniser()
    entries: Dictionary = {}
    for number, line in enumerate(read_lines(path), 1):
        before, tab, after = line.partition("\t")
        source, *target = words.tokenise(f"{before} {after}") or [""]
        several = tab and len(words.tokenise(before)) != 1
        if line.startswith(" ") or several or "\t" in after or not target:
            raise UserError(
                f"{name_of(path)}:{number}: expected one source word, a tab or a space, and its "
                "target words"
            )
        if source in entries:
            raise UserError(f"{name_of(path)}:{number}: a second entry of {source!r}; keep one")
        entries[source] = target
    return entries
