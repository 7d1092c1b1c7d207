"""How values look as text: tables and trees, for `repr`, the command line and logs alike."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

Cell = object
WIDTH = 100
"""Columns of every text; only a word that people paste (an id, a path) may be wider."""
_NARROW, _WORD = 20, 30
"""Columns of a table that are this narrow stay so; a longer word than this is cut into pieces."""
_LISTED = 16
"""Columns of a list that are this narrow stay so."""
_LAST = 12
"""Columns that any column keeps, where nothing else helps."""
_NEAREST = 40
"""Columns that a text keeps deep in a tree, and that the names of a table keep."""
_GAP, _BELOW = "  ", "    "

_ACTING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What a terminal acts on in place of showing it, and what it cannot show at all."""

_room: ContextVar[int] = ContextVar("room", default=WIDTH)
"""Columns that there are for tables: fewer than `WIDTH` on a narrow terminal."""


@contextmanager
def within_columns(columns: int) -> Iterator[None]:
    """Draw tables for so many columns, 60 to `WIDTH`, while the block lasts."""
    token = _room.set(min(max(columns, 60), WIDTH))
    try:
        yield
    finally:
        _room.reset(token)


def spell(value: Cell) -> str:
    """Return a cell as people read it: four significant digits, thousands with commas.

    >>> spell(1234.5678), spell(-0.0)
    ('1,235', '0')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:z,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"
    return str(value)


def printable(text: str) -> str:
    r"""Return a text of which a terminal shows all and obeys nothing; its lines stay.

    Names of files, parameters and messages may hold escape codes.

    >>> printable("a\x1b[31m")
    'a\\x1b[31m'
    """
    return _ACTING.sub(_escaped, text.replace("\r\n", "\n"))


def on_one_line(name: str) -> str:
    r"""Return a name, of a file say, on one line: as `printable`, line breaks and tabs too.

    >>> on_one_line("a\nb.csv")
    'a\\nb.csv'
    """
    return printable(name).replace("\n", "\\n").replace("\t", "\\t")


def _escaped(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode("ascii")


def counted(count: int, what: str) -> str:
    """Return how many there are of what one calls `what` when it is one.

    >>> counted(1, "new row"), counted(1200, "new row"), counted(2, "entry")
    ('1 new row', '1,200 new rows', '2 entries')
    """
    if count == 1:
        return f"1 {what}"
    is_y = what.endswith("y") and what[-2:-1] not in "aeiou"
    many = f"{what[:-1]}ies" if is_y else f"{what}{'es' if what.endswith(('s', 'x', 'h')) else 's'}"
    return f"{count:,} {many}"


def cut(text: str, width: int) -> str:
    """Return a text in at most `width` characters, an ellipsis where it goes on.

    >>> cut("a long reason", 8)
    'a long …'
    """
    return text if len(text) <= width else text[: width - 1] + "…"


def wrapped(text: str, width: int) -> list[str]:
    """Return a text as lines of at most `width`, broken between words; longer words stay whole.

    >>> wrapped("which rows made this", 10)
    ['which rows', 'made this']
    """
    lines: list[str] = []
    for given in text.split("\n"):
        if len(given) <= width:
            lines.append(given)
            continue
        line = given[: len(given) - len(given.lstrip())]
        is_begun = False
        for word in given.split():
            if is_begun and len(line) + 1 + len(word) > width:
                lines.append(line)
                line, is_begun = "", False
            line += f" {word}" if is_begun else word
            is_begun = True
        lines.append(line)
    return lines


def folded(text: str, width: int = WIDTH) -> str:
    """Return a text whose wide lines go on below, set in by two; rows of tables stay whole.

    >>> print(folded("  because of this", 12))
      because
        of this
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) <= width or line.startswith("|") or "   " in line.lstrip():
            lines.append(line)
            continue
        indent = " " * (len(line) - len(line.lstrip()))
        first, *rest = wrapped(line.lstrip(), width - len(indent) - 2)
        lines += [indent + first, *(f"{indent}  {one}" for one in rest)]
    return "\n".join(lines)


def _fitting(widths: Sequence[int], least: Sequence[int]) -> list[int]:
    """Return column widths that fit: the widest column gives way until all do, or all are least."""
    fitted = list(widths)
    room = _room.get() - len(_GAP) * (len(widths) - 1)
    while sum(fitted) > room and fitted != list(least):
        spare = [width if width > floor else 0 for width, floor in zip(fitted, least, strict=True)]
        fitted[spare.index(max(spare))] -= 1
    return fitted


def _least(column: Sequence[str], width: int, narrow: int, longest: int) -> int:
    """Return how narrow a column of text may become, so that words up to `longest` stay whole."""
    word = max((len(word) for cell in column for word in cell.split()), default=0)
    return min(width, max(narrow, min(word, longest)))


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], *, is_list: bool = False) -> str:
    """Return an aligned table; columns of numbers are right-aligned.

    Where it would be wider than `WIDTH`, cells of text go on in the lines below, and a last column
    that has little room left stands below its row; in a list each row is one line, and its cells
    end in an ellipsis.

    >>> print(table(["name", "rows"], [["a", 1], ["bb", 1200]]))
    name   rows
    a         1
    bb    1,200
    """
    given = [list(row) for row in rows]
    cells = [[spell(cell) for cell in row] for row in given]
    titled = [list(head), *cells]
    numeric = [
        bool(given) and all(isinstance(row[i], int | float | None) for row in given)
        for i in range(len(head))
    ]
    widths = [max(max(map(len, row[i].split("\n"))) for row in titled) for i in range(len(head))]
    below = not is_list and not numeric[-1] and _is_crowded(widths)
    widths = _fitted(widths[:-1] if below else widths, cells, numeric, is_list=is_list)
    if is_list:
        titled = [
            [cut(" ".join(c.split()), w) for c, w in zip(row, widths, strict=True)]
            for row in titled
        ]
    lines: list[str] = []
    for row in titled:
        lines += _lines(row[: len(widths)], widths, numeric[: len(widths)])
        if below:
            lines += [_BELOW + one for one in wrapped(row[-1], _room.get() - len(_BELOW)) if one]
    return "\n".join(lines)


def _is_crowded(widths: Sequence[int]) -> bool:
    """Return whether the last column of a table would have less room than a few words need."""
    room = _room.get() - sum(widths[:-1]) - len(_GAP) * (len(widths) - 1)
    return len(widths) > 2 and widths[-1] > max(room, 0) and room < _WORD


def _fitted(
    widths: list[int], cells: Sequence[Sequence[str]], numeric: Sequence[bool], *, is_list: bool
) -> list[int]:
    """Return the widths of columns, less where they would be too wide together."""
    if sum(widths) + len(_GAP) * (len(widths) - 1) <= _room.get():
        return widths
    flows = [(i > 0 or width > _NEAREST) and not numeric[i] for i, width in enumerate(widths)]
    for narrow, longest in ((_LISTED, _LISTED) if is_list else (_NARROW, _WORD), (_LAST, _LAST)):
        least = [
            _least([row[i] for row in cells], width, narrow, longest) if flows[i] else width
            for i, width in enumerate(widths)
        ]
        widths = _fitting(widths, least)
    return widths


def _lines(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> list[str]:
    """Return a row of a table as lines: as many as its highest cell has."""
    columns = [_in_column(cell, width) for cell, width in zip(row, widths, strict=True)]
    height = max(map(len, columns), default=0)
    return [
        _GAP.join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(
                [column[at] if at < len(column) else "" for column in columns],
                widths, numeric, strict=True,
            )
        ).rstrip()
        for at in range(height)
    ]  # fmt: skip


def _in_column(cell: str, width: int) -> list[str]:
    """Return a cell as lines of its column; a word that is wider than it is cut into pieces."""
    return [
        line[start : start + width]
        for line in wrapped(cell, width)
        for start in range(0, max(len(line), 1), max(width, 1))
    ]


def tree(root: str, branches: Sequence[tuple[str, Sequence[object]]], width: int = WIDTH) -> str:
    """Return a tree of texts: each branch is a text and its own branches.

    >>> print(tree("a", [("b", [("c", [])]), ("d", [])]))
    a
    ├─ b
    │  └─ c
    └─ d
    """
    first, *rest = wrapped(root, max(width - 3, _NEAREST))
    lines = [first, *(f"{'│  ' if branches else '   '}{one}" for one in rest)]
    for index, (text, below) in enumerate(branches):
        is_last = index == len(branches) - 1
        drawn = tree(text, below, width - 3).split("\n")  # type: ignore[arg-type]
        lines.append(("└─ " if is_last else "├─ ") + drawn[0])
        lines.extend(("   " if is_last else "│  ") + line for line in drawn[1:])
    return "\n".join(lines)
