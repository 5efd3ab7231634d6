"""Tables as text."""

from s2s_cli.scoring.systems import Systems
from s2s_cli.scoring.tables import Table, longest_sentences
from s2s_cli.scoring.texts import AS_GIVEN, Form, Texts


def systems(sources: list[str], references: list[str], **texts: list[str]) -> Systems:
    return Systems(
        sources,
        references,
        [line.split() for line in sources],
        {
            name: Texts(Form(lines, [references], AS_GIVEN), True, "fr")
            for name, lines in texts.items()
        },
    )


def test_a_cell_of_tsv_has_neither_tab_nor_line_end() -> None:
    table = Table(["a", "b"], [["x\ty", "z\nz"], ["", "é|"]])
    assert table.tsv() == "a\tb\nx y\tz z\n\té|\n".encode()


def test_the_longest_come_first_and_of_equal_ones_the_earlier() -> None:
    sources = ["a b", "a b c d", "a", "", "d c b a"]
    text = "".join(
        longest_sentences(systems(sources, list("vwxyz"), one=list("VWXYZ"), two=list("12345")), 3)
    )
    assert text == (
        "### Line 2: 4 words\n\n| | |\n| --- | --- |\n| source | a b c d |\n| one | W |\n"
        "| two | 2 |\n| reference | w |\n\n"
        "### Line 5: 4 words\n\n| | |\n| --- | --- |\n| source | d c b a |\n| one | Z |\n"
        "| two | 5 |\n| reference | z |\n\n"
        "### Line 1: 2 words\n\n| | |\n| --- | --- |\n| source | a b |\n| one | V |\n"
        "| two | 1 |\n| reference | v |\n\n"
    )


def test_text_that_markdown_would_read_is_escaped() -> None:
    text = "".join(longest_sentences(systems(["a | <b>"], ["*"], source=["_"]), 9))
    assert r"| source | a \| \<b\> |" in text
    assert r"| source | \_ |" in text, "a system may be called so"
    assert r"| reference | \* |" in text
