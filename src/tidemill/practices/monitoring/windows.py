"""Collecting: the predictions of a window leave the open tail and are sealed into the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import ConflictError, InvalidInputError, UnavailableError
from tidemill.core.facts import Keyed, KeyIs
from tidemill.core.text import counted, table
from tidemill.core.times import Window, parse_window
from tidemill.lineage.refs import ref_name
from tidemill.lineage.writing import opened
from tidemill.practices.monitoring.deployments import (
    deployed_versions,
    read_deployment,
    require_deployment,
)
from tidemill.practices.monitoring.seals import (
    PREDICTIONS,
    Seal,
    SealFacts,
    ServerUse,
    known_seals,
    sealed_rows,
    seals_within,
)
from tidemill.practices.versioning.tables import TableWriter
from tidemill.wire.prediction_block import decode_block, stream_names
from tidemill.wire.server_metrics import read_metrics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from tidemill.lineage.record import Record
    from tidemill.ports.stream import StreamPosition
    from tidemill.practices.versioning.tables import StoredTable
    from tidemill.wire.prediction_block import PredictionBlock


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed of a window. `rows_added` 0: there was nothing new, nothing was written.

    `rows_open` are rows of other windows, which wait in the open tail; `dropped_blocks` are
    requests that were answered but not logged, for want of room, since the stream began.
    """

    name: str
    window: str
    rows: int
    rows_added: int
    is_late: bool
    versions: tuple[str, ...]
    rows_open: int = 0
    dropped_blocks: int = 0
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        late = ", which came late" if self.is_late and self.rows_added else ""
        what = f"{self.rows_added:,} sealed now{late}" if self.rows_added else "nothing new"
        lines = [f"{self.name} {self.window}: {counted(self.rows, 'prediction')}, {what}"]
        lines += [f"  {version}" for version in self.versions]
        if self.dropped_blocks:
            lines.append(f"  {self.dropped_blocks:,} requests were answered but not logged")
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    __repr__ = __str__


class Collections(msgspec.Struct, frozen=True, kw_only=True):
    """Every sealed window of a deployment."""

    name: str
    seals: tuple[Seal, ...]

    def __str__(self) -> str:
        rows = [
            [f"{PREDICTIONS}:{self.name}@{s.number}", str(s.window), s.rows, s.is_late]
            for s in self.seals
        ]
        return table(["version", "window", "rows", "late"], rows)

    __repr__ = __str__


def collect(  # noqa: D417 - `record` is the context, not an argument of a face
    record: Record, name: str, *, window: str, at: datetime | None = None
) -> Collected:
    """Seal the predictions of a window; asked again it adds only what came late.

    Args:
        name: of the deployment.
        window: of effective time: 2013-04, 2013-04-07 or START..END; it must be over.
        at: effective time; the window must have ended by then.
    """
    span, moment = parse_window(window), record.moment(at)
    if span.end > moment:
        raise InvalidInputError(
            f"the window {span} is not over at {moment:%Y-%m-%dT%H:%M:%SZ}",
            fix="wait for its end, or give an earlier one: --window START..END",
        )
    try:
        return _collect(record, name, span, moment)
    except ConflictError:  # another collector was faster: what it sealed is sealed
        return _collect(record, name, span, moment)


def _collect(record: Record, name: str, span: Window, moment: datetime) -> Collected:
    seals = known_seals(record, name)
    tail = OpenTail(record, name, span, seals)
    tail.look()
    if tail.rows:
        seals = _seal(record, tail, moment)
    if tail.may_be_forgotten:
        for stream, place in tail.may_be_forgotten.items():
            record.ports.stream.forget(stream, place)
    return _collected(record, tail, seals)


def list_windows(record: Record, name: str) -> Collections:  # noqa: D417
    """List the sealed windows of a deployment, oldest first.

    Args:
        name: of the deployment.
    """
    require_deployment(record, name)
    return Collections(name=name, seals=tuple(known_seals(record, name)))


class OpenTail:
    """What the streams of a deployment hold of a window, read block by block."""

    def __init__(self, record: Record, name: str, window: Window, seals: list[Seal]) -> None:
        self.record, self.name, self.window, self.seals = record, name, window, seals
        self.ends: dict[str, StreamPosition] = {}
        self.may_be_forgotten: dict[str, StreamPosition] = {}
        self.schema: dict[str, object] = {}
        self.rows = self.rows_open = 0
        self.deployments: dict[str, None] = {}
        self.models: dict[str, None] = {}
        self.first_id = self.last_id = ""

    def look(self) -> None:
        """Read all blocks once: how many rows, with which columns, and what may be forgotten."""
        for stream in stream_names(self.record.ports.stream.names(self.name), self.name):
            everything_closed = True
            for place, data in self.record.ports.stream.read(stream):
                self.record.tell.check()
                block = decode_block(data)
                wanted, is_open = self._take(stream, place, block)
                everything_closed = everything_closed and not is_open
                if everything_closed:
                    self.may_be_forgotten[stream] = place
                self.ends[stream] = place
                if wanted:
                    self._note(block)

    def blocks(self) -> Iterator[tuple[PredictionBlock, NDArray[np.bool_]]]:
        """Yield the blocks of the window again, as far as they were looked at."""
        for stream, end in self.ends.items():
            for place, data in self.record.ports.stream.read(stream):
                if place > end:
                    break
                block = decode_block(data)
                wanted = self._wanted(stream, place, block)
                if wanted.any():
                    yield block, wanted

    def _wanted(
        self, stream: str, place: StreamPosition, block: PredictionBlock
    ) -> NDArray[np.bool_]:
        from tidemill.practices.monitoring.blocks import rows_within  # noqa: PLC0415 - heavy

        is_new = ~sealed_rows(self.seals, stream, place, block.at_us)
        wanted: NDArray[np.bool_] = rows_within(block, self.window) & is_new
        return wanted

    def _take(self, stream: str, place: StreamPosition, block: PredictionBlock) -> tuple[int, bool]:
        """Count a block's rows; return how many are wanted, and whether others stay open."""
        wanted = self._wanted(stream, place, block)
        count = int(wanted.sum())
        is_sealed = sealed_rows(self.seals, stream, place, block.at_us) | wanted
        left = block.rows - int(is_sealed.sum())
        self.rows += count
        self.rows_open += left
        if count:
            ids = [bytes(row).hex() for row in block.ids[wanted]]
            self.first_id = min([*ids, *([self.first_id] if self.first_id else [])])
            self.last_id = max(*ids, self.last_id)
        return count, left > 0

    def _note(self, block: PredictionBlock) -> None:
        from tidemill.practices.monitoring.blocks import (  # noqa: PLC0415 - heavy
            block_schema,
            merged_schema,
        )

        self.schema = merged_schema(self.schema, block_schema(block))  # type: ignore[assignment, arg-type]
        self.deployments[block.deployment] = None
        self.models[block.model] = None


def _seal(record: Record, tail: OpenTail, moment: datetime) -> list[Seal]:
    """Seal what the tail has of the window; return all seals there are then."""
    ref = ref_name(record, PREDICTIONS, tail.name)
    chain = f"seals:{record.project}/{tail.name}"
    window_key = f"window:{record.project}/{tail.name}:{tail.window}"
    before = record.ports.ledger.keys([chain, window_key])
    is_late = any(s.window == tail.window for s in tail.seals)
    record.tell.progress(f"sealing {counted(tail.rows, 'prediction')} of {tail.window}")
    stored = _written(record, tail)
    facts = SealFacts(
        window=tail.window, rows=tail.rows, is_late=is_late, first_id=tail.first_id,
        last_id=tail.last_id, positions=tail.ends, server=server_use(record, tail.name),
    )  # fmt: skip
    artifact = msgspec.structs.replace(
        stored.artifact, kind=PREDICTIONS,
        summary={"rows": tail.rows, "window": str(tail.window), "late": is_late},
    )  # fmt: skip
    deployed = deployed_versions(record, ref_name(record, "deployment", tail.name))
    with opened(record, kind="collection", name=f"{tail.name} {tail.window}", at=moment) as run:
        for deployment in tail.deployments:
            source = deployed[deployment].run if deployment in deployed else None
            run.used(deployment, name="deployment", source=source)  # type: ignore[arg-type]
        run.made(artifact, name=PREDICTIONS, objects=stored.objects)
        run.version(ref, artifact, summary=facts.summary(), always=True)
        run.figure("rows", tail.rows)
        for key in (chain, window_key):  # two that collect at once cannot both win
            run.add(Keyed(key=key, run=run.id))
            run.require(KeyIs(key=key, run=before.get(key)))
    return known_seals(record, tail.name)


def _written(record: Record, tail: OpenTail) -> StoredTable:
    from tidemill.practices.monitoring.blocks import frames  # noqa: PLC0415 - heavy

    names = {}
    for deployment in tail.deployments:
        names[deployment] = read_deployment(record, deployment).short_name
    writer = TableWriter(record.ports.objects)
    for frame in frames(tail.blocks(), tail.schema, names):  # type: ignore[arg-type]
        record.tell.check()
        writer.write(frame)
    return writer.finish()


def server_use(record: Record, name: str) -> ServerUse | None:
    """Return what the process that serves now has used; None: nothing serves, or is silent."""
    status = record.ports.target.status(name)
    if status is None or status.state != "ready" or not status.address:
        return None
    try:
        metrics = read_metrics(status.address)
    except UnavailableError:
        return None
    return ServerUse(
        cpu_s=metrics.get("process_cpu_seconds_total", 0.0),
        resident_bytes=int(metrics.get("process_resident_memory_bytes", 0.0)),
        process=status.process, restarts=status.restarts,
    )  # fmt: skip


def _collected(record: Record, tail: OpenTail, seals: list[Seal]) -> Collected:
    within = seals_within(seals, tail.window)
    exact = [seal for seal in within if seal.window == tail.window]
    notes = []
    if len(exact) < len(within):
        notes.append("other seals overlap this window; each prediction is in one of them only")
    stream = record.ports.stream
    streams = stream_names(stream.names(tail.name), tail.name)
    return Collected(
        name=tail.name, window=str(tail.window), rows=sum(seal.rows for seal in exact),
        rows_added=tail.rows, is_late=bool(exact) and exact[-1].is_late,
        versions=tuple(f"{PREDICTIONS}:{tail.name}@{seal.number}" for seal in exact),
        rows_open=tail.rows_open, dropped_blocks=sum(stream.dropped(one) for one in streams),
        notes=tuple(notes),
    )  # fmt: skip


def collect_if_over(record: Record, name: str, window: Window, moment: datetime) -> None:
    """Seal what a window has by now, if it is over."""
    if window.end <= moment:
        collect(record, name, window=str(window), at=moment)
