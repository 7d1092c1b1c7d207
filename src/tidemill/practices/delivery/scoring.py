"""Scoring a whole data version: predictions that are kept and watched like served ones."""

from __future__ import annotations

import tempfile
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.facts import ArtifactMade
from tidemill.core.pointer import parse_pointer
from tidemill.core.query import Query, Where
from tidemill.core.ref import RefName, Version
from tidemill.core.times import Window, from_microseconds, microseconds, parse_window
from tidemill.lineage.artifacts import find_artifact, put_value
from tidemill.lineage.attested import Kept, kept
from tidemill.lineage.leases import HeldLease, sole
from tidemill.lineage.refs import ref_name, resolve
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.joins import Asking, Join, planned_joins, standing_columns
from tidemill.practices.delivery.request_contract import request_contract
from tidemill.practices.delivery.scored import Refusal, Scored, ScoringSpec
from tidemill.practices.delivery.scored_data import ScoredData, scored_data
from tidemill.practices.delivery.scoring_answers import answered_frames
from tidemill.practices.delivery.scoring_job import ScoringJob
from tidemill.practices.features.view_definitions import put_view
from tidemill.practices.monitoring.deployments import SCORING
from tidemill.practices.monitoring.seals import PREDICTIONS, SealFacts
from tidemill.practices.pipelines.capture import capture
from tidemill.practices.pipelines.session_files import session_files
from tidemill.practices.versioning.model import read_card
from tidemill.practices.versioning.registry import model_folder
from tidemill.wire.prediction_ids import MOST_SCORED

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    import polars as pl

    from tidemill.core.artifact import Artifact
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import PendingVersion, RunDraft
    from tidemill.practices.versioning.tables import StoredTable

_WAIT_S = 600.0
_DAY = timedelta(days=1)


def predict_data(  # noqa: PLR0913 - what is scored, and how
    record: Record,
    model: str,
    data: str,
    *,
    out: str = "",
    window: str = "",
    at: datetime | None = None,
    because: str = "",
) -> Scored:
    """Score a whole data version, or its rows of a window, and keep the predictions.

    They are a version of predictions:NAME: reports, labels, drift tests and `why prediction:ID`
    take them like those of a deployment. What was scored already adds nothing. Features that the
    table lacks come from the declared views that give them, as known at each row's own time.

    Args:
        record: the record.
        model: the version, like model:delay@champion.
        data: a table, or a folder of files, like data:flights@9.
        out: NAME of the predictions; default: MODEL-DATA.
        window: only rows whose time is in it: 2013-04, 2013-04-07 or START..END.
        at: effective time, of rows without one and of the views' sources; default: now.
        because: why it is scored.

    Raises:
        InvalidInputError: a column that the model takes, or a view's key, is missing or odd.
        NotFoundError: there is no such model, or no such data.
    """
    version = resolve(record, model, kind="model")
    pointer = parse_pointer(data, project=record.project, kind="data")
    scored = resolve(record, pointer)
    name = out.removeprefix(f"{PREDICTIONS}:") or f"{version.ref.name}-{scored.ref.name}"
    span = parse_window(window) if window else None
    spec = _spec(record, name, version, scored, span)
    rows = scored_data(record, spec.data_artifact)
    is_table = rows.manifest is not None
    joins = planned_joins(record, _asking(spec, rows), record.moment(at)) if is_table else ()
    spec = msgspec.structs.replace(spec, views=tuple(join.told for join in joins))
    key = f"scored:{record.project}/{name}:{spec.identity}"
    before = kept(record, key)
    if before.said is not None:
        return _before(record, spec, before.said)
    ref = ref_name(record, PREDICTIONS, name)
    with sole(record, f"scoring:{ref}", wait_s=_WAIT_S) as held:
        before = kept(record, key)
        if before.said is not None:  # somebody else scored it while we waited
            return _before(record, spec, before.said)
        wish = _Wish(ref, before, span, at, because, held, rows, joins)
        return _scored(record, spec, scored, wish)


class _Wish(msgspec.Struct, frozen=True):
    """Where predictions go, how, and what is scored."""

    ref: RefName
    before: Kept
    span: Window | None
    at: datetime | None
    because: str
    held: HeldLease
    rows: ScoredData
    joins: tuple[Join, ...]

    def beat(self, record: Record) -> None:
        """Stay alive in long work, and end it where it was cancelled."""
        record.tell.check()
        self.held.renew()


def _asking(spec: ScoringSpec, rows: ScoredData) -> Asking:
    columns = [name for name, _ in rows.manifest.schema] if rows.manifest else []
    return Asking(
        model=spec.model_name, signature=spec.signature, data=spec.data_name, columns=columns
    )


def _spec(
    record: Record, name: str, model: Version, data: Version, span: Window | None
) -> ScoringSpec:
    signature = read_card(model_folder(record, find_artifact(record, model.artifact))).signature
    if span is not None and not signature.time:
        raise InvalidInputError(
            f"{model} names no time column, so that no row of {data} has a time of its own",
            fix="leave --window out, or name it: infer_signature(..., context=..., time=...)",
        )
    contracts, rules = request_contract(record, model, signature)
    return ScoringSpec(
        name=name, model=str(model.ref), number=model.number, artifact=model.artifact,
        run=model.run, signature=signature, data=str(data), data_artifact=data.artifact,
        window=str(span or ""), threads=record.settings.whole("serving.threads"),
        log_array_bytes=record.settings.whole("serving.log_array_bytes"),
        contracts=contracts, rules=rules,
    )  # fmt: skip


def _scored(record: Record, spec: ScoringSpec, data: Version, wish: _Wish) -> Scored:
    summary = {"model": f"{spec.model}@{spec.number}", "data": spec.data}
    scoring = put_value(record, SCORING, spec, summary=summary)
    captured = capture(record, session=session_files()) if wish.joins else None
    with opened(
        record, kind="scoring", name=spec.name, at=wish.at, because=wish.because, announce=True,
        params={"model": summary["model"], "data": spec.data, "window": spec.window},
    ) as run:  # fmt: skip
        taken = _Taken()
        stored = _written(record, spec, scoring, taken, wish)
        run.used(spec.artifact, name="model", source=spec.run)
        run.used(spec.data_artifact, name="data", source=data.run)
        for contract in spec.contracts:
            run.used(contract, name="contract")
        if captured is not None:
            captured.attach(run)
            _used_joins(record, run, wish.joins)
        run.made(scoring, name=SCORING)
        run.version(ref_name(record, SCORING, spec.name), scoring)
        pending = _sealed(run, stored, taken, wish)
    return Scored(
        name=spec.name, predictions=str(pending.version), model=spec.model_name,
        data=spec.data_name, rows=taken.rows, rejected=taken.rejected,
        window=str(taken.window), is_new=True, run=run.id, refusals=taken.refusals,
        views=spec.views, notes=standing_columns(record, _asking(spec, wish.rows), wish.joins),
    )  # fmt: skip


def _used_joins(record: Record, run: RunDraft, joins: Sequence[Join]) -> None:
    """Say on a run which views were joined onto its rows, and which versions they were of."""
    for join in joins:
        definition = put_view(record, join.view)
        run.add(ArtifactMade(artifact=definition))
        run.used(definition.id, name=f"view:{join.view.name}")
        run.needs(*([definition.manifest] if definition.manifest else []))
    for source in {str(join.source): join.source for join in joins}.values():
        if source is not None:
            run.used(source.artifact, name=f"source:{source.ref.name}", source=source.run)


class _Taken:
    """What is known of the prediction rows that went by."""

    def __init__(self) -> None:
        self.rows = self.rejected = 0
        self.first_us = self.last_us = 0
        self.first_id = self.last_id = ""
        self._refused: dict[str, Refusal] = {}

    def note(self, first_us: int, last_us: int, ids: tuple[str, str]) -> None:
        """Take in a frame's times and ids; frames come in the order of ids."""
        self.first_us = min(first_us, self.first_us) if self.first_id else first_us
        self.last_us = max(last_us, self.last_us) if self.first_id else last_us
        self.first_id = self.first_id or ids[0]
        self.last_id = ids[1]

    def refused(self, because: str, rows: int, first_row: int) -> None:
        """Take in rows that were refused for one reason."""
        before = self._refused.get(because)
        self.rejected += rows
        self._refused[because] = Refusal(
            because=because, rows=rows + (before.rows if before else 0),
            first_row=before.first_row if before else first_row,
        )  # fmt: skip

    @property
    def refusals(self) -> tuple[Refusal, ...]:
        """Why rows were refused, most rows first."""
        return tuple(sorted(self._refused.values(), key=lambda one: (-one.rows, one.first_row)))

    @property
    def window(self) -> Window:
        """The whole days that the rows lie in."""
        midnight = {"hour": 0, "minute": 0, "second": 0, "microsecond": 0}
        first = from_microseconds(self.first_us).replace(**midnight)  # type: ignore[arg-type]
        last = from_microseconds(self.last_us).replace(**midnight)  # type: ignore[arg-type]
        return Window(start=first, end=last + _DAY)


def _written(
    record: Record, spec: ScoringSpec, scoring: Artifact, taken: _Taken, wish: _Wish
) -> StoredTable:
    from tidemill.practices.delivery.scored_rows import refusals_of, span_of  # noqa: PLC0415 - heavy
    from tidemill.practices.versioning.tables import TableWriter  # noqa: PLC0415 - heavy

    writer = TableWriter(record.ports.objects)
    with closing(_answered(record, spec, scoring, wish)) as frames:
        for frame in frames:
            writer.write(frame)
            ids = frame["prediction_id"]
            taken.note(*span_of(frame), (ids[0], ids[-1]))
            for because, rows, first in refusals_of(frame):
                taken.refused(because, rows, first + 1)
            taken.rows += frame.height
            record.tell.progress(f"scoring {spec.data_name}, rows", taken.rows)
            wish.beat(record)
    if taken.rows > MOST_SCORED:
        raise InvalidInputError(
            f"{spec.data_name} has more than {MOST_SCORED:,} rows",
            fix="score it window by window: --window START..END",
        )
    if not taken.rows:
        where = f" in {spec.window}" if spec.window else ""
        raise InvalidInputError(
            f"{spec.data_name} has no rows{where}; nothing was scored",
            fix="give another window, or data with rows",
        )
    return writer.finish()


def _answered(
    record: Record, spec: ScoringSpec, scoring: Artifact, wish: _Wish
) -> Generator[pl.DataFrame, None, None]:
    """Yield the prediction rows; what is joined onto the rows lies in a folder until then."""
    job = wish.rows.told(
        ScoringJob(
            model_folder=str(model_folder(record, find_artifact(record, spec.artifact))),
            scoring=scoring.id, model=spec.artifact, model_version=spec.model_name,
            moment_us=microseconds(record.moment(wish.at)), received_us=microseconds(record.now()),
            rules=spec.rules, log_array_bytes=spec.log_array_bytes,
            start_us=microseconds(wish.span.start) if wish.span else None,
            end_us=microseconds(wish.span.end) if wish.span else None,
        )
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="tidemill-scoring-") as folder:
        if wish.joins:
            from tidemill.practices.delivery.joined_rows import joined_job  # noqa: PLC0415 - heavy

            job = joined_job(
                record, job, wish.joins, spec.signature, Path(folder), lambda: wish.beat(record)
            )
        yield from answered_frames(job, threads=spec.threads)


def _sealed(run: RunDraft, stored: StoredTable, taken: _Taken, wish: _Wish) -> PendingVersion:
    facts = SealFacts(
        window=taken.window, rows=taken.rows, is_late=False, first_id=taken.first_id,
        last_id=taken.last_id, positions={},
    )  # fmt: skip
    artifact = msgspec.structs.replace(
        stored.artifact, kind=PREDICTIONS,
        summary={"rows": taken.rows, "window": str(taken.window), "late": False},
    )  # fmt: skip
    run.made(artifact, name=PREDICTIONS, objects=stored.objects)
    run.figure("rows", taken.rows)
    run.figure("rows_rejected", taken.rejected)
    wish.before.give(run)
    return run.version(wish.ref, artifact, summary=facts.summary(), always=True)


def _before(record: Record, spec: ScoringSpec, run: RunId) -> Scored:
    ref = ref_name(record, PREDICTIONS, spec.name)
    where = (Where("ref", "=", str(ref)), Where("run", "=", run))
    (version,) = record.ports.ledger.find(Query(Version, where=where, limit=1))
    return Scored(
        name=spec.name, predictions=str(version), model=spec.model_name, data=spec.data_name,
        rows=int(version.summary.get("rows") or 0), rejected=0,
        window=str(version.summary.get("window")), is_new=False, run=run, views=spec.views,
    )  # fmt: skip
