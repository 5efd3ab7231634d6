"""Draw the packages on their levels: ``python tests/docs/drawing.py`` writes the picture.

Levels are those that `test_architecture` holds the imports to, so the drawing cannot differ from
the code.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
PICTURE = TESTS.parent / "docs" / "figures" / "packages.svg"
WORK = {
    "commands": "options in, errors out",
    "api": "Translator",
    "planning": "train --plan",
    "info": "facts of directories",
    "report": "page of an experiment",
    "validation": "trial translations",
    "training": "loop, update, checkpoints",
    "decoding": "beam search, stream of lines",
    "rescoring": "prefix trees, tuned weights",
    "scoring": "BLEU, significance, figures",
    "inference": "one step of any model",
    "distributed": "processes, ranks, signals",
    "model": "two LSTMs, softmax, files",
    "data": "ids and batches",
    "preparation": "raw text to pairs",
    "text": "tokens, vocabularies, n-best lists",
    "ground": "errors, files, locks, settings",
}
WITHOUT_TORCH = {"text", "preparation", "scoring", "info"}
WIDTH, LEFT, STEP, GAP, WIDEST = 900, 76, 70, 14, 260

HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 520" role="img">
  <title>The packages of s2s_cli</title>
  <desc>A package imports packages of lower levels only, and none of its own level.</desc>
  <style>
    text { font-family: "DejaVu Sans", Verdana, Arial, sans-serif; font-size: 13px; fill: #222 }
    text { text-anchor: middle }
    .name { font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace }
    .work { font-size: 11px; fill: #555 }
    .number { font-size: 14px; font-weight: bold }
    .level { fill: #f7f7f7; stroke: #ccc }
    .torch { fill: #dbe8f6; stroke: #2b6ca3 }
    .plain { fill: #fbe3d0; stroke: #c0641b }
    .ground { fill: #f2f2f2; stroke: #888 }
  </style>
  <rect width="900" height="520" fill="#fff"/>
"""
FOOT = """\
  <text x="450" y="514" class="work">Imports point down. Orange: without PyTorch.</text>
</svg>
"""


def draw(levels: dict[str, int]) -> str:
    """Draw a row for each level, the highest first."""
    return HEAD + "\n".join(rows(levels)) + "\n" + FOOT


def rows(levels: dict[str, int]) -> Iterator[str]:
    for index, level in enumerate(sorted(set(levels.values()), reverse=True)):
        top = 20 + STEP * index
        yield f'  <rect x="20" y="{top}" width="860" height="58" rx="4" class="level"/>'
        yield f'  <text x="44" y="{top + 34}" class="number">{level}</text>'
        names = [name for name, its in levels.items() if its == level]
        space = WIDTH - 2 * GAP - LEFT - 6
        width = min(WIDEST, (space - GAP * (len(names) - 1)) // len(names))
        left = LEFT + (space - width * len(names) - GAP * (len(names) - 1)) // 2
        for place, name in enumerate(names):
            yield from package(name, left + place * (width + GAP), top + 7, width)


def package(name: str, left: int, top: int, width: int) -> Iterator[str]:
    kind = "ground" if name == "ground" else "plain" if name in WITHOUT_TORCH else "torch"
    middle = left + width // 2
    yield f'  <rect x="{left}" y="{top}" width="{width}" height="44" rx="4" class="{kind}"/>'
    yield f'  <text x="{middle}" y="{top + 19}" class="name">{name}</text>'
    yield f'  <text x="{middle}" y="{top + 35}" class="work">{WORK[name]}</text>'


if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))
    from test_architecture import LEVELS

    PICTURE.write_text(draw(LEVELS), "utf-8")
