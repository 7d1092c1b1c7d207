"""Where the feature values of a prediction come from, and whether they can be computed again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import TidemillError
from tidemill.lineage.refs import ref_name, versions
from tidemill.practices.features.declare import FeatureView
from tidemill.practices.infrastructure.project import declared
from tidemill.practices.versioning.data import scan_data

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.predictions import Prediction


class UsedFeature(msgspec.Struct, frozen=True, kw_only=True):
    """One logged feature value, and the rows of a version that give it again."""

    feature: str
    view: str
    logged: float | int | bool | str | None
    computed: float | int | bool | str | None
    is_equal: bool
    source: str
    row_count: int
    rows: tuple[int, ...]

    def __str__(self) -> str:
        rows = ", ".join(str(row) for row in self.rows)
        more = ", ..." if self.row_count > len(self.rows) else ""
        which = f"rows {rows}{more} of {self.source}" if self.rows else f"no row of {self.source}"
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

    Each view is evaluated on the oldest version of its source that was there at or after the
    prediction's time: the rows that the prediction could know are in it.
    """
    logged = prediction.values("context") | prediction.values("input")
    features: list[UsedFeature] = []
    notes: list[str] = []
    try:
        views = declared(record, FeatureView).values()
    except TidemillError as error:
        return FeatureOrigins(features=(), notes=(f"feature views: {error.what}",))
    for view in views:
        names = {name for name, _ in view.spec.features} & logged.keys()
        if not names or not set(view.spec.entity) <= logged.keys():
            continue
        try:
            features += _explained(record, view, prediction, logged, notes)
        except TidemillError as error:
            notes.append(f"{view.name} cannot be computed again: {error.what}")
    return FeatureOrigins(features=tuple(features), notes=tuple(notes))


def _explained(
    record: Record,
    view: FeatureView,
    prediction: Prediction,
    logged: dict[str, Any],
    notes: list[str],
) -> Iterator[UsedFeature]:
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.practices.features.explain import explain_view  # noqa: PLC0415 - heavy

    version, is_after = _source_version(record, view.spec.source, prediction)
    if version is None:
        notes.append(f"{view.name}: data:{view.spec.source} has no version")
        return
    if not is_after:
        notes.append(f"{view.name}: {version} is older than the prediction, rows may be missing")
    entity = pl.DataFrame({key: [logged[key]] for key in view.spec.entity})
    values = explain_view(
        view, scan_data(record, str(version)), entity, prediction.at, str(version)
    )
    for value in values:
        if value.feature in logged:
            yield UsedFeature(
                feature=value.feature, view=view.name, logged=logged[value.feature],
                computed=value.value, is_equal=_equal(logged[value.feature], value.value),
                source=value.source, row_count=value.row_count, rows=value.rows,
            )  # fmt: skip


def _source_version(
    record: Record, source: str, prediction: Prediction
) -> tuple[Version | None, bool]:
    """Return the oldest version at or after the prediction's time, else the newest one."""
    known = versions(record, ref_name(record, "data", source), limit=100_000)
    after = [version for version in known if version.at >= prediction.at]
    if after:
        return min(after, key=lambda version: (version.at, version.number)), True
    return (known[0] if known else None), False


def _equal(logged: Any, computed: Any) -> bool:  # noqa: ANN401 - any logged value
    missing = [value is None or (isinstance(value, float) and math.isnan(value))
               for value in (logged, computed)]  # fmt: skip
    if any(missing):
        return all(missing)
    return bool(logged == computed)
