"""Sealed windows: which predictions are in the record for good, and how they are read.

Every prediction is sealed exactly once, by the first window that takes its effective time; what
comes late is sealed by a further version. A version's summary says up to which place of each stream
it has read, so that nothing is lost or doubled whoever collects what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import ArtifactId
from tidemill.core.run import RunId
from tidemill.core.times import Window, microseconds, parse_window
from tidemill.lineage.artifacts import find_artifacts
from tidemill.lineage.refs import ref_name, versions
from tidemill.ports.stream import StreamPosition
from tidemill.practices.versioning.tables import scan_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from tidemill.core.ref import Version
    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record

PREDICTIONS = "predictions"
MOST_SEALS = 100_000


class ServerUse(msgspec.Struct, frozen=True, kw_only=True):
    """What the model server's process had used when a window was sealed."""

    cpu_s: float
    resident_bytes: int
    process: int
    restarts: int = 0


class _Places(msgspec.Struct, frozen=True):
    positions: dict[str, StreamPosition] = {}
    server: ServerUse | None = None


class SealFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a seal holds: rows of a window, and up to where each stream was read for it."""

    window: Window
    rows: int
    is_late: bool
    first_id: str
    last_id: str
    positions: dict[str, StreamPosition]
    server: ServerUse | None = None
    is_told: bool = False
    """Rows were told by a caller, of a model served elsewhere; `received_at` is when."""
    corrections: int = 0
    """Told rows that correct earlier ones; `window` spans what they correct, too."""

    def summary(self) -> dict[str, Scalar]:
        """Return this as the summary of a version: scalars."""
        places = _Places(positions=self.positions, server=self.server)
        return {
            "window": str(self.window), "rows": self.rows, "is_late": self.is_late,
            "first_id": self.first_id, "last_id": self.last_id,
            "places": msgspec.json.encode(places).decode(),
            **({"told": True, "corrections": self.corrections} if self.is_told else {}),
        }  # fmt: skip

    def has_read(self, stream: str, place: StreamPosition) -> bool:
        """Whether this seal has seen a place of a stream."""
        read = self.positions.get(stream)
        return read is not None and read >= place


class Seal(SealFacts, frozen=True, kw_only=True):
    """One version of `predictions:NAME`."""

    number: int
    artifact: ArtifactId
    run: RunId


def known_seals(record: Record, name: str) -> list[Seal]:
    """Return every seal of a deployment, oldest first; none at all is an empty list."""
    found = versions(record, ref_name(record, PREDICTIONS, name), limit=MOST_SEALS)
    return [_seal_of(version) for version in reversed(found)]


def seals_within(seals: Iterable[Seal], window: Window) -> list[Seal]:
    """Return the seals that may hold rows of a window."""
    return [s for s in seals if s.window.start < window.end and s.window.end > window.start]


def scan_window(record: Record, name: str, window: Window) -> pl.LazyFrame | None:
    """Return the sealed predictions of a window; None: there is none."""
    return scan_seals(record, seals_within(known_seals(record, name), window), window)


def scan_seals(
    record: Record,
    seals: Sequence[Seal],
    window: Window | None = None,
    *,
    known_by: datetime | None = None,
) -> pl.LazyFrame | None:
    """Return the rows of seals, of a window only where one is given.

    Of told rows the newest revision counts, of those that were told by `known_by`.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    if not seals:
        return None
    artifacts = find_artifacts(record, [seal.artifact for seal in seals])
    parts, correcting = [], []
    for seal in seals:
        manifest = artifacts[seal.artifact].manifest
        if manifest is None:
            continue
        part = scan_table(record.ports.objects, manifest, seal.artifact)
        if seal.is_told and known_by is not None:
            part = part.filter(pl.col("received_at") <= known_by)
        parts.append(part)
        if seal.corrections:
            correcting.append(part.select("prediction_id", newest="received_at"))
    rows: pl.LazyFrame = pl.concat(parts, how="diagonal_relaxed")
    if correcting:
        newest = pl.concat(correcting).group_by("prediction_id").agg(pl.max("newest"))
        corrected = rows.join(newest, on="prediction_id", how="left", maintain_order="left")
        is_newest = (pl.col("received_at") >= pl.col("newest")).fill_null(value=True)
        rows = corrected.filter(is_newest).drop("newest")
    if window is None:
        return rows
    return rows.filter(pl.col("at") >= window.start, pl.col("at") < window.end)


def sealed_rows(
    seals: Sequence[Seal], stream: str, place: StreamPosition, at_us: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which rows of the block at a place of a stream are sealed, shape (rows,)."""
    import numpy as np  # noqa: PLC0415 - heavy

    is_sealed = np.zeros(len(at_us), dtype=np.bool_)
    for seal in seals:
        if seal.has_read(stream, place):
            start, end = microseconds(seal.window.start), microseconds(seal.window.end)
            is_sealed |= (at_us >= start) & (at_us < end)
    return is_sealed


def _seal_of(version: Version) -> Seal:
    summary = version.summary
    places = msgspec.json.decode(str(summary.get("places", "{}")), type=_Places)
    return Seal(
        number=version.number, artifact=version.artifact, run=version.run,
        window=parse_window(str(summary["window"])), rows=int(summary["rows"] or 0),
        is_late=bool(summary["is_late"]), first_id=str(summary["first_id"]),
        last_id=str(summary["last_id"]), positions=places.positions, server=places.server,
        is_told=bool(summary.get("told")), corrections=int(summary.get("corrections") or 0),
    )  # fmt: skip
