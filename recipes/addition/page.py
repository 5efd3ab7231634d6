"""Write RESULTS.md and figures/accuracy.{tsv,svg}: exact matches after each epoch."""

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from results import aligned, origin

WORK = Path("work")
# In the order of the table; of the plot the names and colours (Okabe and Ito).
SYSTEMS = {
    "plain": ("Plain", "#0072B2"),
    "reversed": ("Reversed", "#D55E00"),
    "peeky": ("Peeky", "#009E73"),
    "reversed-peeky": ("Reversed, peeky", "#CC79A7"),
}
PAGE = """# Addition of numbers of up to three digits

Written by `run.sh`, not by hand.

{made}

## Held-out problems solved, after each epoch

{table}

- percentage of the {count:,} problems of the test text whose total is right in all digits, by
  greedy search with the last weights; none of them is in the training text.

![Held-out problems solved, by epoch](figures/accuracy.svg)

Made with the table; data: `figures/accuracy.tsv`.
"""


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def accuracies(name: str, references: Sequence[str]) -> list[float]:
    """The percentage of ``references`` that a system gave, epoch by epoch."""
    folder, found = WORK / "epochs" / name, list[float]()
    while (path := folder / f"{len(found) + 1}.total").exists():
        right = sum(one == two for one, two in zip(lines(path), references, strict=True))
        found.append(100 * right / len(references))
    return found


def draw(curves: dict[str, list[float]], path: Path) -> None:
    """The curves as a picture, where matplotlib is there."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        print("# No figure: it needs matplotlib, pip install 's2s-cli[plot]'", file=sys.stderr)
        return
    with matplotlib.rc_context({"svg.hashsalt": "s2s", "svg.fonttype": "none"}):
        figure = Figure(figsize=(7.2, 3.9), layout="constrained")
        axes = figure.add_subplot()
        for name, curve in curves.items():
            label, colour = SYSTEMS[name]
            axes.plot(range(1, len(curve) + 1), curve, label=label, color=colour, marker=".")
        axes.set(xlabel="epoch", ylabel="problems solved, %", ylim=(0, 100))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    references = lines(WORK / "corpus/test.total")
    curves = {name: accuracies(name, references) for name in SYSTEMS}
    epochs = range(1, max(map(len, curves.values())) + 1)
    Path("figures").mkdir(exist_ok=True)
    rows = [["epoch", *(label for label, _ in SYSTEMS.values())]]
    for epoch in epochs:
        cells = [f"{each[epoch - 1]:.1f}" if epoch <= len(each) else "" for each in curves.values()]
        rows.append([str(epoch), *cells])
    tsv = "".join("\t".join(row) + "\n" for row in rows)
    Path("figures/accuracy.tsv").write_text(tsv, encoding="utf-8")
    draw(curves, Path("figures/accuracy.svg"))
    made = origin("recipes/addition/run.sh", ["corpus", "prep", "vocab", "epochs"], WORK)
    page = PAGE.format(made=made, table="\n".join(aligned(rows)), count=len(references))
    Path("RESULTS.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
