"""Tokenisation of stdin to stdout, for ``s2s prep --filter``."""

from collections.abc import Iterator

from s2s_cli.errors import UserError
from s2s_cli.files import STDIO, bounded_lines, decode_line, reading, replacing
from s2s_cli.preparation.config import PrepConfig, check_language, warn_about_language
from s2s_cli.text.tokenise import make_tokeniser

BYTES_PER_BLOCK = 1 << 16


def filter_stdin(config: PrepConfig, language: str) -> None:
    """Tokenise stdin to stdout, a line for each line, as `prepare` and decoding do.

    Raises:
        UserError: invalid UTF-8 (names the line), after the lines before it were written.
    """
    check_language(language)
    warn_about_language(config, language)
    tokeniser = make_tokeniser(config.tokeniser_kind, language, nfc=config.nfc)
    number = 1
    with reading(STDIO) as stream, replacing(STDIO) as out:
        lines, error = bounded_lines(stream, STDIO), None
        while error is None:
            text, error = decode_until_bad(lines, number)
            if not text:
                break
            out.write(tokeniser.tokenise_block("\n".join([*text, ""]))[0].encode())
            number += len(text)
        if error:
            raise error


def decode_until_bad(lines: Iterator[bytes], first: int) -> tuple[list[str], UserError | None]:
    """Decode about `BYTES_PER_BLOCK` bytes of stdin; with the error of the line after them.

    That is None unless it is no UTF-8, or endless.
    """
    text: list[str] = []
    size = 0
    try:
        for number, raw in enumerate(lines, first):
            text.append(decode_line(raw, STDIO, number))
            size += len(raw)
            if size >= BYTES_PER_BLOCK:
                break
    except UserError as error:
        return text, error
    return text, None
