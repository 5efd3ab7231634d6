"""An experiment whose texts and names are full of markup, and its page."""

import json
from html.parser import HTMLParser
from pathlib import Path

from odd_models import Done, s2s_here, write_model

HOSTILE = "<script>alert(1)</script> ]]> --> <!-- \" ' &amp; </style> <b>"
TITLE = f"Title {HOSTILE}"
BAD_NAME = "bad <b>system</b>"
VOID = {"meta"}


def write_experiment(directory: Path) -> Path:
    """Texts, and two models, of which the second has attention and metrics."""
    source = [f"one two é {'. ' * (number % 7)}two" for number in range(70)]
    reference = [f"un deux deux un {'. ' * (number % 7)}UNK" for number in range(70)]
    good = [
        line.replace("UNK", "0") if number % 2 else line for number, line in enumerate(reference)
    ]
    bad = [line.replace("deux deux", "deux un") for line in reference]
    source[3], bad[3], good[3], reference[3] = HOSTILE, f"{HOSTILE} un", HOSTILE, HOSTILE
    source[5], bad[5] = "", ""
    bad[7] = "שלום עולם un"
    texts = {"in.en": source, "ref.fr": reference, "good.fr": good, "bad.fr": bad}
    for name, text in texts.items():
        (directory / name).write_text("".join(f"{line}\n" for line in text), "utf-8")
    write_model(directory / "plain", tokenised=True, reverse=False, seed=1)
    write_model(directory / "looking", tokenised=True, reverse=True, seed=3, attention="dot")
    metrics = [
        {"update": 10, "epoch": 0.5, "loss": 2.0, "learning_rate": 0.7},
        {"update": 10, "epoch": 0.5, "validation_perplexity": 8.5},
        {"update": 20, "epoch": 1.0, "loss": 1.5, "learning_rate": 0.35},
        {"update": 20, "epoch": 1.0, "validation_perplexity": 9.5},
    ]
    lines = "".join(json.dumps(each) + "\n" for each in metrics)
    (directory / "looking" / "metrics.jsonl").write_text(lines, "utf-8")
    return directory


def show_report(output: str, *arguments: object) -> Done:
    """Run the command on the experiment in the current directory."""
    return s2s_here(
        *("show", "report", "ref.fr", "good.fr", "bad.fr", "--name", "good", "--name", BAD_NAME),
        *("--source", "in.en", "--model", "plain", "--model", "looking", "--title", TITLE),
        *("--output", output, "--bootstrap", 100, "--examples", 3, *arguments),
    )


class ParsedPage(HTMLParser):
    """A page as a strict reader sees it.

    Attributes:
        tags: each element's name and attributes.
        texts: the text of each element that has some, but scripts and styles.
        raw: content of scripts and styles by their names.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), "an attribute stands twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            assert self._open[-1] not in self.raw, "a second script or style"
            self.raw[self._open[-1]] = data
        elif data.strip():
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def values(self, attribute: str, tag: str = "") -> list[str]:
        """The values of an attribute, of all elements or of those of one name."""
        return [
            found
            for name, attributes in self.tags
            if tag in ("", name) and (found := attributes.get(attribute)) is not None
        ]
