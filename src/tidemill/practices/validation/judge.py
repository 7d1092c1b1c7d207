"""Judge: rows against a contract, batch by batch in one pass; counts, and the rows that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.kernels.row_rules_polars import failed_polars
from tidemill.lineage.suggestions import closest
from tidemill.practices.validation.seen_keys import SeenKeys
from tidemill.practices.validation.spec import contract_rules, polars_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from tidemill.practices.validation.spec import ContractSpec

ROW, RULES, TEXT, FILE = "_row", "_rules", "_text", "_file"
"""Columns of a quarantined row: its number in the source, from 1, the rules it broke, what stands
in the cells that could not be read, and, where the source is a folder, the file."""

MOST_EXAMPLES = 20


class RuleCount(msgspec.Struct, kw_only=True):
    """Rows that broke one rule so far, the numbers of the first, and a text that was no value."""

    name: str
    rows_failed: int = 0
    first_rows: list[int] = []
    text: str = ""


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One batch, split: `bad` has the columns `_row`, `_rules` and `_text` too."""

    kept: pl.DataFrame
    bad: pl.DataFrame


class Judge:
    """Counts what breaks the rules of a contract. Close it at the end."""

    def __init__(self, spec: ContractSpec) -> None:
        self.spec = spec
        self.rows = 0
        self.rows_failed = 0
        self.nulls: dict[str, int] = dict.fromkeys(spec.types, 0)
        self.newest: datetime | None = None
        self._rules = contract_rules(spec)
        self._failed = [failed_polars(rule) for rule in self._rules]
        self._seen = {unique_name(names): SeenKeys(names) for names in spec.unique_sets}
        names = (*(rule.name for rule in self._rules), *self._seen)
        self.counts = {name: RuleCount(name=name) for name in names}
        self._files: list[tuple[int, str]] = []

    def turn_to(self, file: str, first_row: int) -> None:
        """Learn that the rows from `first_row` on, counted from 0, are those of a file."""
        if file and (not self._files or self._files[-1][1] != file):
            self._files.append((first_row, file))

    def place_of(self, row: int) -> str:
        """Return what to call a row, counted from 1: by its file and place there, if it has one."""
        first, file = max((one for one in self._files if one[0] < row), default=(0, ""))
        return f"{file} row {row - first:,}" if file else f"row {row:,}"

    def close(self) -> None:
        """Forget the keys, and their temporary files."""
        for seen in self._seen.values():
            seen.close()

    def learn(self, frames: Iterable[pl.DataFrame]) -> None:
        """Take rows that are there already: their keys may not come again."""
        for frame in frames:
            typed = with_types(frame, self.spec)
            for seen in self._seen.values():
                seen.repeated(typed)

    def judge(
        self, batch: pl.DataFrame, first_row: int, unread: pl.DataFrame | None = None
    ) -> Judged:
        """Return a batch as rows to keep and rows that break a rule.

        A row that could not be read breaks the rules that say so, and is asked no other one.

        Args:
            batch: rows with the columns of the contract, in its types.
            first_row: how many rows of the source came before.
            unread: rows of the batch that could not be read, as `ports/source.py` says them.
        """
        numbers = pl.int_range(first_row + 1, first_row + batch.height + 1, eager=True)
        row_rules = list(batch.select(self._failed)) if self._failed else []
        if unread is not None and unread.height:
            types = self._unread(unread, first_row, batch.height)
            is_read = ~_any(types, batch.height)
            row_rules = [*types, *(series & is_read for series in row_rules)]
        repeated = self._repeated(batch, ~_any(row_rules, batch.height))
        failed = [*row_rules, *repeated]
        is_bad = _any(failed, batch.height)
        for series in failed:
            self._count(series, numbers)
        self.rows += batch.height
        self.rows_failed += int(is_bad.sum())
        kept = batch.filter(~is_bad)
        self._look(kept)
        bad = batch.with_columns(numbers.alias(ROW), _broken(failed, batch.height)).filter(is_bad)
        bad = bad.join(_texts(unread), on=ROW, how="left", maintain_order="left")
        return Judged(kept=kept, bad=bad)

    def _unread(self, unread: pl.DataFrame, first_row: int, rows: int) -> list[pl.Series]:
        """Return where a row could not be read, one series a rule that says so."""
        made = []
        for (name,), found in unread.group_by("rule", maintain_order=True):
            rule = str(name)
            if rule not in self.counts:
                self.counts = {rule: RuleCount(name=rule, text=found["text"][0]), **self.counts}
            places = (found["row"] - first_row - 1).unique()
            mask = pl.repeat(value=False, n=rows, eager=True).scatter(places, True)  # noqa: FBT003
            made.append(mask.alias(rule))
        return made

    def _repeated(self, batch: pl.DataFrame, is_good: pl.Series) -> list[pl.Series]:
        """Return where a key came before among rows that broke no other rule, one series a set."""
        made = []
        for name, seen in self._seen.items():
            places = is_good.arg_true()
            found = pl.Series(seen.repeated(batch[places]), dtype=pl.Boolean)
            mask = pl.repeat(value=False, n=batch.height, eager=True).scatter(places, found)
            made.append(mask.alias(name))
        return made

    def _count(self, failed: pl.Series, numbers: pl.Series) -> None:
        count = self.counts[failed.name]
        rows = int(failed.sum())
        if not rows:
            return
        count.rows_failed += rows
        missing = MOST_EXAMPLES - len(count.first_rows)
        if missing > 0:
            count.first_rows = [*count.first_rows, *numbers.filter(failed).head(missing)]

    def _look(self, kept: pl.DataFrame) -> None:
        for name in self.nulls:
            self.nulls[name] += kept[name].null_count()
        column = self.spec.fresh_column
        newest = kept[column].max() if column and kept.height else None
        if newest is not None and (self.newest is None or newest > self.newest):  # type: ignore[operator]
            self.newest = newest  # type: ignore[assignment]  # a column of times


def unique_name(columns: tuple[str, ...]) -> str:
    """Return what the rule is called that the values of columns come once only."""
    return f"{'+'.join(columns)}.unique"


def check_columns(schema: Mapping[str, pl.DataType], spec: ContractSpec) -> None:
    """Check that data have the columns of a contract, and no others where it forbids them.

    Raises:
        InvalidInputError: a column is missing (names the closest), or is one too many.
    """
    wanted = dict.fromkeys([*spec.types, *(name for names in spec.unique_sets for name in names)])
    for name in wanted:
        if name not in schema:
            near = closest(name, [other for other in schema if other not in wanted])
            hint = f"; {near!r} is there" if near else ""
            raise InvalidInputError(
                f"column {name!r} of contract {spec.name or 'key'} is missing{hint}",
                fix=f"rename {near!r}" if near else f"add it; there are {', '.join(schema)}",
            )
    more = [name for name in schema if name not in wanted]
    if more and not spec.takes_more_columns:
        raise InvalidInputError(
            f"column {more[0]!r} is not in contract {spec.name}, which forbids more columns",
            fix=f"leave it out, or declare it in {spec.name}",
        )
    for name in (ROW, RULES, TEXT, FILE):
        if name in schema:
            raise InvalidInputError(
                f"a column is called {name!r}, a name of the quarantine's", fix="rename it"
            )


def with_types(frame: pl.DataFrame, spec: ContractSpec) -> pl.DataFrame:
    """Return rows with the declared columns in the types of the contract.

    Raises:
        InvalidInputError: a value is not of its column's type; names column and type.
    """
    for name, wanted in polars_schema(spec).items():
        if name not in frame.columns or frame.schema[name] == wanted:
            continue
        try:
            frame = frame.with_columns(frame[name].cast(wanted))
        except pl.exceptions.PolarsError as error:
            raise InvalidInputError(
                f"column {name!r} has values that are no {spec.types[name]}",
                fix="correct the values, or the type in the contract",
            ) from error
    return frame


def _texts(unread: pl.DataFrame | None) -> pl.DataFrame:
    """Return what stands in the cells of each row that could not be read, `column=text`."""
    if unread is None or not unread.height:
        return pl.DataFrame(schema={ROW: pl.Int64, TEXT: pl.String})
    column = pl.col("rule").str.strip_suffix(".type")
    return (
        unread.select(
            pl.col("row").alias(ROW),
            pl.when(pl.col("rule") == column).then(pl.col("text"))
            .otherwise(column + "=" + pl.col("text")).alias(TEXT),
        )
        .group_by(ROW, maintain_order=True)
        .agg(pl.col(TEXT).str.join(", "))
    )  # fmt: skip


def _any(failed: list[pl.Series], rows: int) -> pl.Series:
    if not failed:
        return pl.repeat(value=False, n=rows, eager=True)
    return pl.DataFrame(failed).select(pl.any_horizontal(pl.all())).to_series()


def _broken(failed: list[pl.Series], rows: int) -> pl.Series:
    """Return the names of the rules that each row broke, joined by comma."""
    if not failed:
        return pl.repeat("", rows, dtype=pl.String, eager=True).alias(RULES)
    names = [pl.when(pl.col(series.name)).then(pl.lit(series.name)) for series in failed]
    told = pl.concat_str(names, separator=",", ignore_nulls=True)
    return pl.DataFrame(failed).select(told.alias(RULES)).to_series()
