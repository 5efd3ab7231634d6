"""One alignment from two: grow-diag-final-and (Koehn, Och and Marcu 2003; Koehn et al. 2005)."""

from smt.corpus import Array, Text

Points = set[tuple[int, int]]  # position in the source, position in the target
NEIGHBOURS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def grow_diag_final_and(direct: Points, inverse: Points) -> Points:
    """Begin with the intersection, grow it along neighbours, and add links of unaligned words."""
    either = direct | inverse
    points = direct & inverse
    rows, columns = {i for i, _ in points}, {j for _, j in points}
    grow_diag(points, either, rows, columns)
    for part in direct, inverse:
        for i, j in sorted(part):
            if i not in rows and j not in columns:
                add_point(points, rows, columns, (i, j))
    return points


def grow_diag(points: Points, either: Points, rows: set[int], columns: set[int]) -> None:
    """Add neighbours, also diagonal ones, in ``either`` that align a word without a link."""
    added = len(either) > len(points)
    while added:
        added = False
        for i, j in sorted(points):
            for down, right in NEIGHBOURS:
                point = i + down, j + right
                unaligned = point[0] not in rows or point[1] not in columns
                if unaligned and point in either:
                    add_point(points, rows, columns, point)
                    added = True


def add_point(points: Points, rows: set[int], columns: set[int], point: tuple[int, int]) -> None:
    points.add(point)
    rows.add(point[0])
    columns.add(point[1])


def symmetrised(source: Text, target: Text, direct: Array, inverse: Array, number: int) -> Points:
    """Symmetrise what `aligner.align_both` found for one sentence."""
    to_source = direct[target.starts[number] : target.starts[number + 1]].tolist()
    to_target = inverse[source.starts[number] : source.starts[number + 1]].tolist()
    return grow_diag_final_and(
        {(i, j) for j, i in enumerate(to_source) if i >= 0},
        {(i, j) for i, j in enumerate(to_target) if j >= 0},
    )
