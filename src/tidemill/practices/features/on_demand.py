"""On-demand views: features that are computed from the row that asks alone, with no source.

    @tm.on_demand_view(columns={"ordered_at": datetime}, features=("hour", "weekday"))
    def calendar(rows: pl.LazyFrame) -> pl.LazyFrame:
        at = pl.col("ordered_at").dt
        return rows.with_columns(hour=at.hour(), weekday=at.weekday())

The function gets the declared columns, each of its type, and gives a row for each row, in their
order. A value must not depend on the other rows that ask: the leak gate tries it.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.practices.features.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidemill.practices.features.view import ViewFunction

TYPES: Mapping[type, str] = {
    str: "str", int: "int", float: "float", bool: "bool", datetime: "datetime", date: "date",
}  # fmt: skip
"""What a column may be, and how a definition spells it."""


class OnDemandSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an on-demand view means but its function."""

    name: str
    columns: tuple[tuple[str, str], ...]
    """The columns of the asking row that it is computed from, and their types."""
    features: tuple[str, ...]

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features, in their order."""
        return self.features

    @property
    def asked(self) -> tuple[str, ...]:
        """The columns that rows which ask must have."""
        return tuple(name for name, _ in self.columns)


class OnDemandView(View):
    """A declared on-demand view."""

    spec: OnDemandSpec

    def __repr__(self) -> str:
        return (
            f"on-demand view {self.name} of {', '.join(self.asked)}: "
            f"{', '.join(self.feature_names)}"
        )


def on_demand_view(
    *, columns: Mapping[str, type], features: str | tuple[str, ...], name: str = ""
) -> Callable[[ViewFunction], OnDemandView]:
    """Declare a view whose features are computed from the columns of the row that asks alone.

    Args:
        columns: names of the columns that the function gets, and what each is: str, int, float,
            bool, datetime (UTC) or date.
        features: names of the columns that the function makes.
        name: name of the view; default: the function's.

    Raises:
        InvalidInputError: no columns or features, a column of another type, or a feature that is
            one of the columns.
    """
    names = (features,) if isinstance(features, str) else tuple(features)

    def declare(function: ViewFunction) -> OnDemandView:
        view_name = name or getattr(function, "__name__", "view")
        if not columns or not names:
            raise InvalidInputError(
                f"the on-demand view {view_name} has no columns, or no features",
                fix='write columns={"ordered_at": datetime}, features=("hour", "weekday")',
            )
        for column, type_ in columns.items():
            if type_ not in TYPES:
                raise InvalidInputError(
                    f"column {column!r} of the on-demand view {view_name} is declared as {type_!r}",
                    fix=f"give one of {', '.join(TYPES.values())}",
                )
        both = [feature for feature in names if feature in columns]
        if both or len(set(names)) < len(names):
            raise InvalidInputError(
                f"the on-demand view {view_name} names {(both or names)[0]!r} twice",
                fix="give each column and each feature a name of its own",
            )
        spec = OnDemandSpec(
            name=view_name, features=names,
            columns=tuple((column, TYPES[type_]) for column, type_ in columns.items()),
        )  # fmt: skip
        return OnDemandView(spec, function)

    return declare
