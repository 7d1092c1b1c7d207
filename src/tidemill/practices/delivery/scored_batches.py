"""The rows of a data version in batches that memory holds: of a table, or of a folder's files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from tidemill.core.errors import InvalidInputError
from tidemill.practices.features.partitions import aligned
from tidemill.practices.versioning.tables import table_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidemill.core.signature import Signature
    from tidemill.practices.delivery.scoring_job import ScoredFile, ScoringJob

PLACE = "_place"
"""Column with the places of rows in their version, where other columns were joined onto them."""
_SAMPLE_ROWS = 64


class Batch(msgspec.Struct, frozen=True):
    """Some rows: `first` is the place of the first, `frame` their columns.

    `places` are the places of all, shape (rows,), where they do not follow one another.
    """

    first: int
    frame: pl.DataFrame
    paths: tuple[str, ...] = ()
    places: NDArray[np.int64] | None = None


def batches(job: ScoringJob, signature: Signature) -> Iterator[Batch]:
    """Yield the rows of a job's table, or the files of its folder, some at a time."""
    if job.joined:
        yield from _joined_batches(job)
        return
    if job.manifest is None:
        yield from _file_batches(job, signature)
        return
    schema = table_schema(job.manifest)
    wanted = [name for name in schema if is_taken(name, signature)]
    first = 0
    for fragment, path in zip(job.manifest.fragments, job.fragments, strict=True):
        scan = pl.scan_parquet(path, glob=False).select(wanted).cast({n: schema[n] for n in wanted})
        rows = _batch_rows(job, scan)
        for start in range(0, fragment.rows, rows):
            yield Batch(first + start, scan.slice(start, rows).collect())
        first += fragment.rows


def _joined_batches(job: ScoringJob) -> Iterator[Batch]:
    """Yield rows beside the features that were joined onto them."""
    rows = pl.scan_parquet([*job.joined[0]], glob=False)
    features = [pl.scan_ipc([*files], glob=False) for files in job.joined[1:]]
    given = {name for part in features for name in part.collect_schema().names()}
    own = [name for name in rows.collect_schema().names() if name not in given]
    for frame in aligned([rows.select(own), *features], _batch_rows(job, rows)):
        if frame.height:
            places = frame[PLACE].cast(pl.Int64).to_numpy()
            yield Batch(int(places[0]), frame.drop(PLACE), places=places)


def is_taken(name: str, signature: Signature) -> bool:
    """Whether a model takes a column of the rows, or is given it along."""
    fields = (*signature.inputs, *signature.context)
    return any(field.name == name or field.name.startswith(f"{name}.") for field in fields)


def _batch_rows(job: ScoringJob, scan: pl.LazyFrame) -> int:
    """Return how many rows fit the bytes of a batch."""
    sample = scan.head(_SAMPLE_ROWS).collect()
    a_row = sample.estimated_size() / max(sample.height, 1)
    return int(min(job.batch_rows, max(1, job.batch_bytes // max(a_row, 1))))


def _file_batches(job: ScoringJob, signature: Signature) -> Iterator[Batch]:
    waiting: list[ScoredFile] = []
    first = size = 0
    for file in job.files:
        if waiting and (size + file.size_bytes > job.batch_bytes or len(waiting) >= job.batch_rows):
            yield _of_files(first, waiting, signature)
            first, waiting, size = first + len(waiting), [], 0
        waiting.append(file)
        size += file.size_bytes
    if waiting:
        yield _of_files(first, waiting, signature)


def _of_files(first: int, files: Sequence[ScoredFile], signature: Signature) -> Batch:
    paths = tuple(file.path for file in files)
    columns: dict[str, pl.Series] = {"path": pl.Series(paths)}
    for field in (*signature.inputs, *signature.context):
        if field.name == "path" or (field in signature.context and field.is_optional):
            continue
        if field.datatype != "BYTES" or field.shape or field.fields:
            raise InvalidInputError(
                f"the model takes {field.name!r} ({field.kind}), and a folder has files: their "
                "`path`, their bytes (BYTES with is_binary) or their text (BYTES)",
                fix="declare such a signature, and read the files in the model's predict",
            )
        contents = [Path(file.object).read_bytes() for file in files]
        if field.is_binary:
            columns[field.name] = pl.Series(contents, dtype=pl.Binary)
        else:
            columns[field.name] = pl.Series([c.decode("utf-8", "replace") for c in contents])
    return Batch(first, pl.DataFrame(columns), paths)
