"""What is kept of a view: its definition, as it is shown and compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.ref import RefName
from tidemill.core.text import table
from tidemill.lineage.artifacts import put_value, read_value
from tidemill.lineage.changes import Part, changes
from tidemill.lineage.fields import fields_of
from tidemill.lineage.wording import short_id
from tidemill.practices.features.declare import ViewSpec
from tidemill.practices.features.on_demand import OnDemandSpec
from tidemill.practices.infrastructure.project import object_path

if TYPE_CHECKING:
    from tidemill.core.artifact import Artifact
    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record
    from tidemill.practices.features.view import View


class ViewDefinition(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a view: its values, where its function is, and the identity of both.

    `spec` is of a view of a source, `on_demand` of one that is computed from the row that asks.
    """

    spec: ViewSpec | None = None
    on_demand: OnDemandSpec | None = None
    path: str
    digest: str

    def __str__(self) -> str:
        if self.on_demand is not None:
            return _on_demand_text(self.on_demand, self.path)
        if self.spec is None:
            return f"code {self.path}"
        rows = [[name, f.kind, f.column, _hours(f.window_us)] for name, f in self.spec.features]
        head = f"data:{self.spec.source} by {', '.join(self.spec.entity)}, code {self.path}"
        return f"{head}\n{table(['feature', 'is', 'of', 'over'], rows)}"

    __repr__ = __str__


def view_ref(record: Record, name: str) -> RefName:
    """Return the ref under which a view's definitions are versions."""
    return RefName(kind="view", project=record.project, name=name)


def put_view(record: Record, view: View) -> Artifact:
    """Store a view's definition as an artifact."""
    summary: dict[str, Scalar] = {"features": len(view.feature_names)}
    if isinstance(view.spec, ViewSpec):
        summary = {"source": view.spec.source, **summary}
    definition = ViewDefinition(
        spec=view.spec if isinstance(view.spec, ViewSpec) else None,
        on_demand=view.spec if isinstance(view.spec, OnDemandSpec) else None,
        path=object_path(view), digest=view.digest,
    )  # fmt: skip
    return put_value(record, "view", definition, summary=summary)


def show_view(record: Record, artifact: Artifact) -> ViewDefinition:
    """Return a view's definition as it was kept."""
    return read_value(record, artifact, ViewDefinition)


def diff_views(record: Record, old: Artifact, new: Artifact) -> Part:
    """Return which features, source, entity and code of two views differ."""
    return changes("view", _told(show_view(record, old)), _told(show_view(record, new)))


def _told(view: ViewDefinition) -> dict[str, str]:
    told = {"code": f"{view.path} {short_id(view.digest)}"}
    if view.on_demand is not None:
        told |= {f"column {name}": type_ for name, type_ in view.on_demand.columns}
        told |= {f"feature {name}": "of the row that asks" for name in view.on_demand.features}
    if view.spec is not None:
        told |= _of_source(view.spec)
    return told


def _of_source(spec: ViewSpec) -> dict[str, str]:
    return {
        "source": f"data:{spec.source}",
        "entity": ", ".join(spec.entity),
        "when": ", ".join(
            f"{name}={text}" for name, text in fields_of(spec).items()
            if not name.startswith(("features", "name", "source", "entity"))
        ),
        **{
            f"feature {name}": f"{f.kind} {f.column}".rstrip() + f", {_hours(f.window_us)}"
            for name, f in spec.features
        },
    }  # fmt: skip


def _on_demand_text(spec: OnDemandSpec, path: str) -> str:
    columns = ", ".join(f"{name} ({type_})" for name, type_ in spec.columns)
    features = table(["feature"], [[name] for name in spec.features])
    return f"computed from {columns} of the row that asks, code {path}\n{features}"


def _hours(window_us: int) -> str:
    days = window_us / 86_400_000_000
    if days > 1e6:
        return "always"
    return f"{days:g}d" if days >= 1 else f"{days * 24:g}h"
