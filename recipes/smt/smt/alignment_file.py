"""Word alignments as files: a line of ``0-0 1-2`` for each pair, as fast_align has it."""

from array import array
from pathlib import Path

import numpy as np

from s2s_cli.errors import UserError
from s2s_cli.files import read_lines, replacing
from smt.corpus import Array, Text
from smt.phrases import Aligned
from smt.symmetrise import symmetrised


def write_alignment(source: Text, target: Text, direct: Array, inverse: Array, path: Path) -> int:
    """Symmetrise and write the alignment of each pair; returns the number of links."""
    links = 0
    with replacing(path) as out:
        for number in range(len(source.lengths)):
            points = sorted(symmetrised(source, target, direct, inverse, number))
            links += len(points)
            out.write((" ".join(f"{i}-{j}" for i, j in points) + "\n").encode())
    return links


def read_links(path: Path, source: Text, target: Text) -> Aligned:
    """Read the links of a text.

    Raises:
        UserError: it is the alignment of another text.
    """
    ends = array("q"), array("q")
    number = -1
    for number, line in enumerate(read_lines(path)):
        if number >= len(source.lengths):
            break
        first, second = int(source.starts[number]), int(target.starts[number])
        for point in line.split():
            i, _, j = point.partition("-")
            ends[0].append(first + int(i))
            ends[1].append(second + int(j))
    if number + 1 != len(source.lengths):
        raise UserError(f"{path} is not the alignment of this text; make it anew")
    found = (np.array(each, np.int64) for each in ends)
    return Aligned(source.starts, target.starts, *found)
