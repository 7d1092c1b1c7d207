"""What can be done with feature views: put them into the online store, feed it, ask it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.operation import Kind, Operation
from tidemill.core.text import counted, table
from tidemill.core.times import from_microseconds
from tidemill.lineage.writing import opened
from tidemill.practices.features.declare import FeatureView
from tidemill.practices.features.declared_views import check_distinct, find_views
from tidemill.practices.features.feature_answers import FeatureAnswer, Vectors, ViewState
from tidemill.practices.features.on_demand import OnDemandView
from tidemill.practices.features.view_definitions import (
    diff_views,
    put_view,
    show_view,
    view_ref,
)
from tidemill.practices.versioning.data import open_data, scan_data

if TYPE_CHECKING:
    import polars as pl

    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft
    from tidemill.practices.features.online import Answers


class Materialized(msgspec.Struct, frozen=True, kw_only=True):
    """One view in the online store: from which version, for how many entities, as known when."""

    view: str
    source: str
    entities: int
    at: datetime


class MaterializedViews(msgspec.Struct, frozen=True, kw_only=True):
    """All views that were put into the online store."""

    views: tuple[Materialized, ...]

    def __str__(self) -> str:
        return table(
            ["view", "from", "entities", "as known at"],
            [[v.view, v.source, v.entities, v.at.isoformat()] for v in self.views],
        )

    __repr__ = __str__


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """Event rows that were added to the online store; 0 when the batch was there already."""

    view: str
    rows: int
    batch: str

    def __str__(self) -> str:
        return f"{counted(self.rows, 'event row')} added to {self.view} (batch {self.batch or '-'})"

    __repr__ = __str__


def materialize_views(record: Record, *views: str, at: datetime | None = None) -> MaterializedViews:
    """Put feature views into the online store, from the newest data, as known at a time.

    Of an on-demand view, which has no data, only its definition is kept.

    Args:
        views: names of views; none: all that the project declares.
        at: effective time; rows that were not known by then are left out.
    """
    moment = record.moment(at)
    done = []
    for view in find_views(record, views):
        record.tell.progress(f"materializing {view.name}")
        source, entities = "the row that asks", 0
        with opened(record, kind="materialization", name=view.name, at=moment) as run:
            definition = put_view(record, view)
            run.made(definition, name="view")
            run.version(view_ref(record, view.name), definition)
            if isinstance(view, FeatureView):
                source, entities = _materialized(record, view, moment, run)
        done.append(
            Materialized(view=view.name, source=source, entities=entities, at=moment)
        )  # fmt: skip
    return MaterializedViews(views=tuple(done))


def _materialized(
    record: Record, view: FeatureView, moment: datetime, run: RunDraft
) -> tuple[str, int]:
    """Fill the online store from the newest data and return their version and the entities."""
    from tidemill.practices.features.online import replace_rows  # noqa: PLC0415 - brings NumPy

    data = open_data(record, f"data:{view.spec.source}", at=moment)
    run.used(data.version.artifact, name="source", source=data.version.run)
    entities = replace_rows(record, view, scan_data(record, str(data.version)), moment)
    run.figure("entities", entities)
    return str(data.version), entities


def push_rows(
    record: Record, view: str, source: object, *, batch: str = "", at: datetime | None = None
) -> Pushed:
    """Add rows that have just arrived to a view in the online store.

    Args:
        view: name of the view.
        source: file, frame or list of dicts with rows of the view's source.
        batch: a name of this delivery; the same name again adds nothing.
        at: effective time of the arrival.
    """
    from tidemill.practices.features.online import add_rows  # noqa: PLC0415 - brings NumPy

    (declared_view,) = find_views(record, (view,))
    if not isinstance(declared_view, FeatureView):
        raise InvalidInputError(
            f"the view {view} is computed from the row that asks, so no rows are pushed into it",
            fix=f"ask it: tidemill view get {view} --entity {declared_view.asked[0]}=...",
        )
    rows = add_rows(record, declared_view, _frame(record, source), record.moment(at), batch)
    return Pushed(view=view, rows=rows, batch=batch)


def vectors(
    record: Record, asked: object, *, views: tuple[str, ...] = (), time: str = "at"
) -> Vectors:
    """Return the features of many rows from the online store, each at its own time.

    Args:
        asked: a frame, or a list of dicts, with the entity columns, the time, and the columns that
            on-demand views are computed from.
        views: names of views; none: all that the project declares.
        time: name of the time column.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.practices.features.online import read_answers  # noqa: PLC0415 - brings NumPy
    from tidemill.practices.features.point_in_time import (  # noqa: PLC0415 - as above
        check_asked,
        with_times,
    )
    from tidemill.practices.features.row_features import row_features  # noqa: PLC0415 - as above

    frame, found = with_times(_frame(record, asked), time), find_views(record, views)
    held = [view for view in found if isinstance(view, FeatureView)]
    for view in held:
        check_asked(view, frame, time)
    check_distinct(found)
    answers = {view.name: read_answers(record, view, frame, time) for view in held}
    computed = {
        view.name: row_features(view, frame) for view in found if isinstance(view, OnDemandView)
    }
    made = computed | {name: one.frame for name, one in answers.items()}
    times = frame[time].cast(pl.Datetime("us", "UTC")).to_list() if held else []
    latest = max(times, default=None)
    return Vectors(
        frame=pl.concat([made[view.name] for view in found], how="horizontal"),
        sources=tuple(_source(one, latest) for one in answers.values()),
    )


def get_features(
    record: Record,
    *views: str,
    entity: tuple[str, ...] | Mapping[str, object],
    at: datetime | None = None,
) -> FeatureAnswer:
    """Read the features of one entity from the online store.

    Args:
        views: names of views; none: all whose keys are given.
        entity: keys, and what on-demand views are computed from, as NAME=VALUE, repeated; in
            Python a dict of them too.
        at: effective time at which the values are asked for.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    keys = _keys(entity)
    given = {*keys, "at"}
    found = [view for view in find_views(record, views) if views or set(view.asked) <= given]
    if not found:
        raise InvalidInputError(
            f"no feature view has the key {', '.join(keys) or 'that is left out'}",
            fix="; ".join(
                f"{view.name}: --entity " + " --entity ".join(f"{name}=..." for name in view.asked)
                for view in find_views(record)
            ),
        )
    moment = record.moment(at)
    asked = pl.DataFrame({**{name: [value] for name, value in keys.items()}, "at": [moment]})
    values = vectors(record, asked, views=tuple(view.name for view in found))
    return FeatureAnswer(at=moment, values=values.frame.row(0, named=True), sources=values.sources)


LATER = timedelta(days=1)
"""Asked about a time this much after the store's newest write, rows may be missing."""


def _source(answers: Answers, latest: datetime | None) -> ViewState:
    known_us = answers.known_us
    known_at = None if known_us is None else from_microseconds(known_us)
    is_later = latest is not None and known_at is not None and latest - known_at > LATER
    return ViewState(
        view=answers.view.name, known_at=known_at, asked=len(answers.is_known),
        unknown=int((~answers.is_known).sum()), too_old=int(answers.is_too_old.sum()),
        missing_since=known_at if is_later else None,
    )  # fmt: skip


def _frame(record: Record, source: object) -> pl.DataFrame:
    import polars as pl  # noqa: PLC0415 - heavy

    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, list) and source and all(isinstance(row, dict) for row in source):
        return pl.DataFrame(source, infer_schema_length=None)
    return pl.concat(list(record.ports.sources.open(source).batches()))


def _keys(entity: Sequence[str] | Mapping[str, object]) -> dict[str, object]:
    if isinstance(entity, Mapping):
        return dict(entity)
    return dict(_pair(text) for text in ((entity,) if isinstance(entity, str) else entity))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidInputError(f"{text!r} is not NAME=VALUE", fix="write --entity user_id=7")
    return name, value


OPERATIONS = (
    Operation(
        function=materialize_views,
        command=("view", "materialize"),
        role="contributor",
        examples=("tidemill view materialize --at 2013-04-01",),
    ),
    Operation(
        function=push_rows,
        command=("view", "push"),
        role="contributor",
        examples=("tidemill view push plane_history landings.csv --batch 2013-04-01",),
    ),
    Operation(
        function=get_features,
        command=("view", "get"),
        examples=("tidemill view get --entity tailnum=N14228 --at 2013-04-01T12:00",),
    ),
    Operation(function=vectors, command=("view", "vectors"), faces=("python",)),
)
KINDS = (Kind(name="view", what="a feature view's definition", show=show_view, diff=diff_views),)
