"""Text and lists as they come from anywhere, for property tests."""

import gzip
import os
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st

# What looks like an end of a line, a blank, a symbol or a separator, and is none.
SCRAPS = [
    "\r", "\u0085", "\u2028", "\u2029", "\v", "\f", "\x1c", "\x1e", "\t", "\0", "\x7f", "\ufeff",
    "\u00a0", "\u202f", "\u2007", "\u3000", "\u200b", "\u00ad", "\u202e", " ", "  ", " ", " ",
    "e\u0301", "\u0301", "\ue000", "\ufffe", "\uffff", "\ufdd0", "\U0010ffff", "\ufffd",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1eb\U0001f1f7", "中文", "\u05d0\u0301",
    "UNK", "UNK_", "<unk>", "<s>", "</s>", "<EOS>", "|||", "|", "||||", "&#124;", "&amp;#124;",
    "&#124;&#124;&#124;", "&amp;", "&nbsp;", "&#10;", "&#13;", "&#0;", "&#xd800;", "&nosuch;",
    "one", "two", "three", "Mr.", "l’été", "d'une", "«\u00a0!\u00a0»", "...", "10\u202f000", "é",
    "5's", '"', "'", "(", ")", "-", "--", "DOTMULTI", "= 1", "s2s=", "%", "%s",
]  # fmt: skip
BLANKS = ["", " ", "   ", "\t", "\r", "\u00a0", "\u2028", "\u3000 ", "\0", "\u200b", "&nbsp;"]

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\n")
lines = st.one_of(
    st.lists(st.sampled_from(SCRAPS), max_size=12).map("".join),
    st.lists(st.sampled_from(SCRAPS), max_size=12).map(" ".join),
    st.text(characters, max_size=40),
    st.sampled_from(BLANKS),
)
# Longer than any sentence: a thousand times the same, with and without spaces.
enormous = st.builds(
    lambda scrap, count, space: (scrap + space) * count,
    st.sampled_from(SCRAPS),
    st.integers(1000, 1500),
    st.sampled_from(["", " "]),
)
# Words of tokenised text; spaces, line ends and what files drop at their edges are in none.
words = st.one_of(
    st.sampled_from([each for each in SCRAPS if not set(each) & set(" \r\ufeff")]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\ufeff "), min_size=1),
)


@dataclass(frozen=True)
class Dress:
    """How lines lie in a file."""

    mark: bool
    returns: bool
    ended: bool
    packed: bool

    @property
    def suffix(self) -> str:
        return ".gz" if self.packed else ""

    def put_on(self, lines: list[str]) -> bytes:
        """The bytes of the file."""
        end = "\r\n" if self.returns else "\n"
        text = "".join(line + end for line in lines)
        if not self.ended and lines and lines[-1]:
            text = text.removesuffix(end)
        raw = b"\xef\xbb\xbf" * self.mark + text.encode()
        return gzip.compress(raw, 1) if self.packed else raw


dresses = st.builds(Dress, *[st.booleans()] * 4)


def as_read(lines: list[str], dress: Dress) -> list[str]:
    """What a reader makes of ``lines`` in that dress: line by line, of bytes alone.

    One mark at the start and one carriage return before each end are dropped.
    """
    raw = dress.put_on(lines)
    raw = (gzip.decompress(raw) if dress.packed else raw).removeprefix(b"\xef\xbb\xbf")
    *ended, rest = raw.split(b"\n")
    parts = [*ended, rest] if rest else ended
    return [part[:-1].decode() if part[-1:] == b"\r" else part.decode() for part in parts]


def examples(count: int) -> settings:
    """So many examples in the gate, and so many times more as `S2S_EXAMPLES` says."""
    return settings(max_examples=count * int(os.environ.get("S2S_EXAMPLES", "1")))
