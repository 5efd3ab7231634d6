"""Draw how many sums each system had right after each epoch; the data are written beside it.

Runs in the recipe's directory. work/train/SYSTEM.EPOCH.sum has what SYSTEM made of the problems
after EPOCH, work/corpus/test.sum the sums.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from s2s_cli.errors import UserError
from s2s_cli.scoring.pictures import DATA, require_matplotlib, write_figure
from s2s_cli.scoring.plots import canvas, line_style, name_lines
from s2s_cli.scoring.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WORK = Path("work")
Curves = dict[str, list[float]]


def measure_accuracies(systems: list[str], epochs: int) -> Curves:
    """Measure the accuracy of each system after each epoch, in per cent."""
    sums = read_rows(WORK / "corpus/test.sum")
    return {
        system: [
            accuracy(read_rows(WORK / f"train/{system}.{epoch}.sum"), sums)
            for epoch in range(1, epochs + 1)
        ]
        for system in systems
    }


def read_rows(path: Path) -> list[str]:
    return path.read_text("utf-8").split("\n")[:-1]


def accuracy(found: list[str], sums: list[str]) -> float:
    """Percentage of lines that are right to the last digit."""
    return 100 * sum(one == other for one, other in zip(found, sums, strict=True)) / len(sums)


def make_table(curves: Curves) -> Table:
    """Make a table with a row for each epoch."""
    rows = [
        [str(epoch), *(f"{each:.2f}" for each in row)]
        for epoch, row in enumerate(zip(*curves.values(), strict=True), start=1)
    ]
    return Table(["epoch", *curves], rows)


def plot_curves(curves: Curves) -> "Figure":
    """Plot a line for each system."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = canvas(7.2, 3.9)
    for number, accuracies in enumerate(curves.values()):
        colour, marker = line_style(number)
        epochs = range(1, len(accuracies) + 1)
        axes.plot(epochs, accuracies, color=colour, marker=marker, clip_on=False, zorder=3)
    axes.set_ylim(0, 100)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epochs")
    axes.set_ylabel("sums right to the last digit, %")
    name_lines(figure, axes, [(name, values[-1]) for name, values in curves.items()])
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the accuracy after each epoch.")
    parser.add_argument("output", type=Path, help="picture to write, with its data beside it")
    parser.add_argument("systems", nargs="+", help="names of the lines")
    parser.add_argument("--epochs", type=int, required=True)
    given = parser.parse_args()
    curves, output = measure_accuracies(given.systems, given.epochs), given.output
    try:
        require_matplotlib()
    except UserError:
        print("# No picture: it needs matplotlib (pip install matplotlib)", file=sys.stderr)
        output = output.with_suffix(DATA)
    write_figure(output, make_table(curves), partial(plot_curves, curves))


if __name__ == "__main__":
    main()
