"""Where the feature values of a prediction come from, and whether they can be computed again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import TidemillError
from tidemill.core.text import counted
from tidemill.lineage.artifacts import find_artifact, read_value
from tidemill.practices.features.declared_views import declared_views
from tidemill.practices.features.joined_views import JoinedView
from tidemill.practices.features.on_demand import OnDemandView
from tidemill.practices.versioning.data import open_data, scan_data

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.practices.features.declare import FeatureView
    from tidemill.practices.features.declared_views import AnyView
    from tidemill.practices.monitoring.predictions import Prediction


class UsedFeature(msgspec.Struct, frozen=True, kw_only=True):
    """One logged feature value, and the rows of a version, counted from 1, that give it again."""

    feature: str
    view: str
    logged: float | int | bool | str | None
    computed: float | int | bool | str | None
    is_equal: bool
    source: str
    row_count: int
    rows: tuple[int, ...]
    columns: tuple[str, ...] = ()
    """Of an on-demand view: the columns of the row that asked, which it is computed from."""

    def __str__(self) -> str:
        rows = ", ".join(str(row) for row in self.rows)
        more = ", ..." if self.row_count > len(self.rows) else ""
        row = "row" if self.row_count == 1 else "rows"
        which = f"{row} {rows}{more} of {self.source}" if self.rows else f"no row of {self.source}"
        if self.row_count and not self.rows:
            which = f"{counted(self.row_count, 'row')} of {self.source}"
        if self.columns:
            which = f"{', '.join(self.columns)} of the row that asked"
        if self.is_equal:
            return f"{self.feature} = {self.logged} from {which} ({self.view})"
        return f"{self.feature} = {self.logged}, but {self.computed} from {which} ({self.view})"

    __repr__ = __str__


class FeatureOrigins(msgspec.Struct, frozen=True, kw_only=True):
    """The features of a prediction; `notes` say what could not be told."""

    features: tuple[UsedFeature, ...]
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """One line a feature, then the notes."""
        return (*map(str, self.features), *self.notes)


def feature_origins(record: Record, prediction: Prediction) -> FeatureOrigins:
    """Return where each feature value of a prediction came from, computed again from the record.

    Where views were joined onto scored rows, each is evaluated on the version that was joined;
    else on the newest one, see `computed_from`.
    """
    logged = prediction.values("context") | prediction.values("input")
    features: list[UsedFeature] = []
    notes: list[str] = []
    try:
        views = declared_views(record).values()
    except TidemillError as error:
        return FeatureOrigins(features=(), notes=(f"feature views: {error.what}",))
    scored = read_value(record, find_artifact(record, prediction.deployment), _Scored)
    asked = _asked(record, logged, scored)
    joined = {one.name: one for one in scored.views}
    for view in views:
        if not set(view.feature_names) & logged.keys() or not set(view.asked) <= asked.keys():
            continue
        try:
            features += _explained(record, view, prediction, _Row(logged, asked, joined), notes)
        except TidemillError as error:
            notes.append(f"{view.name} cannot be computed again: {error.what}")
    return FeatureOrigins(features=tuple(features), notes=tuple(notes))


def computed_from(record: Record, view: FeatureView, at: datetime | None = None) -> Version:
    """Return the version of a view's source on which served values are computed again.

    The newest one (as of `at`): what had happened before a prediction may be reported long after
    it, so a version of the prediction's own time can lack rows that it was served from.

    Raises:
        NotFoundError: the source has no version.
    """
    return open_data(record, f"data:{view.spec.source}", at=at).version


class _Scored(msgspec.Struct, frozen=True):
    """What a scoring says of the views that it joined; of a deployment: nothing."""

    views: tuple[JoinedView, ...] = ()
    data: str = ""


class _Row(msgspec.Struct, frozen=True):
    """What is known of the row that asked, and of the views that were joined onto it."""

    logged: dict[str, Any]
    asked: dict[str, Any]
    joined: dict[str, JoinedView]


def _asked(record: Record, logged: dict[str, Any], scored: _Scored) -> dict[str, Any]:
    """Return the columns of the row that asked: what was logged, and else what was scored."""
    place = logged.get("data_row")
    if not scored.views or place is None:
        return logged
    row = scan_data(record, scored.data).slice(int(place), 1).collect()
    return {**row.row(0, named=True), **logged} if row.height else logged


def _explained(
    record: Record, view: AnyView, prediction: Prediction, row: _Row, notes: list[str]
) -> Iterator[UsedFeature]:
    joined = row.joined.get(view.name)
    if joined is not None and joined.digest != view.digest:
        notes.append(f"{view.name} was changed since these rows were scored")
    if isinstance(view, OnDemandView):
        yield from _computed(view, row)
        return
    if joined is not None:
        yield from _of_source(record, view, prediction, row, joined.source)
        return
    version = computed_from(record, view)
    if version.at < prediction.at:
        notes.append(f"{view.name}: {version} is older than the prediction, rows may be missing")
    yield from _of_source(record, view, prediction, row, str(version))


def _of_source(
    record: Record, view: FeatureView, prediction: Prediction, row: _Row, source: str
) -> Iterator[UsedFeature]:
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.practices.features.explain import explain_view  # noqa: PLC0415 - heavy

    entity = pl.DataFrame({key: [row.asked[key]] for key in view.spec.entity})
    for value in explain_view(view, scan_data(record, source), entity, prediction.at, source):
        if value.feature in row.logged:
            logged = row.logged[value.feature]
            yield UsedFeature(
                feature=value.feature, view=view.name, logged=logged, computed=value.value,
                is_equal=_equal(logged, value.value), source=value.source,
                row_count=value.row_count, rows=value.rows,
            )  # fmt: skip


def _computed(view: OnDemandView, row: _Row) -> Iterator[UsedFeature]:
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.practices.features.row_features import as_logged, row_features  # noqa: PLC0415

    asked = pl.DataFrame({name: [row.asked[name]] for name in view.asked})
    for name, value in row_features(view, as_logged(view, asked)).row(0, named=True).items():
        if name in row.logged:
            yield UsedFeature(
                feature=name, view=view.name, logged=row.logged[name], computed=value,
                is_equal=_equal(row.logged[name], value), source="", row_count=0, rows=(),
                columns=view.asked,
            )  # fmt: skip


def _equal(logged: Any, computed: Any) -> bool:  # noqa: ANN401 - any logged value
    missing = [value is None or (isinstance(value, float) and math.isnan(value))
               for value in (logged, computed)]  # fmt: skip
    if any(missing):
        return all(missing)
    return bool(logged == computed)
