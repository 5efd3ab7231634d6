"""Figures as part of the page: matplotlib's SVG, in the page's colours, fonts and style sheet."""

import re
from collections.abc import Container
from xml.etree import ElementTree

from s2s_cli.errors import UserError
from s2s_cli.report.html import Html, element
from s2s_cli.scoring.pictures import Draw, rendered, require_matplotlib

# What the style sheet has other colours for in the dark.
THEMED = {
    "#ffffff": "var(--paper)",
    "#000000": "var(--ink)",
    "#222222": "var(--ink)",
    "#666666": "var(--muted)",
    "#777777": "var(--muted)",
    "#e3e3e3": "var(--rule)",
}
# Colours of lines are too pale for text.
TEXT_COLOUR = "color-mix(in srgb, {} 60%, var(--ink))"
LEFT_OUT = {"metadata", "style"}  # the style would hold for the whole page
PAGE_FONTS = {"font-family"}  # are the page's
URL_REFERENCE = re.compile(r"url\(#(.+)\)")


def can_draw() -> bool:
    try:
        require_matplotlib()
    except UserError:
        return False
    return True


def inline_svg(name: str, title: str, draw: Draw) -> Html:
    """Draw a figure as an ``svg`` element.

    Args:
        name: what its ids begin with, which must be unique in the page.
        title: what it is called where it is not seen.
        draw: makes it.
    """
    root = ElementTree.fromstring(rendered(".svg", draw))
    used = {reference(*each) for node in root.iter() for each in presentation(node).items()}
    children = (svg_element(each, name, used) for each in root if kept(each))
    return element("svg", *children, viewBox=root.get("viewBox"), role="img", aria_label=title)


def reference(key: str, value: str) -> str:
    """Return the id that the value of an attribute names; "" for none."""
    if key == "href":
        return value.removeprefix("#")
    found = URL_REFERENCE.fullmatch(value)
    return found[1] if found else ""


def kept(node: ElementTree.Element) -> bool:
    return local(node.tag) not in LEFT_OUT


def local(name: str) -> str:
    """Drop the namespace of a name."""
    return name.rpartition("}")[2]


def svg_element(node: ElementTree.Element, name: str, used: Container[str]) -> Html:
    """Write a part of a figure: styles as attributes, which no policy forbids; ids of its own."""
    attributes = {
        key: svg_value(key, value, name)
        for key, value in presentation(node).items()
        if key != "id" or value in used
    }
    if local(node.tag) == "text" and "fill" in attributes:
        attributes["fill"] = TEXT_COLOUR.format(attributes["fill"])
    texts = [text for text in (node.text,) if text and text.strip()]
    children = (svg_element(each, name, used) for each in node if kept(each))
    return element(local(node.tag), *texts, *children, **attributes)


def presentation(node: ElementTree.Element) -> dict[str, str]:
    """List the attributes of a part, its styles among them."""
    attributes = {local(key): value for key, value in node.attrib.items()}
    for declaration in attributes.pop("style", "").split(";"):
        key, _, value = declaration.partition(":")
        attributes[key.strip()] = value.strip()
    return {key: value for key, value in attributes.items() if key and key not in PAGE_FONTS}


def svg_value(key: str, value: str, name: str) -> str:
    """Return the value of an attribute in the page: ids begin with ``name``."""
    if key == "id":
        return f"{name}-{value}"
    if named := reference(key, value):
        return value.replace(f"#{named}", f"#{name}-{named}")
    return themed(value)


def themed(colour: str) -> str:
    """Return the variable that stands for a colour; other values as they are."""
    return THEMED.get(colour.lower(), colour)
