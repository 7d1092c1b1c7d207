"""Scoring a whole data version: predictions that are kept and watched like served ones."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.digest import ArtifactId, digest_of_value
from tidemill.core.errors import InvalidInputError
from tidemill.core.pointer import parse_pointer
from tidemill.core.query import Query, Where
from tidemill.core.ref import RefName, Version
from tidemill.core.run import RunId
from tidemill.core.signature import Signature
from tidemill.core.text import counted, table
from tidemill.core.times import Window, from_microseconds, microseconds, parse_window
from tidemill.lineage.artifacts import find_artifact, put_value, tree_entries
from tidemill.lineage.attested import Kept, kept
from tidemill.lineage.leases import HeldLease, sole
from tidemill.lineage.refs import ref_name, resolve
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.missing_columns import missing_column_fix
from tidemill.practices.delivery.request_contract import request_contract
from tidemill.practices.delivery.scoring_answers import answered_frames
from tidemill.practices.delivery.scoring_job import ScoredFile, ScoringJob
from tidemill.practices.monitoring.deployments import SCORING
from tidemill.practices.monitoring.seals import PREDICTIONS, SealFacts
from tidemill.practices.versioning.data import TABLE_KINDS, manifest_of
from tidemill.practices.versioning.model import read_card
from tidemill.practices.versioning.registry import model_folder
from tidemill.wire.prediction_ids import MOST_SCORED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import PendingVersion, RunDraft
    from tidemill.practices.versioning.tables import StoredTable

_WAIT_S = 600.0
_DAY = timedelta(days=1)
_MOST_TOLD = 5


class ScoringSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What scored what: stands in predictions where a deployment does; of kind `scoring`."""

    name: str
    model: str
    """The model's full name, `model:PROJECT/NAME`."""
    number: int
    artifact: ArtifactId
    run: RunId
    """The run that put this version of the model there."""
    signature: Signature
    data: str
    """The version that was scored, `data:NAME@N`."""
    data_artifact: ArtifactId
    window: str = ""
    threads: int = 1
    log_array_bytes: int = 4096
    contracts: tuple[ArtifactId, ...] = ()
    rules: str = ""

    def __str__(self) -> str:
        rows: list[tuple[str, object]] = [
            ("model", f"{self.model}@{self.number}"),
            ("data", f"{self.data}{f', {self.window}' if self.window else ''}"),
            ("contract rules", "yes" if self.rules else "none"),
        ]
        return table(["scoring", self.name], rows)

    __repr__ = __str__


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that were given to no model for one reason; `first_row`: their first place."""

    because: str
    rows: int
    first_row: int


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a data version. `is_new` False: it was scored before, nothing was added."""

    name: str
    predictions: str
    """The version that holds the predictions, `predictions:NAME@N`."""
    model: str
    data: str
    rows: int
    rejected: int
    window: str
    is_new: bool
    run: str
    refusals: tuple[Refusal, ...] = ()
    """Why rows were rejected, most rows first; `refused_because` tells it of each row."""

    def __str__(self) -> str:
        if not self.is_new:
            return (
                f"{self.model} has scored {self.data} already, nothing was added\n"
                f"  {self.predictions}, {counted(self.rows, 'prediction')}"
            )
        lines = [f"{self.model} scored {counted(self.rows, 'row')} of {self.data}"]
        lines.append(f"  {self.predictions}, {self.window}")
        lines += [
            f"  {counted(one.rows, 'row')} refused, first row {one.first_row:,}: {one.because}"
            for one in self.refusals[:_MOST_TOLD]
        ]
        if len(self.refusals) > _MOST_TOLD:
            lines.append(f"  {self.rejected:,} rows were refused in all: see `refused_because`")
        return "\n".join(lines)

    __repr__ = __str__


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
    take them like those of a deployment. What was scored already adds nothing.

    Args:
        record: the record.
        model: the version, like model:delay@champion.
        data: a table, or a folder of files, like data:flights@9.
        out: NAME of the predictions; default: MODEL-DATA.
        window: only rows whose time is in it: 2013-04, 2013-04-07 or START..END.
        at: effective time of rows that have none of their own; default: now.
        because: why it is scored.

    Raises:
        InvalidInputError: a column that the model takes is missing or of another type.
        NotFoundError: there is no such model, or no such data.
    """
    version = resolve(record, model, kind="model")
    pointer = parse_pointer(data, project=record.project, kind="data")
    scored = resolve(record, pointer)
    name = out.removeprefix(f"{PREDICTIONS}:") or f"{version.ref.name}-{scored.ref.name}"
    span = parse_window(window) if window else None
    spec = _spec(record, name, version, scored, span)
    key = f"scored:{record.project}/{name}:{_identity(spec)}"
    before = kept(record, key)
    if before.said is not None:
        return _before(record, spec, before.said)
    ref = ref_name(record, PREDICTIONS, name)
    with sole(record, f"scoring:{ref}", wait_s=_WAIT_S) as held:
        before = kept(record, key)
        if before.said is not None:  # somebody else scored it while we waited
            return _before(record, spec, before.said)
        return _scored(record, spec, scored, _Wish(ref, before, span, at, because, held))


class _Wish(msgspec.Struct, frozen=True):
    """Where predictions go, and how."""

    ref: RefName
    before: Kept
    span: Window | None
    at: datetime | None
    because: str
    held: HeldLease


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


def _identity(spec: ScoringSpec) -> str:
    told = [spec.artifact, spec.data_artifact, spec.window]
    return digest_of_value(told).partition(":")[2]


def _scored(record: Record, spec: ScoringSpec, data: Version, wish: _Wish) -> Scored:
    summary = {"model": f"{spec.model}@{spec.number}", "data": spec.data}
    scoring = put_value(record, SCORING, spec, summary=summary)
    job = _job(record, spec, scoring, wish)
    with opened(
        record, kind="scoring", name=spec.name, at=wish.at, because=wish.because, announce=True,
        params={"model": summary["model"], "data": spec.data, "window": spec.window},
    ) as run:  # fmt: skip
        taken = _Taken()
        stored = _written(record, job, spec, taken, wish.held)
        run.used(spec.artifact, name="model", source=spec.run)
        run.used(spec.data_artifact, name="data", source=data.run)
        for contract in spec.contracts:
            run.used(contract, name="contract")
        run.made(scoring, name=SCORING)
        run.version(ref_name(record, SCORING, spec.name), scoring)
        pending = _sealed(run, stored, taken, wish)
    return Scored(
        name=spec.name, predictions=str(pending.version), model=_model_name(spec),
        data=_data_name(spec), rows=taken.rows, rejected=taken.rejected,
        window=str(taken.window), is_new=True, run=run.id, refusals=taken.refusals,
    )  # fmt: skip


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
    record: Record, job: ScoringJob, spec: ScoringSpec, taken: _Taken, held: HeldLease
) -> StoredTable:
    from tidemill.practices.delivery.scored_rows import refusals_of, span_of  # noqa: PLC0415 - heavy
    from tidemill.practices.versioning.tables import TableWriter  # noqa: PLC0415 - heavy

    writer = TableWriter(record.ports.objects)
    with closing(answered_frames(job, threads=spec.threads)) as frames:
        for frame in frames:
            writer.write(frame)
            ids = frame["prediction_id"]
            taken.note(*span_of(frame), (ids[0], ids[-1]))
            for because, rows, first in refusals_of(frame):
                taken.refused(because, rows, first)
            taken.rows += frame.height
            record.tell.progress(f"scoring {_data_name(spec)}, rows", taken.rows)
            record.tell.check()
            held.renew()
    if taken.rows > MOST_SCORED:
        raise InvalidInputError(
            f"{_data_name(spec)} has more than {MOST_SCORED:,} rows",
            fix="score it window by window: --window START..END",
        )
    if not taken.rows:
        where = f" in {spec.window}" if spec.window else ""
        raise InvalidInputError(
            f"{_data_name(spec)} has no rows{where}; nothing was scored",
            fix="give another window, or data with rows",
        )
    return writer.finish()


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


def _job(record: Record, spec: ScoringSpec, scoring: Artifact, wish: _Wish) -> ScoringJob:
    objects, data = record.ports.objects, find_artifact(record, spec.data_artifact)
    model = find_artifact(record, spec.artifact)
    job = ScoringJob(
        model_folder=str(model_folder(record, model)), scoring=scoring.id, model=spec.artifact,
        model_version=_model_name(spec), moment_us=microseconds(record.moment(wish.at)),
        received_us=microseconds(record.now()), rules=spec.rules,
        log_array_bytes=spec.log_array_bytes,
        start_us=microseconds(wish.span.start) if wish.span else None,
        end_us=microseconds(wish.span.end) if wish.span else None,
    )  # fmt: skip
    if data.kind not in TABLE_KINDS and data.id.startswith("tree1:"):
        files = tuple(
            ScoredFile(
                path=entry.path, object=str(objects.path(entry.digest)), size_bytes=entry.size_bytes
            )
            for entry in tree_entries(record, data)
        )
        return msgspec.structs.replace(job, files=files)
    from tidemill.practices.versioning.tables import read_manifest  # noqa: PLC0415 - heavy

    manifest = read_manifest(objects, manifest_of(data), data.id)
    _require_columns(record, spec, [name for name, _ in manifest.schema])
    paths = tuple(str(objects.path(fragment.digest)) for fragment in manifest.fragments)
    return msgspec.structs.replace(job, manifest=manifest, fragments=paths)


def _require_columns(record: Record, spec: ScoringSpec, names: Iterable[str]) -> None:
    """Refuse a table without the model's columns before any row is read."""
    known, signature = list(names), spec.signature
    needed = [field.name for field in signature.inputs]
    needed += [
        field.name
        for field in signature.context
        if not field.is_optional or field.name in (signature.time, signature.row_key)
    ]
    for name in needed:
        if name not in known and name.partition(".")[0] not in known:
            raise InvalidInputError(
                f"{_data_name(spec)} has no column {name!r}, which {_model_name(spec)} takes",
                fix=missing_column_fix(record, name, known),
            )


def _before(record: Record, spec: ScoringSpec, run: RunId) -> Scored:
    ref = ref_name(record, PREDICTIONS, spec.name)
    where = (Where("ref", "=", str(ref)), Where("run", "=", run))
    (version,) = record.ports.ledger.find(Query(Version, where=where, limit=1))
    return Scored(
        name=spec.name, predictions=str(version), model=_model_name(spec), data=_data_name(spec),
        rows=int(version.summary.get("rows") or 0), rejected=0,
        window=str(version.summary.get("window")), is_new=False, run=run,
    )  # fmt: skip


def _model_name(spec: ScoringSpec) -> str:
    return f"model:{spec.model.rpartition('/')[2].removeprefix('model:')}@{spec.number}"


def _data_name(spec: ScoringSpec) -> str:
    return f"{spec.data}, {spec.window}" if spec.window else spec.data
