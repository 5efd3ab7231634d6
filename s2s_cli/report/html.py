"""HTML that is escaped by construction: text goes in as `str`, only markup is `Html`.

What is joined or formatted from markup is a plain `str` again, and would be escaped twice: a
mistake shows on the page, and never lets text act as markup.
"""

import html
from collections.abc import Iterable

from s2s_cli.scoring.plots import NOT_DRAWABLE

VOID = {"meta"}  # elements without an end tag, of those that are used here


class Html(str):
    """Markup, in which text has been escaped."""

    __slots__ = ()


def escape(text: str) -> Html:
    """Write ``text`` so that it means itself; blanks for controls, a sign for what is no text."""
    known = NOT_DRAWABLE.sub(
        lambda each: " " if each[0] in "\t\n\r" else "\N{REPLACEMENT CHARACTER}", text
    )
    return Html(html.escape(known))


def element(tag: str, /, *children: str | None, **attributes: str | bool | None) -> Html:
    """Make an element.

    Args:
        tag: name of the element, which no text of a user is.
        children: markup, or text, which is escaped; None is nothing.
        attributes: text, which is escaped; True stands without a value, None and False are left
            out. A final ``_`` of a name is dropped, others are hyphens.
    """
    written = "".join(
        f" {attribute_name(key)}" + ("" if value is True else f'="{escape(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    start = f"<{tag}{written}>"
    return Html(start if tag in VOID else f"{start}{fragment(children)}</{tag}>")


def attribute_name(key: str) -> str:
    return key.removesuffix("_").replace("_", "-")


def fragment(children: Iterable[str | None]) -> Html:
    """Put markup and text behind each other."""
    return Html(
        "".join(
            each if isinstance(each, Html) else escape(each)
            for each in children
            if each is not None
        )
    )


def raw_element(tag: str, content: str) -> Html:
    """Make a ``style`` or ``script`` element of a file of ours.

    Raises:
        ValueError: the content would end the element.
    """
    if "</" in content or "<!--" in content:
        raise ValueError(f"{tag} with an end tag or a comment of HTML in it")
    return Html(f"<{tag}>{content}</{tag}>")
