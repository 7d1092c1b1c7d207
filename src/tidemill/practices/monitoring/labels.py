"""Labels: what really happened, told later, corrected sometimes; known as of any time.

`labels:NAME` is a table that grows: key, label, happened_at, arrived_at. Of several labels of one
key the one that arrived last by the asked time counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.facts import RefAt
from tidemill.core.ref import Version
from tidemill.core.text import counted
from tidemill.lineage.artifacts import find_artifact
from tidemill.lineage.refs import ref_name
from tidemill.lineage.suggestions import closest
from tidemill.lineage.writing import find_ref, newest_version, opened
from tidemill.practices.monitoring.deployments import (
    WATCHED,
    read_deployment,
    require_predictions,
    served_task,
)
from tidemill.practices.monitoring.left_out import LeftOut, left_out, require_some, told_rest
from tidemill.practices.monitoring.seals import known_seals, scan_seals
from tidemill.practices.versioning.tables import TableWriter, read_manifest, scan_table
from tidemill.wire.prediction_block import decode_block, stream_names

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

    from tidemill.core.facts import Condition
    from tidemill.core.ref import RefName
    from tidemill.core.task import Task
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.left_out import Reason

LABELS = "labels"
BY_ID = "prediction_id"


class LabelsAdded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of labels. `unknown`: rows whose key no logged prediction has (yet).

    `rows` are those added, repeated and dropped; `corrected` and `unknown` are among the added.
    """

    name: str
    version: str
    rows: int
    rows_added: int
    corrected: int
    repeated: int
    unknown: int
    dropped: int = 0
    left_out: tuple[LeftOut, ...] = ()

    def __str__(self) -> str:
        rest = told_rest(self.repeated, self.left_out)
        if not self.rows_added:
            if not self.left_out:
                return f"{self.version}: nothing new, all {self.rows:,} labels were there already"
            return "\n".join([f"{self.version}: nothing new", *rest])
        parts = [f"{counted(self.rows_added, 'label')} added to {self.version}"]
        told = (
            (self.corrected, "correct earlier ones"),
            (self.unknown, "belong to no logged prediction"),
        )
        parts += [f"  of them {count:,} {what}" for count, what in told if count]
        return "\n".join([*parts, *rest])

    __repr__ = __str__


def add_labels(  # noqa: D417, PLR0913 - `record` is the context, not an argument of a face
    record: Record,
    name: str,
    source: object,
    *,
    key: str,
    label: str = "label",
    happened: str = "happened_at",
    arrived: str = "arrived_at",
    at: datetime | None = None,
) -> LabelsAdded:
    """Add labels of predictions; the same again adds nothing, a newer one corrects.

    Args:
        name: of the deployment.
        source: file or frame with one label a row.
        key: column by which rows are found: the signature's row key, or prediction_id.
        label: column with the label.
        happened: column with the time when it happened, where there is one.
        arrived: column with the time when it was known; left out, it is the effective time.
        at: effective time at which these labels are known.

    Raises:
        NotFoundError: nothing predicts under this name; names the closest.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    moment, ref = record.moment(at), ref_name(record, LABELS, name)
    require_predictions(record, ref)
    given, _ = named_frame(record, source)
    columns = _Columns(key=key, label=label, happened=happened, arrived=arrived)
    task = _task(record, name)
    rows, left = _taken(given, _normal(given, columns, task, moment), columns, task)
    newest = newest_version(record, ref)
    known = label_rows(record, newest) if isinstance(newest, Version) else None
    fresh, corrected = _new_rows(rows, known)
    counts = LabelsAdded(
        name=name, version=str(newest) if isinstance(newest, Version) else f"{LABELS}:{name}",
        rows=given.height, rows_added=fresh.height, corrected=corrected,
        repeated=rows.height - fresh.height, unknown=_unknown(record, name, key, fresh),
        dropped=given.height - rows.height, left_out=left,
    )  # fmt: skip
    if not fresh.height:
        return counts
    version = _append(record, ref, newest, fresh, moment)
    record.tell.line(f"{fresh.select(pl.len()).item()} labels of {name}")
    return msgspec.structs.replace(counts, version=str(version))


def labels_known(record: Record, name: str, at: datetime) -> pl.LazyFrame | None:
    """Return the label of each key as it was known at a time; None: there never was one.

    Columns key, label, happened_at, arrived_at; one row a key.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    newest = newest_version(record, ref_name(record, LABELS, name))
    if not isinstance(newest, Version):
        return None
    known = label_rows(record, newest).filter(pl.col("arrived_at") <= at)
    return known.sort("arrived_at", maintain_order=True).unique(
        "key", keep="last", maintain_order=True
    )


def with_labels(rows: pl.LazyFrame, labels: pl.LazyFrame | None, row_key: str) -> pl.LazyFrame:
    """Return predictions with the columns `label`, `label_arrived_at`; null where none is known.

    Args:
        rows: predictions; `row_key` is one of their columns, "" stands for the prediction's id.
        labels: from `labels_known`.
        row_key: the signature's row key.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    if labels is None:
        return rows.with_columns(label=pl.lit(None), label_arrived_at=pl.lit(None))
    named = labels.select("key", "label", label_arrived_at="arrived_at")
    by_key = pl.col(row_key or BY_ID).cast(pl.String)
    return rows.with_columns(key=by_key).join(named, on="key", how="left").drop("key")


def labels_of_task(rows: pl.LazyFrame, task: Task) -> pl.LazyFrame:
    """Return labelled rows with `label` null where it is no label of the task.

    Where there are any, `unknown_label` says what they are; without, there is no such column.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.kernels.task_metrics import unknown_labels  # noqa: PLC0415 - NumPy

    levels = rows.select(pl.col("label").drop_nulls().unique()).collect().to_series()
    odd = levels.filter(pl.Series(unknown_labels(task, levels.to_list()), dtype=pl.Boolean))
    if not odd.len():
        return rows
    is_odd = pl.col("label").is_in(odd.implode())
    return rows.with_columns(
        label=pl.when(~is_odd).then("label"),
        unknown_label=pl.when(is_odd).then(pl.col("label").cast(pl.String)),
    )


def label_rows(record: Record, version: Version) -> pl.LazyFrame:
    """Return all label rows of a version, corrected ones too."""
    artifact = find_artifact(record, version.artifact)
    if artifact.manifest is None:
        raise InvalidInputError(f"{version} has lost its rows", fix="add the labels again")
    rows: pl.LazyFrame = scan_table(record.ports.objects, artifact.manifest, artifact.id)
    return rows


class _Columns(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    label: str
    happened: str
    arrived: str


def named_frame(record: Record, source: object) -> tuple[pl.DataFrame, str]:
    """Return all rows of a file, folder or frame, and its name.

    Raises:
        InvalidInputError, NotFoundError: it cannot be read.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    if isinstance(source, pl.DataFrame):
        return source, "a frame"
    opened_source = record.ports.sources.open(source)
    return pl.concat(list(opened_source.batches())), opened_source.name


def _task(record: Record, name: str) -> Task | None:
    """Return what is predicted under a name now; None: nothing tells."""
    ref = ref_name(record, "deployment", name)
    newest = newest_version(record, ref) if find_ref(record, ref) else None
    if not isinstance(newest, Version):
        newest = newest_version(record, ref_name(record, WATCHED, name))
    if not isinstance(newest, Version):
        return None
    try:
        return served_task(record, read_deployment(record, newest.artifact))
    except NotFoundError:  # the record came without the model
        return None


def _taken(
    given: pl.DataFrame, rows: pl.DataFrame, columns: _Columns, task: Task | None
) -> tuple[pl.DataFrame, tuple[LeftOut, ...]]:
    """Return the rows that have a key and a label that the task knows, and why others do not.

    Raises:
        InvalidInputError: no row has; says why.
    """
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.kernels.task_metrics import unknown_labels  # noqa: PLC0415 - NumPy

    label, shown = rows["label"], given[columns.label]
    label = label.fill_nan(None) if label.dtype.is_float() else label
    is_nan = shown.is_nan() if shown.dtype.is_float() else shown.is_null()
    reasons: list[Reason] = [
        ("no key", rows["key"].is_null(), None),
        (f"no {columns.label}", is_nan | shown.is_null(), None),
    ]
    if task is not None:
        levels = label.drop_nulls().unique()
        odd = levels.filter(pl.Series(unknown_labels(task, levels.to_list()), dtype=pl.Boolean))
        known = ", ".join(task.classes) if task.classes else "0, 1"
        what = "no number" if task.kind == "regression" else f"no class of {known}"
        is_odd = label.is_null() | label.is_in(odd.implode())
        reasons.append((f"{columns.label} is {what}", is_odd, shown))
    taken, left = left_out(reasons, rows["key"])
    require_some(given.height, left, "label")
    return rows.filter(taken), left


def _counts(task: Task) -> bool:
    """Whether labels of a task are numbers: those of no named classes."""
    return task.kind == "regression" or (task.kind == "binary" and len(task.classes) != 2)


def _normal(
    given: pl.DataFrame, columns: _Columns, task: Task | None, moment: datetime
) -> pl.DataFrame:
    """Return key, label, happened_at, arrived_at of every row."""
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.kernels.text_times import required_times  # noqa: PLC0415 - Polars

    for wanted in (columns.key, columns.label):
        if wanted not in given.columns:
            near = closest(wanted, given.columns)
            raise InvalidInputError(
                f"the labels have no column {wanted!r}; they have {', '.join(given.columns)}",
                fix=f"did you mean {near!r}?" if near else "name it with --key or --label",
            )
    dtype = given.schema[columns.label]
    is_number = dtype.is_numeric() or dtype == pl.Boolean or (task is not None and _counts(task))
    label_type = pl.Float64 if is_number else pl.String
    instant = pl.Datetime("us", "UTC")

    def time(name: str, otherwise: pl.Expr) -> pl.Expr:
        if name not in given.columns:
            return otherwise
        if given.schema[name] == pl.String:
            return pl.lit(required_times(given[name]))
        return pl.col(name).cast(instant) if given.schema[name] != instant else pl.col(name)

    arrived = time(columns.arrived, pl.lit(moment).cast(instant))
    try:
        return given.select(
            key=pl.col(columns.key).cast(pl.String),
            label=pl.col(columns.label).cast(label_type, strict=False),
            happened_at=time(columns.happened, pl.lit(None).cast(instant)),
            arrived_at=arrived.fill_null(moment),
        )
    except pl.exceptions.PolarsError as error:
        raise InvalidInputError(
            f"the labels' times cannot be read: {error}",
            fix="write times like 2013-04-01T06:30:00Z",
        ) from None


def _new_rows(rows: pl.DataFrame, known: pl.LazyFrame | None) -> tuple[pl.DataFrame, int]:
    """Return the rows that say something new, and how many of them correct a known label."""
    import polars as pl  # noqa: PLC0415 - heavy

    ordered = rows.sort("arrived_at", maintain_order=True)
    ordered = ordered.unique(["key", "arrived_at"], keep="last", maintain_order=True)
    if known is None:
        return ordered, 0
    before = known.join(ordered.lazy().select("key").unique(), on="key", how="semi").collect()
    if before.height and before.schema["label"] != ordered.schema["label"]:
        raise InvalidInputError(
            f"these labels are {ordered.schema['label']}, those before {before.schema['label']}",
            fix="give labels of one type: numbers, or the names of classes",
        )
    before = before.sort("arrived_at", maintain_order=True).with_columns(known_label="label")
    matched = ordered.join_asof(
        before.select("key", "arrived_at", "known_label"), on="arrived_at", by="key",
        check_sortedness=False,
    )  # fmt: skip
    is_new = (pl.col("known_label") != pl.col("label")).fill_null(value=True)
    fresh = matched.filter(is_new)
    return fresh.drop("known_label"), fresh.height - fresh["known_label"].null_count()


def _append(
    record: Record, ref: RefName, newest: Version | int, fresh: pl.DataFrame, moment: datetime
) -> Version:
    base = None
    unchanged: Condition = RefAt(ref=ref, number=None if find_ref(record, ref) is None else 0)
    if isinstance(newest, Version):
        held = find_artifact(record, newest.artifact)
        if held.manifest:
            base = read_manifest(record.ports.objects, held.manifest, held.id)
        unchanged = RefAt(ref=ref, number=newest.number)
    writer = TableWriter(record.ports.objects, base=base)
    writer.write(fresh)
    stored = writer.finish()
    with opened(record, kind="labelling", name=ref.name, at=moment) as run:
        if isinstance(newest, Version):
            run.used(newest.artifact, name="base", source=newest.run)
        run.made(stored.artifact, name=LABELS, objects=stored.objects)
        pending = run.version(ref, stored.artifact)
        run.require(unchanged)  # labels that came meanwhile are not lost: this fails instead
        run.figure("rows_added", fresh.height)
    return pending.version


def _unknown(record: Record, name: str, key: str, rows: pl.DataFrame) -> int:
    """Count the keys that neither a sealed window nor the open tail has."""
    import polars as pl  # noqa: PLC0415 - heavy

    wanted = rows.select("key").unique()
    sealed = scan_seals(record, known_seals(record, name))
    if sealed is not None and key in sealed.collect_schema():
        keys = sealed.select(key=pl.col(key).cast(pl.String)).unique()
        wanted = wanted.lazy().join(keys, on="key", how="anti").collect(engine="streaming")
    stream = record.ports.stream
    left = set(wanted["key"].to_list())
    for one in stream_names(stream.names(name), name):
        for _, data in stream.read(one):
            if not left:
                return 0
            block = decode_block(data)
            if key == BY_ID:
                left -= {bytes(row).hex() for row in block.ids}
            for column in block.columns:
                if column.name == key:
                    left -= {str(value) for value in column.values.tolist()}
    return len(left)
