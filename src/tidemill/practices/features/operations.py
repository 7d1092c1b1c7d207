"""What can be done with feature views: put them into the online store, feed it, ask it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.operation import Kind, Operation
from tidemill.core.ref import RefName
from tidemill.core.text import counted, table
from tidemill.core.times import from_microseconds
from tidemill.lineage.artifacts import put_value, read_value
from tidemill.lineage.changes import Part, changes
from tidemill.lineage.fields import fields_of
from tidemill.lineage.suggestions import closest
from tidemill.lineage.wording import short_id
from tidemill.lineage.writing import opened
from tidemill.practices.features.declare import FeatureView, ViewSpec
from tidemill.practices.features.feature_answers import FeatureAnswer, Vectors, ViewState
from tidemill.practices.infrastructure.project import declared, object_path
from tidemill.practices.versioning.data import open_data, scan_data

if TYPE_CHECKING:
    import polars as pl

    from tidemill.core.artifact import Artifact
    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record
    from tidemill.practices.features.online import Answers


class ViewDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a view: its values, where its function is, and the identity of both."""

    spec: ViewSpec
    path: str
    digest: str

    def __str__(self) -> str:
        rows = [[name, f.kind, f.column, _hours(f.window_us)] for name, f in self.spec.features]
        head = f"data:{self.spec.source} by {', '.join(self.spec.entity)}, code {self.path}"
        return f"{head}\n{table(['feature', 'is', 'of', 'over'], rows)}"

    __repr__ = __str__


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


def find_views(record: Record, names: tuple[str, ...] = ()) -> list[FeatureView]:
    """Return views that the project declares, by name; none named: all of them.

    Raises:
        NotFoundError: no such view is declared, or none at all; names the closest.
    """
    known = declared(record, FeatureView)
    if not known:
        raise NotFoundError(
            "the project declares no feature view",
            fix="decorate a function with @tm.feature_view in a module of the project",
        )
    for name in names:
        if name not in known:
            near = closest(name, list(known))
            raise NotFoundError(
                f"the project declares no feature view {name!r}",
                fix=f"did you mean {near}?" if near else f"there are: {', '.join(known) or 'none'}",
            )
    return [known[name] for name in names or known]


def materialize_views(record: Record, *views: str, at: datetime | None = None) -> MaterializedViews:
    """Put feature views into the online store, from the newest data, as known at a time.

    Args:
        views: names of views; none: all that the project declares.
        at: effective time; rows that were not known by then are left out.
    """
    from tidemill.practices.features.online import replace_rows  # noqa: PLC0415 - brings NumPy

    moment = record.moment(at)
    done = []
    for view in find_views(record, views):
        record.tell.progress(f"materializing {view.name}")
        data = open_data(record, f"data:{view.spec.source}", at=moment)
        with opened(record, kind="materialization", name=view.name, at=moment) as run:
            definition = put_view(record, view)
            run.used(data.version.artifact, name="source", source=data.version.run)
            run.made(definition, name="view")
            run.version(view_ref(record, view.name), definition)
            source = scan_data(record, str(data.version))
            entities = replace_rows(record, view, source, moment)
            run.figure("entities", entities)
        done.append(
            Materialized(
                view=view.name, source=str(data.version), entities=entities, at=moment
            )
        )  # fmt: skip
    return MaterializedViews(views=tuple(done))


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
    rows = add_rows(record, declared_view, _frame(record, source), record.moment(at), batch)
    return Pushed(view=view, rows=rows, batch=batch)


def vectors(
    record: Record, asked: object, *, views: tuple[str, ...] = (), time: str = "at"
) -> Vectors:
    """Return the features of many rows from the online store, each at its own time.

    Args:
        asked: a frame, or a list of dicts, with the entity columns and the time.
        views: names of views; none: all that the project declares.
        time: name of the time column.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.practices.features.online import read_answers  # noqa: PLC0415 - brings NumPy
    from tidemill.practices.features.point_in_time import (  # noqa: PLC0415 - as above
        check_asked,
        with_times,
    )

    frame, found = with_times(_frame(record, asked), time), find_views(record, views)
    for view in found:
        check_asked(view, frame, time)
    _check_distinct(found)
    answers = [read_answers(record, view, frame, time) for view in found]
    times = frame[time].cast(pl.Datetime("us", "UTC"))
    latest = max(times.to_list(), default=None)
    return Vectors(
        frame=pl.concat([one.frame for one in answers], how="horizontal"),
        sources=tuple(_source(one, latest) for one in answers),
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
        entity: keys as NAME=VALUE, repeated; in Python a dict of them too.
        at: effective time at which the values are asked for.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    keys = _keys(entity)
    found = [
        view for view in find_views(record, views) if views or set(view.spec.entity) <= keys.keys()
    ]
    if not found:
        raise InvalidInputError(
            f"no feature view has the key {', '.join(keys) or 'that is left out'}",
            fix="; ".join(
                f"{view.name}: --entity "
                + " --entity ".join(f"{name}=..." for name in view.spec.entity)
                for view in find_views(record)
            ),
        )
    moment = record.moment(at)
    asked = pl.DataFrame({**{name: [value] for name, value in keys.items()}, "at": [moment]})
    values = vectors(record, asked, views=tuple(view.name for view in found))
    return FeatureAnswer(at=moment, values=values.frame.row(0, named=True), sources=values.sources)


def _check_distinct(views: list[FeatureView]) -> None:
    owner: dict[str, str] = {}
    for view in views:
        for name, _ in view.spec.features:
            if owner.setdefault(name, view.name) != view.name:
                raise InvalidInputError(
                    f"the views {owner[name]} and {view.name} both give {name!r}",
                    fix=f"ask one of them by its name, or rename {name!r} in one",
                )


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


def view_ref(record: Record, name: str) -> RefName:
    """Return the ref under which a view's definitions are versions."""
    return RefName(kind="view", project=record.project, name=name)


def put_view(record: Record, view: FeatureView) -> Artifact:
    """Store a view's definition as an artifact."""
    definition = ViewDefinition(spec=view.spec, path=object_path(view), digest=view.digest)
    summary: dict[str, Scalar] = {"source": view.spec.source, "features": len(view.spec.features)}
    return put_value(record, "view", definition, summary=summary)


def show_view(record: Record, artifact: Artifact) -> ViewDefinition:
    """Return a view's definition as it was kept."""
    return read_value(record, artifact, ViewDefinition)


def diff_views(record: Record, old: Artifact, new: Artifact) -> Part:
    """Return which features, source, entity and code of two views differ."""
    return changes("view", _told(show_view(record, old)), _told(show_view(record, new)))


def _told(view: ViewDefinition) -> dict[str, str]:
    spec = view.spec
    return {
        "source": f"data:{spec.source}",
        "entity": ", ".join(spec.entity),
        "code": f"{view.path} {short_id(view.digest)}",
        "when": ", ".join(
            f"{name}={text}" for name, text in fields_of(spec).items()
            if not name.startswith(("features", "name", "source", "entity"))
        ),
        **{
            f"feature {name}": f"{f.kind} {f.column}".rstrip() + f", {_hours(f.window_us)}"
            for name, f in spec.features
        },
    }  # fmt: skip


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


def _hours(window_us: int) -> str:
    days = window_us / 86_400_000_000
    if days > 1e6:
        return "always"
    return f"{days:g}d" if days >= 1 else f"{days * 24:g}h"


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
