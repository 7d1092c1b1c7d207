"""Inference: a contract proposed from data, as Python text that people read, change and keep."""

from __future__ import annotations

import json
import keyword
import math
import re
import struct
from typing import TYPE_CHECKING

import polars as pl

from tidemill.kernels.histograms import SHIFT, NumberStatistics, quantile
from tidemill.kernels.intervals import clopper_pearson_interval
from tidemill.practices.validation.contract import SETTINGS
from tidemill.practices.validation.profile import ColumnProfile, Profiler
from tidemill.practices.validation.watcher import batches_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tidemill.kernels.category_counts import CategoryCounts
    from tidemill.kernels.row_expression import ColumnType

MOST_LEVELS = 100
"""Most values of a closed set."""

LEAST_ROWS = 1000
"""Fewest rows by which a column is taken to be unique, or a set of many values to be closed."""

LEAST_KNOWN_ROWS = 100
"""Fewest rows by which a column is taken to have a range, or no gaps."""

FEW_LEVELS, LEAST_SEEN = 20, 10
"""So few values, each seen so often, are a closed set of `LEAST_KNOWN_ROWS` rows already."""

MOST_NUMBERS = 10
"""Most whole numbers of a closed set; below 128 each has a bin of its own."""

_NEW_LEVEL_CHANCE = 0.001
_CONFIDENCE = 0.999
_NULL_ALLOWANCE = 1.5
_TAIL = 0.001
_STRETCH = 3.0
_TYPES: Mapping[str, ColumnType] = {
    "utf8": "str", "bool": "bool", "instant": "datetime", "datetime": "datetime", "date": "date",
    "float": "float", "double": "float", "halffloat": "float",
    **dict.fromkeys(
        ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"), "int"
    ),
}  # fmt: skip


def proposed_code(name: str, rows: pl.LazyFrame) -> str:
    """Return a contract class for `data:NAME` as Python text; one pass, and one for the key.

    Ranges reach beyond the outermost thousandths by three times their distance from the middle;
    a set is closed where the Good-Turing chance of a new value is at most 0.001; missing values
    may be 1.5 times the upper Clopper-Pearson bound (99.9 %) of what was seen, and may come where
    there are too few rows to say. The data that it comes from keep it. Numbers that only run on,
    as keys do, have no range; a comment names columns of which any value passes.
    """
    profiler = Profiler()
    profiler.update(pl.DataFrame(schema=rows.collect_schema()))
    for batch in batches_of(rows):
        profiler.update(batch)
    profile = profiler.result()
    unique = _unique_columns(rows, profile.columns, profile.rows)
    running = _running_columns(rows, profile.columns, profile.rows)
    without = {*running, *unique[:1]}
    bounds = {one.name: _bounds(one, unique, without) for one in profile.columns}
    lines = [_column_line(column, bounds[column.name]) for column in profile.columns]
    free = [
        one.name for one in profile.columns if one.name not in unique[:1] and _is_free(one, bounds)
    ]
    if free:
        told = ", ".join(_quoted(n) + (" (a running number)" if n in running else "") for n in free)
        lines += ["", f"    # any value of its type passes: {told}"]
    head = [
        *_imports(profile.columns), "import tidemill as tm", "", "",
        f"class {_class_name(name)}(tm.Contract):",
        f'    """Proposed from {profile.rows:,} rows; say what one row is."""', "",
        f"    data = {_quoted(name)}", *([f"    key = ({_quoted(unique[0])},)"] if unique else []),
        "    min_rows = 1", "",
    ]  # fmt: skip
    return "\n".join([*head, *lines]) + "\n"


def _unique_columns(rows: pl.LazyFrame, columns: Iterable[ColumnProfile], count: int) -> list[str]:
    """Return the text and whole-number columns without gaps whose values all differ, exactly."""
    asked = [
        column.name
        for column in columns
        if _TYPES.get(column.type) in ("str", "int") and not column.nulls
    ]
    if count < LEAST_ROWS or not asked:
        return []
    found = rows.select(pl.col(asked).n_unique()).collect(engine="streaming")
    return [name for name in asked if found[name][0] == count]


def _running_columns(rows: pl.LazyFrame, columns: Iterable[ColumnProfile], count: int) -> list[str]:
    """Return the whole-number columns that run on: each value once, in order or without holes."""
    asked = [
        column.name for column in columns if _TYPES.get(column.type) == "int" and not column.nulls
    ]
    if count < 2 or not asked:
        return []
    found = rows.select(
        pl.struct(
            unique=pl.col(name).n_unique() == count,
            runs=(pl.col(name).diff().drop_nulls() > 0).all()
            | (pl.col(name).max() - pl.col(name).min() < 2 * count),
        ).alias(name)
        for name in asked
    ).collect()
    return [name for name in asked if all(found[name][0].values())]


def _bounds(column: ColumnProfile, unique: list[str], without: set[str]) -> list[str]:
    """Return what is promised of a column's values: a range, or a closed set."""
    type_ = _TYPES.get(column.type)
    if column.numbers is not None and type_ in ("int", "float") and column.name not in without:
        return (type_ == "int" and _few_numbers(column.numbers)) or _range(column.numbers, type_)
    if column.levels is not None and column.name not in unique:
        return _closed_set(column.levels)
    return []


def _is_free(column: ColumnProfile, bounds: Mapping[str, list[str]]) -> bool:
    type_ = _TYPES.get(column.type)
    has_nan = column.numbers is not None and column.numbers.nans
    return type_ not in (None, "bool") and not has_nan and not bounds[column.name]


def _column_line(column: ColumnProfile, bounds: list[str]) -> str:
    type_ = _TYPES.get(column.type)
    if type_ is None:
        return f"    # {_quoted(column.name)} is {column.type}: kept, but no type of a contract"
    if column.numbers is not None and column.numbers.nans:
        return (
            f"    # {_quoted(column.name)} is {type_} with {column.numbers.nans:,} NaN, which a"
            " contract forbids: make them null to declare it"
        )
    options = [f"name={_quoted(column.name)}"] if _attribute(column.name) != column.name else []
    options += bounds
    if column.nulls:
        options.append(f"max_null_share={_null_share(column):.3g}")
    written = f" = tm.column({', '.join(options)})" if options else ""
    is_nullable = column.nulls or column.rows < LEAST_KNOWN_ROWS
    return f"    {_attribute(column.name)}: {type_}{' | None' if is_nullable else ''}{written}"


def _few_numbers(numbers: NumberStatistics) -> list[str]:
    """Return the closed set of a few whole numbers: 0 and 1, or some with gaps between them.

    Three and more without a gap are rather the beginning of a range: months, counts, ranks.
    """
    if numbers.infinities or numbers.minimum is None or numbers.maximum is None:
        return []
    low, high = int(numbers.minimum), int(numbers.maximum)
    counts = numbers.histogram.counts
    if not 2 <= len(counts) <= MOST_NUMBERS or max(-low, high) >= 128 or numbers.histogram.level:
        return []
    if (low, high) == (0, 1):
        return ["one_of=[0, 1]"]
    has_gaps = high - low >= len(counts) or len(counts) == 2
    if not has_gaps or not _is_closed(counts, numbers.finite):
        return []
    found = sorted(_number(key) for key in numbers.histogram.keys)
    return [f"one_of=[{', '.join(map(str, found))}]"]


def _number(key: int) -> int:
    """Return the whole number below 128 whose bin has this key."""
    (value,) = struct.unpack(">d", (abs(key) << SHIFT).to_bytes(8))
    return int(math.copysign(value, key))


def _range(numbers: NumberStatistics, type_: ColumnType) -> list[str]:
    low, middle, high = (quantile(numbers, share) for share in (_TAIL, 0.5, 1 - _TAIL))
    minimum, maximum = numbers.minimum, numbers.maximum
    if low is None or middle is None or high is None or numbers.infinities:
        return []
    if minimum is None or maximum is None or minimum == maximum:
        return []  # one value says nothing of what others may be
    if numbers.finite < LEAST_KNOWN_ROWS:
        return []
    lowest = min(low - _STRETCH * (middle - low), minimum)
    highest = max(high + _STRETCH * (high - middle), maximum)
    if minimum >= 0:
        lowest = max(lowest, 0.0)
    if maximum <= 0:
        highest = min(highest, 0.0)
    if type_ == "int":
        return [f"between=({_whole(math.floor(lowest))}, {_whole(math.ceil(highest))})"]
    return [f"between=({_rounded(lowest, math.floor)}, {_rounded(highest, math.ceil)})"]


def _whole(bound: int) -> int:
    return max(-(2**63), min(bound, 2**63 - 1))


def _rounded(value: float, towards: Callable[[float], int]) -> float:
    """Return a bound of three digits, rounded outwards."""
    if not value:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    return float(f"{towards(value / unit) * unit:.12g}")


def _closed_set(levels: CategoryCounts) -> list[str]:
    rows = levels.rows - levels.nulls
    if not levels.is_complete or not 0 < len(levels.levels) <= MOST_LEVELS:
        return []
    if not _is_closed(levels.counts, rows):
        return []
    return [f"one_of=[{', '.join(map(_quoted, levels.levels))}]"]


def _is_closed(counts: Sequence[int], rows: int) -> bool:
    """Whether other values are not to be expected: many rows, or few values each seen often."""
    if rows >= LEAST_ROWS:
        return sum(count == 1 for count in counts) <= _NEW_LEVEL_CHANCE * rows
    often = min(counts, default=0) >= LEAST_SEEN
    return rows >= LEAST_KNOWN_ROWS and often and len(counts) <= FEW_LEVELS


def _null_share(column: ColumnProfile) -> float:
    upper = clopper_pearson_interval(column.nulls, column.rows, _CONFIDENCE)[1]
    return min(1.0, _NULL_ALLOWANCE * upper)


def _quoted(text: str) -> str:
    """Return a text as Python writes it, in double quotes; nothing of it can run."""
    return json.dumps(text, ensure_ascii=False)


def _attribute(name: str) -> str:
    """Return a column's name as an attribute."""
    made = re.sub(r"\W", "_", name) or "_"
    made = made if made[0].isalpha() else f"column_{made.lstrip('_')}"
    return f"{made}_" if keyword.iskeyword(made) or made in SETTINGS else made


def _class_name(data: str) -> str:
    """Return a class for data: `plane_history` becomes `PlaneHistory`."""
    made = "".join(part[:1].upper() + part[1:] for part in re.split(r"\W|_", data))
    is_free = made.isidentifier() and not keyword.iskeyword(made) and made != "Contract"
    return made if is_free else f"Data{made}"


def _imports(columns: Iterable[ColumnProfile]) -> list[str]:
    used = sorted({_TYPES.get(column.type, "") for column in columns} & {"date", "datetime"})
    return [f"from datetime import {', '.join(used)}", ""] if used else []
