"""How values look as text: tables and trees, for `repr`, the command line and logs alike."""

from collections.abc import Iterable, Sequence

Cell = object


def spell(value: Cell) -> str:
    """Return a cell as people read it: four significant digits, thousands with commas."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return str(value)


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Return an aligned table; columns of numbers are right-aligned.

    >>> print(table(["name", "rows"], [["a", 1], ["bb", 1200]]))
    name   rows
    a         1
    bb    1,200
    """
    given = [list(row) for row in rows]
    cells = [[spell(cell) for cell in row] for row in given]
    widths = [max([len(title), *(len(r[i]) for r in cells)]) for i, title in enumerate(head)]
    numeric = [
        bool(given) and all(isinstance(row[i], int | float | None) for row in given)
        for i in range(len(head))
    ]

    def line(row: Sequence[str]) -> str:
        parts = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([line(head), *map(line, cells)])


def tree(root: str, branches: Sequence[tuple[str, Sequence[object]]]) -> str:
    """Return a tree of texts: each branch is a text and its own branches.

    >>> print(tree("a", [("b", [("c", [])]), ("d", [])]))
    a
    ├─ b
    │  └─ c
    └─ d
    """
    lines = [root]
    for index, (text, below) in enumerate(branches):
        is_last = index == len(branches) - 1
        drawn = tree(text, below).split("\n")  # type: ignore[arg-type]
        lines.append(("└─ " if is_last else "├─ ") + drawn[0])
        lines.extend(("   " if is_last else "│  ") + rest for rest in drawn[1:])
    return "\n".join(lines)
