"""The public names and the modules that have them; read when a name is first used."""

from collections.abc import Mapping

_PRACTICES = "tidemill.practices"

NAMES: Mapping[str, str] = {
    "Contract": f"{_PRACTICES}.validation.contract",
    "column": f"{_PRACTICES}.validation.contract",
    "rule": f"{_PRACTICES}.validation.contract",
    "step": f"{_PRACTICES}.pipelines.declare",
    "pipeline": f"{_PRACTICES}.pipelines.declare",
    "data": f"{_PRACTICES}.pipelines.data",
    "candidate": f"{_PRACTICES}.pipelines.candidate",
    "figure": f"{_PRACTICES}.pipelines.figures",
    "load": f"{_PRACTICES}.pipelines.outputs",
    "feature_view": f"{_PRACTICES}.features.declare",
    "latest": f"{_PRACTICES}.features.declare",
    "count": f"{_PRACTICES}.features.declare",
    "total": f"{_PRACTICES}.features.declare",
    "average": f"{_PRACTICES}.features.declare",
    "share": f"{_PRACTICES}.features.declare",
    "training_set": f"{_PRACTICES}.features.training_set",
    "evaluate": f"{_PRACTICES}.monitoring.evaluation",
    "business_figure": f"{_PRACTICES}.monitoring.business",
    "Model": f"{_PRACTICES}.versioning.model",
    "infer_signature": f"{_PRACTICES}.versioning.signatures",
    "matrix": f"{_PRACTICES}.versioning.signatures",
    "Signature": "tidemill.core.signature",
    "Field": "tidemill.core.signature",
    "Task": "tidemill.core.task",
    "Actor": "tidemill.core.actor",
    "Verdict": "tidemill.core.check",
    "Finding": "tidemill.core.check",
    "TidemillError": "tidemill.core.errors",
    "UsageError": "tidemill.core.errors",
    "CheckFailedError": "tidemill.core.errors",
    "NotFoundError": "tidemill.core.errors",
    "InvalidInputError": "tidemill.core.errors",
    "StepFailedError": "tidemill.core.errors",
    "CorruptError": "tidemill.core.errors",
    "ConflictError": "tidemill.core.errors",
    "NotAllowedError": "tidemill.core.errors",
    "UnavailableError": "tidemill.core.errors",
    "CancelledError": "tidemill.core.errors",
    "Project": "tidemill.client.project",
    "open_project": "tidemill.app.python",
}
ALIASES: Mapping[str, str] = {"open": "open_project"}
"""Names that are spelled differently in their module."""
