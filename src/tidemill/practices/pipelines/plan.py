"""The plan: what makes step calls inside a pipeline function into references."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

from tidemill.core.errors import StepFailedError, UsageError
from tidemill.practices.pipelines import codecs
from tidemill.practices.pipelines.nodes import Node
from tidemill.practices.pipelines.outputs import Output, active_plan, active_step

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft
    from tidemill.ports.executor import Value
    from tidemill.practices.pipelines.declare import Step
    from tidemill.practices.pipelines.effects import Effect
    from tidemill.practices.pipelines.registration import Candidate
    from tidemill.practices.pipelines.schedule import Schedule

PUMP_EVERY_S = 0.02
"""How long a pipeline function may go on before finished steps are looked after."""


class PlanEndsError(UsageError):
    """A plan went as far as it could: the pipeline looks at a result that is not there yet."""

    code = "TM101"


class StepOutput(Output):
    """An output of a step call of this plan."""

    def __init__(self, plan: Plan, label: str, wanted: object) -> None:
        super().__init__(plan, label, wanted)
        self.node: Node | None = None


class Plan:
    """The plan of one pipeline that is running, or (`is_dry`) only planned."""

    def __init__(
        self, record: Record, schedule: Schedule, at: datetime, *, is_dry: bool = False
    ) -> None:
        self.record, self.schedule, self.at, self._is_dry = record, schedule, at, is_dry
        self.inputs: list[Output] = []
        self.candidates: list[Candidate] = []
        self.effects: list[Effect] = []
        self.is_point = False
        self.releases: list[Version] = []
        """Releases of which code is used."""
        self._pumped = record.ports.clock.monotonic_s()

    def call(
        self, step: Step[..., Any], args: tuple[object, ...], kwargs: Mapping[str, object]
    ) -> object:
        """Plan a call and return its output, or a tuple of outputs.

        Raises:
            InvalidInputError: the arguments do not fit, or one cannot be a parameter.
        """
        step.require_findable()
        outputs = tuple(
            StepOutput(self, f"{name} of step {step.name}", wanted)
            for name, wanted in zip(step.outputs, _wanted(step), strict=True)
        )
        node = Node(step, outputs)
        for output in outputs:
            output.node = node
        node.take(step.bind(args, dict(kwargs)))
        self.schedule.add(node)
        self._pump_now_and_then()
        return outputs if len(outputs) > 1 else outputs[0]

    def wait(self, output: Output) -> Value:
        """Run until an output is known."""
        node = output.node if isinstance(output, StepOutput) else None
        if node is not None and self._is_dry:
            self.schedule.plan()
            if output.value is None:
                raise PlanEndsError(
                    f"what follows depends on the {output.label}, which is not known yet",
                    fix="run the pipeline without --plan",
                )
        while node is not None and not node.is_over:
            self.schedule.pump(PUMP_EVERY_S)
        if output.value is None:
            raise node.error if node and node.error else _never_known(output)
        return output.value

    def load(self, value: Value, wanted: object) -> object:
        """Return the object that a value stores."""
        return codecs.load(self.record.ports.objects, value, wanted)

    def known(self, value: Value, label: str, draft_source: Any) -> Output:  # noqa: ANN401 - RunId or None
        """Return an output that is known from the start, an input of the pipeline."""
        output = Output(self, label)
        output.value, output.source = value, draft_source
        self.inputs.append(output)
        return output

    def record_inputs(self, run: RunDraft) -> None:
        """Say on the pipeline's run what it used: data, and results of earlier runs."""
        for output in self.inputs:
            if output.value is not None:
                run.used(output.value.artifact, name=output.label, source=output.source)
        for release in self.releases:
            run.used(release.artifact, name=str(release.ref), source=release.run)
        seen = set()
        for node in self.schedule.nodes:
            for output in node.outputs if node.state == "reused" else ():
                if output.value is not None and (node.run, output.label) not in seen:
                    seen.add((node.run, output.label))
                    run.used(output.value.artifact, name=output.label, source=output.source)

    def _pump_now_and_then(self) -> None:
        now = self.record.ports.clock.monotonic_s()
        if not self._is_dry and now - self._pumped > PUMP_EVERY_S:
            self.schedule.pump()
            self._pumped = self.record.ports.clock.monotonic_s()


def required_plan(what: str, instead: str) -> Plan:
    """Return the plan of the pipeline that is running.

    Raises:
        UsageError: there is none; `instead` says what to do inside a step.
    """
    plan = active_plan.get()
    if isinstance(plan, Plan):
        return plan
    if active_step.get():
        raise UsageError(f"{what} is called inside step {active_step.get()}", fix=instead)
    raise UsageError(
        f"{what} belongs into a pipeline function", fix="run the pipeline: tidemill run NAME"
    )


def _wanted(step: Step[..., Any]) -> tuple[object, ...]:
    given = step.annotations.get("return")
    return (given,) if len(step.outputs) == 1 else typing.get_args(given)


def _never_known(output: Output) -> StepFailedError:
    return StepFailedError(
        f"the {output.label} is not there: its step was stopped", fix="run the pipeline again"
    )
