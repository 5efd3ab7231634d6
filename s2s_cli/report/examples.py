"""Sentences of the page: source, reference and translations, with marks in them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from s2s_cli.console import counted
from s2s_cli.report.contents import Report
from s2s_cli.report.contrasts import SENTENCE_METRIC, Contrast
from s2s_cli.report.html import Html, element, fragment
from s2s_cli.report.words import WordWeights, differing_words, in_reference, runs, spaces_after
from s2s_cli.scoring.metrics import corpus_metric

MOST_SHOWN_WORDS = 300  # of a text that is shown


@dataclass(frozen=True)
class ShownText:
    """The beginning of a text.

    Attributes:
        words: as they are compared.
        spaces: after which of them is a space.
        whole: the words are all that there are.
    """

    words: Sequence[str]
    spaces: Sequence[bool]
    whole: bool

    @classmethod
    def of(cls, words: Sequence[str], line: str) -> "ShownText":
        spaces = spaces_after(words, line)
        return cls(
            words[:MOST_SHOWN_WORDS], spaces[:MOST_SHOWN_WORDS], len(words) <= MOST_SHOWN_WORDS
        )

    def written(self, marks: Sequence[str] = (), spans: Sequence[Html] = ()) -> Html:
        """Write the text.

        Args:
            marks: of each word, "" for none; neighbours of one mark are one element.
            spans: the words as elements, where they are.
        """
        if not self.words:
            return element("span", "(blank)", class_="blank")
        parts: list[str] = []
        for mark, places in runs(marks or [""] * len(self.words)):
            inner: list[str] = []
            for place in places:
                inner += [spans[place] if spans else self.words[place], self.space(place)]
            *words, space = inner
            parts += [element("mark", *words, class_=mark) if mark else fragment(words), space]
        return fragment([*parts, "" if self.whole else " …"])

    def space(self, place: int) -> str:
        return " " * (self.spaces[place] and place + 1 < len(self.words))


def contrast_sections(report: Report) -> Iterator[Html]:
    """Write the sentences of each system beside the baseline."""
    name = corpus_metric(SENTENCE_METRIC).name
    for number, each in enumerate(report.contrasts, 1):
        counts = (
            f"{each.system} has the higher {name} in "
            f"{counted(each.better, 'sentence')}, {each.baseline} in "
            f"{each.worse:,}; {each.equal:,} are equal. The number beside a text is its score."
        )
        yield element(
            "section",
            element("h3", f"{each.system} beside {each.baseline}"),
            element("p", counts),
            *direction_sections(
                report, each, each.ahead, f"{each.system} is better by most", f"ahead-{number}"
            ),
            *direction_sections(
                report, each, each.behind, f"{each.baseline} is better by most", f"behind-{number}"
            ),
        )


def direction_sections(
    report: Report, pair: Contrast, lines: Sequence[int], title: str, name: str
) -> Iterator[Html]:
    """Write the sentences in which one system of a pair is better."""
    if lines:
        yield element("h4", title)
    for line in lines:
        yield example(report, pair, line, f"{name}-{line + 1}")


def example(report: Report, pair: Contrast, line: int, name: str) -> Html:
    """Write the texts of a line."""
    both = [shown_translation(report, each, line) for each in (pair.baseline, pair.system)]
    reference = shown_reference(report, line)
    differing = differing_words(*(each.words for each in both))
    weights = [shown_weights_of(report, each, line) for each in (pair.baseline, pair.system)]
    attended = any(each is not None for each in weights)
    rows = [text_row("reference", reference.written(), report.language)]
    if report.systems.sources:
        source = ShownText.of(report.systems.words[line], report.systems.sources[line])
        spans = [element("span", word, class_="word") for word in source.words] if attended else []
        written = source.written(spans=spans)
        rows.insert(0, text_row("source", written, report.source_language, class_="source"))
    for system, text, places, found in zip(
        (pair.baseline, pair.system), both, differing, weights, strict=True
    ):
        right = in_reference(text.words, reference.words, places)
        marks = [
            "" if place not in places else "right" if place in right else "wrong"
            for place in range(len(text.words))
        ]
        spans = [] if found is None else list(map(attending_word, text.words, found))
        value = report.line_scores[system][line]
        label = fragment([system, " ", element("span", f"{value:.1f}", class_="score")])
        rows.append(text_row(label, text.written(marks, spans), report.language))
    return element(
        "article",
        element(
            "div",
            element("h5", f"Line {line + 1}", id=name),
            element("p", class_="looking", role="status") if attended else None,
            class_="head",
        ),
        element("dl", *rows, class_="texts"),
        class_="example attentive" if attended else "example",
        aria_labelledby=name,
    )


def text_row(label: str, text: Html, language: str, class_: str | None = None) -> Html:
    return element(
        "div",
        element("dt", label, dir="auto"),
        element("dd", text, lang=language, dir="auto", class_=class_),
    )


def attending_word(word: str, weights: dict[int, int]) -> Html:
    """Write a word with its weights: places of source words, from 0, and percents."""
    listed = " ".join(f"{place}:{percent}" for place, percent in weights.items())
    return element("span", word, class_="word", data_weights=listed)


def shown_weights_of(report: Report, system: str, line: int) -> WordWeights | None:
    if report.attention is None:
        return None
    hypothesis = report.systems.texts[system].given.hypotheses[line]
    return report.attention.weights.get((report.systems.sources[line], hypothesis))


def shown_translation(report: Report, system: str, line: int) -> ShownText:
    texts = report.systems.texts[system]
    return ShownText.of(spaced_words(texts.words.hypotheses[line]), texts.given.hypotheses[line])


def shown_reference(report: Report, line: int) -> ShownText:
    (texts, *_) = report.systems.texts.values()
    return ShownText.of(
        spaced_words(texts.words.references[0][line]), texts.given.references[0][line]
    )


def spaced_words(line: str) -> list[str]:
    return [word for word in line.split(" ") if word]
