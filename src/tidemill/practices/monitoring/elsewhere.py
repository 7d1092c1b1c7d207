"""Models that are served elsewhere: their predictions are told by rows and sealed like our own."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

import msgspec

from tidemill.core.errors import ConflictError, InvalidInputError
from tidemill.core.facts import Keyed, KeyIs
from tidemill.core.ref import Version
from tidemill.core.task import Task
from tidemill.core.text import counted
from tidemill.core.times import Window
from tidemill.lineage.artifacts import find_artifact, put_value, read_value
from tidemill.lineage.refs import ref_name, resolve
from tidemill.lineage.writing import find_ref, newest_version, opened
from tidemill.practices.monitoring.deployments import WATCHED, ServedModel, model_task
from tidemill.practices.monitoring.left_out import LeftOut, told_rest
from tidemill.practices.monitoring.seals import PREDICTIONS, SealFacts, known_seals, scan_seals
from tidemill.practices.versioning.tables import TableWriter

if TYPE_CHECKING:
    import polars as pl

    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import RefName
    from tidemill.core.signature import Signature
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import PendingVersion, RunDraft
    from tidemill.practices.monitoring.told_rows import ToldRows

OUTSIDE = "outside_model"
_DAY = timedelta(days=1)


class OutsideModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model that the registry does not know: its name, and what it predicts."""

    name: str
    task: Task

    def __str__(self) -> str:
        return f"{self.name}: {self.task.kind}, predicts {self.task.label}; not in the registry"

    __repr__ = __str__


class PredictionsAdded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of told predictions. `version` is "" where nothing was new.

    `rows` are those added, repeated and dropped; `corrected` are among the added ones.
    """

    name: str
    version: str
    model: str
    task: Task
    rows: int
    rows_added: int
    corrected: int
    repeated: int
    dropped: int = 0
    left_out: tuple[LeftOut, ...] = ()

    def __str__(self) -> str:
        rest = told_rest(self.repeated, self.left_out)
        if not self.rows_added:
            if not self.left_out:
                were = f"all {self.rows:,} predictions were there already"
                return f"{self.name}: nothing new, {were}"
            return "\n".join([f"{self.name}: nothing new", *rest])
        head = f"{counted(self.rows_added, 'prediction')} of {self.model} added: {self.version}"
        corrected = [f"  of them {self.corrected:,} correct earlier ones"] if self.corrected else []
        about = f"  {self.task.kind}, labels: tidemill labels add {self.name} FILE --key KEY"
        return "\n".join([head, *corrected, *rest, about])

    __repr__ = __str__


def add_predictions(  # noqa: D417, PLR0913 - `record` is the context; a source and its columns
    record: Record,
    name: str,
    source: object,
    *,
    key: str,
    time: str = "",
    score: tuple[str, ...] = (),
    task: str = "",
    label: str = "label",
    classes: tuple[str, ...] = (),
    model: str = "",
    at: datetime | None = None,
) -> PredictionsAdded:
    """Add predictions of a model that is served elsewhere; the same again adds nothing.

    Another answer for a key corrects the one before; late rows join their window. Reports, drift
    tests and `why` take them like those of a deployment.

    Args:
        name: what is watched is called; labels, reports and tests ask for it.
        source: file or frame with one prediction a row; its other columns are the inputs.
        key: column by which a row is known, and labels find it.
        time: column with the effective time; left out, it is that of `at`.
        score: column with the answer, or one a class.
        task: binary, multiclass or regression; left out, it is what the scores look like.
        label: what the label is called.
        classes: of a multiclass task, in the order of the scores.
        model: a registered version like model:churn@3, or any name.
        at: effective time at which these rows are known.
    """
    from tidemill.practices.monitoring.labels import named_frame  # noqa: PLC0415 - heavy
    from tidemill.practices.monitoring.told_rows import (  # noqa: PLC0415 - heavy
        ToldColumns,
        score_columns,
        told_rows,
    )

    moment, (given, source_name) = record.moment(at), named_frame(record, source)
    _require_free(record, name)
    asked = _Asked(score=score, task=task, label=label, classes=classes)
    wish = _wish(record, name, given, asked, model=model, at=moment)
    wish = msgspec.structs.replace(wish, source=source_name)
    columns = ToldColumns(key=key, time=time, score=score_columns(given, wish.task, score))
    rows = told_rows(given, columns, wish.task, who=(record.project, name), at=moment)
    try:
        return _added(record, wish, rows, given.height)
    except ConflictError:  # others added meanwhile: what they added is known then
        return _added(record, wish, rows, given.height)


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller says of the task."""

    score: tuple[str, ...]
    task: str
    label: str
    classes: tuple[str, ...]


def _wish(
    record: Record, name: str, given: pl.DataFrame, asked: _Asked, *, model: str, at: datetime
) -> _Wish:
    """Return which model answered what: as registered, as told before, or as the rows show."""
    from tidemill.practices.monitoring.told_rows import guessed_task  # noqa: PLC0415 - heavy

    if not given.height:
        raise InvalidInputError("the source has no rows", fix="give one prediction a row")
    if ":" in model:
        registered = resolve(record, model, kind="model")
        task = model_task(record, registered.artifact)
        return _Wish(name=name, task=task, model=registered, at=at)
    known = _watched_now(record, name)
    is_same = known is not None and model in ("", known.model)
    if known is not None and known.task and is_same and not (asked.task or asked.classes):
        task = known.task
    else:
        task = guessed_task(
            given, asked.score, kind=asked.task, label=asked.label, classes=asked.classes
        )
    return _Wish(name=name, task=task, model=model or _model_of(known, name), at=at)


class _Wish(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    task: Task
    model: Version | str
    at: datetime
    source: str = ""


def _added(record: Record, wish: _Wish, rows: ToldRows, given: int) -> PredictionsAdded:
    seals = known_seals(record, wish.name)
    chain = f"seals:{record.project}/{wish.name}"
    before = record.ports.ledger.keys([chain]).get(chain)
    identity, version = _model_id(record, wish)
    fresh = _fresh(record, wish, rows, seals_rows=scan_seals(record, seals))
    counts = PredictionsAdded(
        name=wish.name, version="", model=version, task=wish.task, rows=given,
        rows_added=fresh.rows.height, corrected=fresh.corrected,
        repeated=rows.frame.height - fresh.rows.height + rows.twice, dropped=rows.dropped,
        left_out=rows.left_out,
    )  # fmt: skip
    if not fresh.rows.height:
        return counts
    with opened(
        record, kind="collection", name=f"{wish.name} {fresh.window}", at=wish.at,
        params={"source": wish.source},
    ) as run:  # fmt: skip
        watched = _watched(record, run, wish, rows.signature, identity)
        number = _sealed(record, run, wish, fresh, (watched, identity.id, version))
        run.add(Keyed(key=chain, run=run.id))
        run.require(KeyIs(key=chain, run=before))
    return msgspec.structs.replace(counts, version=str(number.version))


class _Fresh:
    """Rows that say something new, and the days that they, and what they correct, lie in."""

    def __init__(self, rows: pl.DataFrame, *, corrected: int, times: pl.Series) -> None:
        self.rows, self.corrected = rows, corrected
        self.window = _days(times) if times.len() else None


def _fresh(
    record: Record, wish: _Wish, rows: ToldRows, *, seals_rows: pl.LazyFrame | None
) -> _Fresh:
    import polars as pl  # noqa: PLC0415 - heavy

    instant = pl.lit(wish.at).cast(pl.Datetime("us", "UTC"))
    frame = rows.frame.with_columns(received_at=instant)
    if seals_rows is None:
        return _Fresh(frame, corrected=0, times=frame["at"])
    wanted = frame.lazy().select("prediction_id")
    known = seals_rows.join(wanted, on="prediction_id", how="semi").collect(engine="streaming")
    _, version = _model_id(record, wish)
    told = frame.with_columns(model_version=pl.lit(version))
    joined = told.join(
        known, on="prediction_id", how="left", suffix="__known", maintain_order="left"
    )
    own = [n for n in told.columns if n not in ("prediction_id", "received_at")]
    same = [_same(joined, n) if n in known.columns else pl.col(n).is_null() for n in own]
    is_known = pl.col("deployment").is_not_null()
    marked = joined.with_columns(__new=~(is_known & pl.all_horizontal(same)), __known=is_known)
    kept = marked.filter("__new")
    corrected = kept.filter("__known")
    later = pl.max_horizontal(
        "received_at", pl.col("received_at__known") + timedelta(microseconds=1)
    )
    fresh = kept.with_columns(received_at=later).select(*rows.frame.columns, "received_at")
    times = pl.concat([fresh["at"], corrected["at__known"]])
    return _Fresh(fresh, corrected=corrected.height, times=times)


def _same(joined: pl.DataFrame, name: str) -> pl.Expr:
    import polars as pl  # noqa: PLC0415 - heavy

    before = pl.col(f"{name}__known")
    if joined.schema[name] != joined.schema[f"{name}__known"]:
        return pl.col(name).cast(pl.String).eq_missing(before.cast(pl.String))
    return pl.col(name).eq_missing(before)


def _days(times: pl.Series) -> Window:
    first, last = cast("datetime", times.min()), cast("datetime", times.max())
    return Window(start=_midnight(first), end=_midnight(last) + _DAY)


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _sealed(
    record: Record, run: RunDraft, wish: _Wish, fresh: _Fresh, who: tuple[Artifact, str, str]
) -> PendingVersion:
    from tidemill.practices.monitoring.told_rows import sealed_frame  # noqa: PLC0415 - heavy

    watched, model, version = who
    frame = sealed_frame(fresh.rows, deployment=watched.id, model=model, version=version)
    writer = TableWriter(record.ports.objects)
    writer.write(frame)
    stored = writer.finish()
    facts = SealFacts(
        window=fresh.window, rows=frame.height, is_late=False, positions={},  # type: ignore[arg-type]
        first_id=frame["prediction_id"][0], last_id=frame["prediction_id"][-1], is_told=True,
        corrections=fresh.corrected,
    )  # fmt: skip
    artifact = msgspec.structs.replace(
        stored.artifact, kind=PREDICTIONS,
        summary={"rows": frame.height, "window": str(fresh.window), "late": False},
    )  # fmt: skip
    run.made(artifact, name=PREDICTIONS, objects=stored.objects)
    run.figure("rows", frame.height)
    ref = ref_name(record, PREDICTIONS, wish.name)
    return run.version(ref, artifact, summary=facts.summary(), always=True)


def _model_id(record: Record, wish: _Wish) -> tuple[Artifact, str]:
    """Return the artifact that stands for the model, and how it is called."""
    if isinstance(wish.model, Version):
        ref = wish.model.ref
        return find_artifact(
            record, wish.model.artifact
        ), f"{ref.kind}:{ref.name}@{wish.model.number}"
    value = OutsideModel(name=wish.model, task=wish.task)
    summary = {"name": wish.model, "task": wish.task.kind}
    return put_value(record, OUTSIDE, value, summary=summary), wish.model


def _watched(
    record: Record, run: RunDraft, wish: _Wish, signature: Signature, model: Artifact
) -> Artifact:
    """Return the artifact of what is watched; a version of `watched:NAME` where it is new."""
    is_registered = isinstance(wish.model, Version)
    value = ServedModel(
        name=wish.name, artifact=model.id, signature=signature, task=wish.task,
        model=str(wish.model.ref) if isinstance(wish.model, Version) else wish.model,
        number=wish.model.number if isinstance(wish.model, Version) else 0,
        run=wish.model.run if isinstance(wish.model, Version) else run.id,
    )  # fmt: skip
    known = _watched_now(record, wish.name)
    ref = ref_name(record, WATCHED, wish.name)
    if known is not None and msgspec.structs.replace(known, run=value.run) == value:
        newest = newest_version(record, ref)
        if isinstance(newest, Version):
            run.used(newest.artifact, name=WATCHED, source=newest.run)
            return find_artifact(record, newest.artifact)
    if is_registered:
        run.used(model.id, name="model", source=value.run)
    else:
        run.made(model, name="model")
    artifact = run.made(put_value(record, WATCHED, value), name=WATCHED)
    run.version(ref, artifact, always=True)
    return artifact


def _watched_now(record: Record, name: str) -> ServedModel | None:
    newest = newest_version(record, ref_name(record, WATCHED, name))
    if not isinstance(newest, Version):
        return None
    return read_value(record, find_artifact(record, newest.artifact), ServedModel)


def _model_of(known: ServedModel | None, name: str) -> str:
    return known.model if known is not None and not known.is_registered else name


def _require_free(record: Record, name: str) -> None:
    ref: RefName = ref_name(record, "deployment", name)
    if find_ref(record, ref) is not None:
        raise InvalidInputError(
            f"{name} is deployed here, and its server logs its predictions itself",
            fix=f"give what is served elsewhere another name, such as {name}-elsewhere",
        )
