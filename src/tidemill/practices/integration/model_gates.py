"""The gates of a model: its report, what serving it costs, and leakage, as one verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.check import Finding
from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.ref import RefName
from tidemill.lineage.artifacts import find_artifact
from tidemill.practices.features.declare import FeatureView
from tidemill.practices.features.declared_views import declared_views
from tidemill.practices.features.on_demand import OnDemandView
from tidemill.practices.integration.leakage import future_finding, label_findings
from tidemill.practices.integration.report_gates import report_findings
from tidemill.practices.integration.row_wise import row_wise_finding
from tidemill.practices.integration.serving_gates import serving_findings
from tidemill.practices.integration.verdicts import Gate, Judged, Question, ask
from tidemill.practices.monitoring.report import read_report
from tidemill.practices.versioning.data import scan_data
from tidemill.practices.versioning.evidence import data_behind, evidence_of
from tidemill.practices.versioning.registry import load_model
from tidemill.practices.versioning.tables import scan_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import polars as pl

    from tidemill.core.digest import ArtifactId
    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.practices.features.declared_views import AnyView
    from tidemill.practices.integration.bounds import Bounds
    from tidemill.practices.versioning.evidence import Evidence
    from tidemill.practices.versioning.model import Model


def model_gate(
    record: Record, version: Version, bounds: Bounds, *, at: datetime | None = None
) -> Gate:
    """Return the verdict on a version of a model; kept, and found again while nothing changes."""
    evidence = evidence_of(record, version)
    model = load_model(record, str(version))
    views = _views_of(record, model)
    sources = {
        view.name: _source(record, version, view) for view in views if isinstance(view, FeatureView)
    }
    judged = [Judged(artifact=version.artifact, source=version.run, name="model")]
    for name, artifact in (("report", evidence.report), ("sample", evidence.sample)):
        if artifact is not None:
            judged.append(Judged(artifact=artifact, name=name))
    judged += [
        Judged(artifact=source.artifact, source=source.run, name=f"source:{name}")
        for name, source in sources.items()
        if source is not None
    ]
    question = Question(
        check="model", subject=str(version), judged=tuple(judged),
        memo=(bounds, [view.digest for view in views]), confidence=0.95,
    )  # fmt: skip

    def judge() -> tuple[Finding, ...]:
        artifact = find_artifact(record, version.artifact)
        return (
            *_reported(record, evidence, bounds),
            *serving_findings(record, artifact, bounds),
            *_told_by_sample(record, evidence, model, bounds),
            *(
                _row_wise(record, evidence, view)
                if isinstance(view, OnDemandView)
                else _looks_ahead(record, view, sources[view.name], bounds.leak_moments)
                for view in views
            ),
        )

    return ask(record, question, judge, at=at)


def _reported(record: Record, evidence: Evidence, bounds: Bounds) -> tuple[Finding, ...]:
    if evidence.report is None:
        return (
            Finding(
                rule="report", state="not_run", what="the model came without an evaluation report",
                fix="candidate(name, model, report=evaluate(model, held_out)) in the pipeline",
            ),
        )  # fmt: skip
    return report_findings(read_report(record, evidence.report), bounds)


def _told_by_sample(
    record: Record, evidence: Evidence, model: Model, bounds: Bounds
) -> Iterator[Finding]:
    if evidence.sample is None:
        yield Finding(
            rule="leak:label", state="warn", what="the model came without a sample of its rows",
            fix="candidate(..., sample=rows) in the pipeline",
        )  # fmt: skip
        return
    sample = _rows_of(record, evidence.sample).collect()
    yield from label_findings(
        sample, model.signature.inputs, model.task, bound=bounds.max_single_feature
    )


def _rows_of(record: Record, sample: ArtifactId) -> pl.LazyFrame:
    manifest = find_artifact(record, sample).manifest
    if manifest is None:
        raise NotFoundError("the sample has no bytes in this record", fix="train again")
    return scan_table(record.ports.objects, manifest, sample)


def _views_of(record: Record, model: Model) -> tuple[AnyView, ...]:
    """Return the declared views that give the model an input."""
    inputs = {field.name for field in model.signature.inputs}
    return tuple(
        view for view in declared_views(record).values() if inputs & set(view.feature_names)
    )


def _source(record: Record, version: Version, view: FeatureView) -> Version | None:
    ref = RefName(kind="data", project=record.project, name=view.spec.source)
    return data_behind(record, version, ref)


def _looks_ahead(
    record: Record, view: FeatureView, source: Version | None, moments: int
) -> Finding:
    if source is None:
        return Finding(
            rule=f"leak:{view.name}", state="warn",
            what=f"{view.name} gives inputs, but the model was not made from data:"
            f"{view.spec.source}",
            fix=f"use training_set(..., views=[{view.name}]) in the pipeline",
        )  # fmt: skip
    record.tell.progress(f"replaying {view.name}")
    try:
        return future_finding(view, scan_data(record, str(source)), moments=moments)
    except InvalidInputError as error:
        return Finding(rule=f"leak:{view.name}", state="error", what=error.what, fix=error.fix)


def _row_wise(record: Record, evidence: Evidence, view: OnDemandView) -> Finding:
    """Return whether a view depends on other rows, tried with those of the model's sample."""
    rows = _rows_of(record, evidence.sample) if evidence.sample is not None else None
    if rows is None or not set(view.asked) <= set(rows.collect_schema().names()):
        return Finding(
            rule=f"leak:{view.name}", state="warn",
            what=f"{view.name} gives inputs, but the model's sample has no "
            f"{', '.join(view.asked)} to ask it with",
            fix="candidate(..., sample=rows) in the pipeline, with these columns",
        )  # fmt: skip
    record.tell.progress(f"asking {view.name} in other orders")
    try:
        return row_wise_finding(view, rows.select(view.asked).collect())
    except InvalidInputError as error:
        return Finding(rule=f"leak:{view.name}", state="error", what=error.what, fix=error.fix)
