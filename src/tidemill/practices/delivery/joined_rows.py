"""Rows to be scored with the features of views beside them, in files that a process reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.practices.delivery.scored_batches import PLACE, is_taken
from tidemill.practices.delivery.scored_rows import time_of, unreadable_time
from tidemill.practices.features.declare import FeatureView
from tidemill.practices.features.partitions import view_batches
from tidemill.practices.features.row_features import row_batches
from tidemill.practices.versioning.data import scan_data
from tidemill.practices.versioning.tables import scan_manifest, table_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tidemill.core.signature import Signature
    from tidemill.lineage.record import Record
    from tidemill.practices.delivery.joins import Join
    from tidemill.practices.delivery.scoring_job import ScoringJob
    from tidemill.practices.versioning.tables import TableManifest

_TIME = pl.Datetime("us", "UTC")


def joined_job(
    record: Record,
    job: ScoringJob,
    joins: Sequence[Join],
    signature: Signature,
    folder: Path,
    beat: Callable[[], None],
) -> ScoringJob:
    """Return a job on rows with the features of views: written into a folder, in the rows' order.

    Only rows of the job's window are. Memory is for what `view_batches` holds; `beat` is called
    between batches.

    Raises:
        InvalidInputError: a key or the time is of another type; a view's function fails.
    """
    if job.manifest is None:
        return job
    rows = folder / "rows.parquet"
    _write_rows(record, job.manifest, job, joins, signature, rows)
    asked = pl.scan_parquet(rows, glob=False)
    parts: list[tuple[str, ...]] = [(str(rows),)]
    for number, join in enumerate(joins):
        record.tell.progress(f"joining {join.view.name}")
        place = folder / str(number)
        place.mkdir()
        files: list[str] = []
        for frame in _values(record, join, asked, signature.time):
            file = place / f"{len(files):06}.arrow"
            frame.select(join.features).write_ipc(file, compression="lz4")
            files.append(str(file))
            beat()
        parts.append(tuple(files))
    return msgspec.structs.replace(job, joined=tuple(parts))


def _values(record: Record, join: Join, asked: pl.LazyFrame, time: str) -> Iterator[pl.DataFrame]:
    if isinstance(join.view, FeatureView):
        return view_batches(join.view, scan_data(record, str(join.source)), asked, time)
    return row_batches(join.view, asked)


def _write_rows(
    record: Record,
    manifest: TableManifest,
    job: ScoringJob,
    joins: Sequence[Join],
    signature: Signature,
    file: Path,
) -> None:
    """Write the rows of the window, with their places: what the model takes and the views ask."""
    schema = table_schema(manifest)
    asked = {name for join in joins for name in join.view.asked}
    names = [name for name in schema if is_taken(name, signature) or name in asked]
    rows = scan_manifest(record.ports.objects, manifest).select(names).with_row_index(PLACE)
    if signature.time in schema:
        at = time_of(signature.time, schema[signature.time]).fill_null(job.moment_us)
        rows = rows.with_columns(at.cast(_TIME).alias(signature.time))
        if job.start_us is not None and job.end_us is not None:
            start, end = (pl.lit(one).cast(_TIME) for one in (job.start_us, job.end_us))
            rows = rows.filter(pl.col(signature.time) >= start, pl.col(signature.time) < end)
    try:
        rows.sink_parquet(file, compression="lz4")
    except pl.exceptions.PolarsError as error:
        raise unreadable_time(signature.time, error) from None
