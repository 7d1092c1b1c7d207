"""Agreement: do the feature values that were served equal those that training would compute?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import NotFoundError
from tidemill.core.text import counted, table
from tidemill.core.times import parse_window
from tidemill.practices.features.declared_views import declared_views
from tidemill.practices.features.on_demand import OnDemandView
from tidemill.practices.monitoring.deployments import require_deployment
from tidemill.practices.monitoring.feature_values import computed_from
from tidemill.practices.monitoring.seals import scan_window
from tidemill.practices.versioning.data import scan_data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import polars as pl

    from tidemill.lineage.record import Record
    from tidemill.practices.features.declared_views import AnyView


class FeatureAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """One feature: rows compared, rows that differ, and the first that does."""

    feature: str
    view: str
    source: str
    rows: int
    differing: int
    example: str = ""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """What was served beside what the views say of the data now, feature by feature."""

    name: str
    window: str
    rows: int
    features: tuple[FeatureAgreement, ...]

    @property
    def cells(self) -> int:
        """Values that were compared."""
        return sum(feature.rows for feature in self.features)

    @property
    def differing(self) -> int:
        """Values that differ."""
        return sum(feature.differing for feature in self.features)

    def __str__(self) -> str:
        told = [
            [f.feature, f.view, f.source, f.rows, f.differing, f.example]
            for f in self.features
            if f.differing
        ]
        size = f"{counted(self.rows, 'row')}, {counted(len(self.features), 'feature')}"
        head = (
            f"{self.name} {self.window}: {self.differing:,} of {self.cells:,} served feature "
            f"values ({size}) differ from training's"
        )
        columns = ["feature", "view", "computed from", "rows", "differ", "first"]
        return f"{head}\n{table(columns, told)}" if told else head

    __repr__ = __str__


def feature_agreement(  # noqa: D417 - `record` is the context, not an argument of a face
    record: Record, name: str, *, window: str, at: datetime | None = None
) -> Agreement:
    """Compare the features that were served with those that training computes, value by value.

    Args:
        name: of the deployment.
        window: of effective time: 2013-04, 2013-04-07 or START..END; sealed predictions only.
        at: effective time: the views are evaluated on the data that were newest then.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    span = parse_window(window)
    require_deployment(record, name)
    sealed = scan_window(record, name, span)
    rows = None if sealed is None else sealed.filter(pl.col("status") == "ok").collect()
    if rows is None or not rows.height:
        raise NotFoundError(
            f"{name} has no sealed predictions in {span}",
            fix=f"tidemill predictions collect {name} --window {window}",
        )
    compared: list[FeatureAgreement] = []
    for view in declared_views(record).values():
        named = set(view.feature_names) & set(rows.columns)
        if named and set(view.asked) <= set(rows.columns):
            record.tell.progress(f"evaluating {view.name}")
            compared += _compared(record, view, rows, at)
    return Agreement(
        name=name, window=str(span), rows=rows.height, features=tuple(compared)
    )  # fmt: skip


def _compared(
    record: Record, view: AnyView, rows: pl.DataFrame, at: datetime | None
) -> Iterator[FeatureAgreement]:
    values, source = _computed(record, view, rows, at)
    for feature in values.columns:
        if feature not in rows.columns:
            continue
        served = rows[feature].cast(values[feature].dtype)
        differs = (served.ne_missing(values[feature])).arg_true()
        example = ""
        if differs.len():
            row = int(differs[0])
            example = (
                f"prediction:{rows['prediction_id'][row][-8:]} was served {served[row]}, "
                f"computed {values[feature][row]}"
            )
        yield FeatureAgreement(
            feature=feature, view=view.name, source=source, rows=rows.height,
            differing=differs.len(), example=example,
        )  # fmt: skip


def _computed(
    record: Record, view: AnyView, rows: pl.DataFrame, at: datetime | None
) -> tuple[pl.DataFrame, str]:
    """Return the features of served rows as training computes them, and what of."""
    from tidemill.practices.features.point_in_time import view_values  # noqa: PLC0415 - heavy
    from tidemill.practices.features.row_features import as_logged, row_features  # noqa: PLC0415

    if isinstance(view, OnDemandView):
        return row_features(view, as_logged(view, rows)), "the row that asks"
    source = computed_from(record, view, at)
    return view_values(view, scan_data(record, str(source)), rows, "at"), str(source)
