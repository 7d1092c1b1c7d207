"""The training set of a pipeline: labelled rows with the features that were known at their time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl  # noqa: TC002 - workers read annotations

from tidemill.practices.features.declare import FeatureView
from tidemill.practices.features.on_demand import OnDemandView
from tidemill.practices.features.partitions import aligned, view_batches
from tidemill.practices.features.row_features import row_batches
from tidemill.practices.infrastructure.project import declared_at, object_path
from tidemill.practices.pipelines.data import data
from tidemill.practices.pipelines.declare import step
from tidemill.practices.pipelines.released_code import project_of
from tidemill.practices.versioning.tables import RowBatches

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from tidemill.practices.features.declared_views import AnyView


@step
def view_columns(asked: pl.LazyFrame, source: pl.LazyFrame, view: str, time: str) -> RowBatches:
    """Return one view's features of the asked rows; `view` is where it is declared."""
    return RowBatches(view_batches(declared_at(view, FeatureView), source, asked, time))


@step
def on_demand_columns(asked: pl.LazyFrame, view: str) -> RowBatches:
    """Return an on-demand view's features of the asked rows; `view` is where it is declared."""
    return RowBatches(row_batches(declared_at(view, OnDemandView), asked))


@step
def side_by_side(asked: pl.LazyFrame, columns: list[pl.LazyFrame]) -> RowBatches:
    """Return the asked rows with the columns of every view."""
    return RowBatches(aligned([asked, *columns]))


def training_set(
    labels: Any,  # noqa: ANN401 - the output of a step, a reference to a frame
    *,
    views: Sequence[AnyView],
    time: str = "at",
    as_of: date | datetime | str | None = None,
) -> Any:  # noqa: ANN401 - as above
    """Return rows with the features of views, each as it was known at the row's own time.

    Inside a pipeline. Each view is a step of its own, so that they run side by side and a changed
    view computes only its own columns again.

    Args:
        labels: the rows that ask: the views' keys, a time, and whatever else is wanted.
        views: the definitions; their sources are `data:` refs, those of on-demand views the rows.
        time: name of the time column.
        as_of: which versions of the sources; default: those at the run's effective time.
    """
    columns: list[Any] = [_columns(view, labels, time, as_of) for view in views]
    return side_by_side(labels, columns)


def _columns(
    view: AnyView,
    labels: Any,  # noqa: ANN401 - as above
    time: str,
    as_of: date | datetime | str | None,
) -> Any:  # noqa: ANN401 - as above
    if isinstance(view, FeatureView):
        return view_columns(labels, _source(view, as_of), view=object_path(view), time=time)
    return on_demand_columns(labels, view=object_path(view))


def _source(view: FeatureView, as_of: date | datetime | str | None) -> Any:  # noqa: ANN401
    project = project_of(str(getattr(view, "__module__", "")), default="")
    source = view.spec.source
    is_full = not project or "/" in source
    return data(source if is_full else f"{project}/{source}", as_of=as_of)
