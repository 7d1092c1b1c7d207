"""Features for serving: the recent event rows of each entity, asked by the kernel of training.

The store holds no values but the rows that values are made of, so a value is right at the moment
of asking, as its window slides, and equal to what training computes, bit for bit.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.times import from_microseconds, microseconds, spelled_time
from tidemill.lineage.leases import sole
from tidemill.practices.features.history import (
    History,
    entity_codes,
    event_rows,
    history_of,
    values_at,
)
from tidemill.practices.features.packing import packed, unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tidemill.lineage.record import Record
    from tidemill.practices.features.declare import FeatureView, ViewSpec


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """How a table's rows lie: types of its value columns, and which of its keys are numbers."""

    columns: dict[str, str]
    whole_keys: tuple[str, ...]
    known_us: int | None = None
    """As known when it was last written, microseconds since 1970 UTC; None: written before 0.4."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Answers:
    """What one view answers: a row for each asked one, one column a feature; and how it knows.

    `is_known`: whether the store has the entity at all, shape (rows,). `is_too_old`: whether it
    has, but no row of it counts at the asked time any more (or yet), shape (rows,).
    """

    view: FeatureView
    frame: pl.DataFrame
    known_us: int | None
    is_known: NDArray[np.bool_]
    is_too_old: NDArray[np.bool_]


LAG_US = 2 * 86_400 * 1_000_000
"""How far behind the newest write a reader may ask and still get the exact value."""

_LAYOUT = b"\x00layout"
_BATCH = b"\x00batch:"
_WAIT_S = 10.0
_ENDLESS_US = 2**59
"""Windows as long as this reach everything, so that nothing ever goes from the store."""


def table_of(view: FeatureView) -> str:
    """Return the table that holds a view; another definition has another table."""
    return f"{view.name}-{view.digest[3:19]}"


def replace_rows(record: Record, view: FeatureView, source: pl.LazyFrame, at: datetime) -> int:
    """Fill the store with the rows of a source that were known at `at`; returns the entities."""
    table = table_of(view)
    with sole(record, f"online:{record.project}/{table}", wait_s=_WAIT_S):
        given = event_rows(view, source)
        whole = tuple(name for name in view.spec.entity if given.schema[name].is_integer())
        events = _with_keys_of(view.spec, given, whole)
        (codes,), keys = entity_codes(view.spec, events)
        history = history_of(view, events, codes)
        known = history.take(history.known_us <= microseconds(at))
        values = _packed_by_entity(view.spec, known, keys, microseconds(at))
        heard_of = np.isin(np.arange(keys.height), known.entities)
        values = dict(itertools.compress(values.items(), heard_of))
        columns = {name: column.dtype for name, column in history.columns.items()}
        layout = Layout(columns=columns, whole_keys=whole, known_us=microseconds(at))
        record.ports.online.clear(table)
        record.ports.online.write(table, {_LAYOUT: msgspec.json.encode(layout), **values})
    return len(values)


def add_rows(
    record: Record, view: FeatureView, rows: pl.DataFrame, at: datetime, batch: str
) -> int:
    """Add rows of the source that have just arrived; returns the event rows added.

    A batch that was added before is not added again.
    """
    table = table_of(view)
    marker = _BATCH + batch.encode()
    with sole(record, f"online:{record.project}/{table}", wait_s=_WAIT_S):
        (seen,) = record.ports.online.read(table, [marker])
        if batch and seen is not None:
            return 0
        layout = _stored_layout(record, view)
        events = _with_keys_of(view.spec, event_rows(view, rows.lazy()), layout.whole_keys)
        (codes,), keys = entity_codes(view.spec, events)
        arrived = _as_stored(view.spec, history_of(view, events, codes), layout.columns)
        stored = unpacked(record.ports.online.read(table, _keys(view.spec, keys)), layout.columns)
        merged = _joined(stored, arrived)
        values = _packed_by_entity(view.spec, merged, keys, microseconds(at))
        known_us = max(microseconds(at), layout.known_us or 0)
        written = msgspec.json.encode(msgspec.structs.replace(layout, known_us=known_us))
        more = {_LAYOUT: written} | ({marker: b"1"} if batch else {})
        record.ports.online.write(table, values | more)
    return len(arrived.event_us)


def read_vectors(
    record: Record, views: Sequence[FeatureView], asked: pl.DataFrame, time_column: str
) -> pl.DataFrame:
    """Return the features of each asked row, one column a feature. Raises as `read_answers`."""
    answers = [read_answers(record, view, asked, time_column) for view in views]
    return pl.concat([one.frame for one in answers], how="horizontal")


def read_answers(
    record: Record, view: FeatureView, asked: pl.DataFrame, time_column: str
) -> Answers:
    """Return what a view answers to asked rows (entity keys and a time), and how it knows.

    Raises:
        NotFoundError: the view is not in the store as it is defined now.
        InvalidInputError: a time is before what the store still knows exactly.
    """
    at_us = asked[time_column].cast(pl.Datetime("us", "UTC")).dt.timestamp("us").to_numpy()
    layout = _stored_layout(record, view)
    _refuse_the_past(view, layout, at_us)
    (codes,), keys = entity_codes(view.spec, _with_keys_of(view.spec, asked, layout.whole_keys))
    values = record.ports.online.read(table_of(view), _keys(view.spec, keys))
    history = unpacked(values, layout.columns)
    stored = np.array([*(value is not None for value in values), False])  # -1, no key: the last
    counting = history.timeline().latest(codes, at_us, ttl_us=view.spec.horizon_us)
    return Answers(
        view=view, frame=values_at(view.spec, history, codes, at_us), known_us=layout.known_us,
        is_known=stored[codes], is_too_old=stored[codes] & (counting < 0),
    )  # fmt: skip


def _refuse_the_past(view: FeatureView, layout: Layout, at_us: NDArray[np.int64]) -> None:
    """Refuse times whose windows reach rows that have gone from the store since."""
    if layout.known_us is None or view.spec.horizon_us >= _ENDLESS_US or not len(at_us):
        return
    asked, oldest = int(at_us.min()), layout.known_us - LAG_US
    if asked < oldest:
        raise InvalidInputError(
            f"the view {view.name} was asked about {_at(asked)}, but the online store holds "
            f"it as known at {_at(layout.known_us)} and answers exactly from "
            f"{_at(oldest)} on",
            fix=f"tidemill view materialize {view.name} --at {_at(asked)}, or tm.training_set "
            "for the past",
        )


def _at(time_us: int) -> str:
    return spelled_time(from_microseconds(time_us))


def _stored_layout(record: Record, view: FeatureView) -> Layout:
    (stored,) = record.ports.online.read(table_of(view), [_LAYOUT])
    if stored is None:
        raise NotFoundError(
            f"the feature view {view.name} is not in the online store as it is defined now",
            fix=f"tidemill view materialize {view.name}",
        )
    return msgspec.json.decode(stored, type=Layout)


def _with_keys_of(spec: ViewSpec, asked: pl.DataFrame, whole: tuple[str, ...]) -> pl.DataFrame:
    """Return the rows with keys of the stored types: a command line knows only text."""
    try:
        return asked.with_columns(
            pl.col(name).cast(pl.Int64 if name in whole else pl.String) for name in spec.entity
        )
    except pl.exceptions.PolarsError as error:
        raise InvalidInputError(
            f"a key of the view {spec.name} has another type than in the store: "
            f"{str(error).partition(chr(10))[0]}",
            fix=f"give whole numbers for {', '.join(whole) or 'none'}, text for others",
        ) from None


def _as_stored(spec: ViewSpec, arrived: History, dtypes: Mapping[str, str]) -> History:
    for name, dtype in dtypes.items():
        column = arrived.columns[name]
        if column.dtype != dtype and column.is_valid.any():
            raise InvalidInputError(
                f"column {name!r} of view {spec.name} arrived as {column.dtype}, "
                f"the store holds {dtype}",
                fix=f"cast it in the view's function, or tidemill view materialize {spec.name}",
            )
    return arrived


def _joined(stored: History, arrived: History) -> History:
    columns = {}
    for name, old in stored.columns.items():
        new = arrived.columns[name]
        columns[name] = type(old)(
            values=np.concatenate([old.values, new.values.astype(old.values.dtype)]),
            is_valid=np.concatenate([old.is_valid, new.is_valid]),
            dtype=old.dtype,
        )
    return History(
        entities=np.concatenate([stored.entities, arrived.entities]),
        event_us=np.concatenate([stored.event_us, arrived.event_us]),
        arrival_us=np.concatenate([stored.arrival_us, arrived.arrival_us]),
        ties=np.concatenate([stored.ties, arrived.ties]),
        rows=np.concatenate([stored.rows, arrived.rows]),
        columns=columns,
    )


def _packed_by_entity(
    spec: ViewSpec, history: History, keys: pl.DataFrame, at_us: int
) -> dict[bytes, bytes]:
    """Return each entity's recent rows as bytes; rows that no window reaches any more go."""
    oldest = at_us - LAG_US - spec.horizon_us
    recent = history.take(history.event_us > max(oldest, -(2**61)))
    return dict(zip(_keys(spec, keys), packed(recent, keys.height), strict=True))


def _keys(spec: ViewSpec, keys: pl.DataFrame) -> list[bytes]:
    return [msgspec.msgpack.encode(row) for row in keys.select(spec.entity).iter_rows()]
