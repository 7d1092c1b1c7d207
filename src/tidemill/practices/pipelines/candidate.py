"""Candidates: a pipeline's models, registered with the seal of its run."""

from __future__ import annotations

from tidemill.core.errors import UsageError
from tidemill.practices.pipelines.effects import CandidatePointer
from tidemill.practices.pipelines.outputs import Output
from tidemill.practices.pipelines.plan import required_plan
from tidemill.practices.pipelines.registration import Candidate


def candidate(
    name: str,
    model: object,
    *,
    report: object = None,
    sample: object = None,
    training_set: object = None,
) -> str:
    """Register a model when the pipeline ends well: `model:NAME` gets its next number.

    A run in which everything was known already registers nothing new. Returns a pointer at the
    version that it will be, for operations that the pipeline calls after it: `tm.deploy(...)`.

    Args:
        name: the model's name.
        model: what a step that returns a `Model` returned.
        report: its evaluation, what `evaluate` returned.
        sample: rows as the model saw them, the reference of drift detection.
        training_set: the rows that it was trained on.

    Raises:
        UsageError: called outside a pipeline function, or with something that no step returned.
    """
    plan = required_plan("candidate", "call it in the pipeline, on what this step returns")
    given = {"model": model, "report": report, "sample": sample, "training_set": training_set}
    outputs: dict[str, Output] = {}
    for role, output in given.items():
        if isinstance(output, Output):
            outputs[role] = output
        elif output is not None or role == "model":
            raise UsageError(
                f"{role} of candidate {name!r} is a {type(output).__name__}",
                fix="pass what a step returned in this pipeline",
            )
    made = Candidate(name, outputs.pop("model"), outputs)
    plan.candidates.append(made)
    return CandidatePointer(made)
