"""Which file is what on the command line of ``s2s score``."""

import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from s2s_cli.console import say, warn
from s2s_cli.errors import UsageError
from s2s_cli.files import STDIO, name_of

REFERENCE = Path("corpus/test.fr")


@dataclass(frozen=True)
class NamedTexts:
    """The files of a command line, by their use.

    Attributes:
        references: at least one.
        translations: a file for each system; none where they are read from stdin, or not at all.
        as_arguments: the translations are arguments.
    """

    references: list[Path]
    translations: list[Path]
    as_arguments: bool

    def one_or_several(self) -> tuple[Path, list[Path]]:
        """The one translation, stdin if none is named; and the several, none if there is one."""
        if len(self.translations) > 1:
            return STDIO, self.translations
        return (*self.translations, STDIO)[0], []

    def refuse_translations(self, reason: str) -> None:
        """Raise a `UsageError` where translations are named as arguments, which nothing reads."""
        if self.as_arguments and self.translations:
            raise UsageError(f"{reason}; leave out {name_of(self.translations[0])}")


def name_texts(
    arguments: Sequence[Path],
    more_references: Sequence[Path],
    by_option: Sequence[Path],
    *,
    list_named: bool,
) -> NamedTexts:
    """Tell references from translations.

    The first argument is the reference, all others are translations. Where options name what is
    scored, as in earlier versions, all arguments are references.

    Args:
        arguments: in their order.
        more_references: beside the first argument.
        by_option: translations that options name.
        list_named: an option names an n-best list, which is scored instead of translations.
    """
    if not by_option and not list_named:
        references = [*arguments[:1], *more_references] or [REFERENCE]
        return NamedTexts(references, list(arguments[1:]), as_arguments=True)
    references = [*arguments, *more_references] or [REFERENCE]
    if len(arguments) > 1:
        say(f"references: {', '.join(map(name_of, references))}")
    return NamedTexts(references, list(by_option), as_arguments=False)


def warn_of_unread_stdin(texts: NamedTexts) -> None:
    """Warn where text waits on stdin, and arguments say that something else is to be scored."""
    if texts.as_arguments and texts.translations and has_text_on_stdin():
        first = name_of(texts.translations[0])
        warn(
            f"stdin is not read: {first} is scored; if it is one more reference of the text on "
            f"stdin, write --reference {first}"
        )


def has_text_on_stdin() -> bool:
    """Check for a file or a pipe with bytes that wait to be read; no terminal, nor /dev/null."""
    with suppress(OSError, ValueError):
        number = sys.stdin.fileno()
        found = os.fstat(number)
        if stat.S_ISREG(found.st_mode):
            return os.lseek(number, 0, os.SEEK_CUR) < found.st_size
        return stat.S_ISFIFO(found.st_mode) and waiting_bytes(number) > 0
    return False


def waiting_bytes(number: int) -> int:
    """Bytes that a pipe has ready."""
    with suppress(ImportError):
        from fcntl import ioctl
        from termios import FIONREAD

        return int.from_bytes(ioctl(number, FIONREAD, bytes(4)), sys.byteorder)
    return 0
