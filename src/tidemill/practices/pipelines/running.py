"""Running a pipeline: calls its function, runs what must be run, seals what came out."""

from __future__ import annotations

import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.core.errors import (
    CancelledError,
    InvalidInputError,
    StepFailedError,
    TidemillError,
)
from tidemill.core.facts import KeyIs
from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Version
from tidemill.lineage.attested import kept
from tidemill.ports.ledger import ConditionFailedError
from tidemill.practices.pipelines.effects import perform_effects, planned_lines
from tidemill.practices.pipelines.explaining import planned_because
from tidemill.practices.pipelines.figures import active_figures
from tidemill.practices.pipelines.identity.observed import Observations
from tidemill.practices.pipelines.opening import Opening, RunWish
from tidemill.practices.pipelines.outputs import active_plan
from tidemill.practices.pipelines.parameters import arguments_of
from tidemill.practices.pipelines.plan import Plan, PlanEndsError
from tidemill.practices.pipelines.results import PipelineRun, StepLine
from tidemill.practices.pipelines.returned import returned_values
from tidemill.practices.pipelines.schedule import Identities, Schedule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.declare import Pipeline
    from tidemill.practices.pipelines.nodes import Node
    from tidemill.practices.pipelines.results import StepState

Figures = list[tuple[str, float, int]]


def run(
    record: Record, pipeline: Pipeline[..., Any], given: Mapping[str, object], wish: RunWish
) -> PipelineRun:
    """Run (or only plan) a pipeline and return what became of it. See `run_pipeline`."""
    clock = record.ports.clock
    start = clock.monotonic_s()
    arguments = arguments_of(pipeline, given)
    opening = Opening(record, pipeline, arguments, wish)
    observations = Observations(record.ports.workspace.root, opening.codes)
    identities = Identities(opening.codes, observations, opening.project_code)
    schedule = Schedule(
        record, identities, opening.begin, opening.renewal, is_in_process=wish.is_in_process
    )
    plan = Plan(record, schedule, opening.at, is_dry=wish.is_plan)
    plan.is_point = wish.is_point
    figures: Figures = []
    if wish.is_plan:
        return _planned(pipeline, plan, arguments, observations)
    with _sealed_on_error(pipeline, opening, schedule):
        with _active(plan, figures):
            result = _call(record, pipeline, arguments)
        schedule.finish()
        _raise_failure(schedule)
        run_id, versions, is_reused = _seal(record, opening, plan, figures)
    opening.close()
    opening.codes.keep()
    done = perform_effects(plan, run_id, versions, at_given=wish.at is not None)
    return PipelineRun(
        run=run_id, pipeline=pipeline.name, status="done", steps=(*_lines(schedule), *done),
        versions=versions, is_reused=is_reused, seconds=clock.monotonic_s() - start,
        returned=returned_values(plan, result),
    )  # fmt: skip


def _planned(
    pipeline: Pipeline[..., Any], plan: Plan, arguments: Mapping[str, object],
    observations: Observations,
) -> PipelineRun:  # fmt: skip
    because = ""
    with _active(plan, []):
        try:
            _call(plan.record, pipeline, arguments)
        except PlanEndsError as error:
            because = error.what
    states = plan.schedule.plan()
    lines = [
        StepLine(
            name=node.step.name, state=state, run=node.run,
            because=_why(plan.record, node, state, observations),
        )
        for node, state in states.items()
    ]  # fmt: skip
    if because:
        lines.append(StepLine(name="…", state="unknown", because=because))
    lines += planned_lines(plan)
    return PipelineRun(run=None, pipeline=pipeline.name, status="planned", steps=tuple(lines))


def _why(record: Record, node: Node, state: StepState, observations: Observations) -> str:
    """Return why a step would run, or what it waits for."""
    if state == "run":
        return planned_because(record, node, observations)
    if state != "unknown":
        return f"run:{node.run[-8:]}" if node.run else ""
    makers = (getattr(slot.output, "node", None) for slot in node.slots)
    waits = dict.fromkeys(maker.step.name for maker in makers if maker and not maker.is_over)
    return f"it takes what {', '.join(waits)} will give" if waits else ""


@contextmanager
def _active(plan: Plan, figures: Figures) -> Iterator[None]:
    of_plan, of_figures = active_plan.set(plan), active_figures.set(figures)
    try:
        yield
    finally:
        active_plan.reset(of_plan)
        active_figures.reset(of_figures)


def _call(record: Record, pipeline: Pipeline[..., Any], arguments: Mapping[str, object]) -> object:
    try:
        return pipeline.function(**arguments)
    except TidemillError:
        raise
    except Exception as error:  # the pipeline is the user's code: it may raise anything
        where, root = "", record.ports.workspace.root
        for frame in traceback.extract_tb(error.__traceback__):
            path = Path(frame.filename)
            if path.is_relative_to(root) and "site-packages" not in path.parts:
                where = f" ({path.relative_to(root)}:{frame.lineno})"
        raise InvalidInputError(
            f"pipeline {pipeline.name} failed: {type(error).__name__}: {error}{where}",
            fix="mend the pipeline function; steps that had finished are kept",
        ) from error


@contextmanager
def _sealed_on_error(
    pipeline: Pipeline[..., Any], opening: Opening, schedule: Schedule
) -> Iterator[None]:
    """Seal the run whatever happens; after the failure of a step the others still finish."""
    try:
        try:
            yield
        except StepFailedError:
            schedule.finish()
            raise
    except (KeyboardInterrupt, CancelledError) as error:
        try:
            schedule.stop()
        finally:  # also where somebody presses Ctrl-C once more
            opening.fail("cancelled", str(error) or "interrupted")
        kept = sum(node.state == "done" for node in schedule.nodes)
        raise CancelledError(
            f"pipeline {pipeline.name} was stopped; {kept} steps that had finished are kept",
            fix="run the same command again to go on",
        ) from None
    except TidemillError as error:
        schedule.stop()
        opening.fail("failed", error.what)
        raise


def _raise_failure(schedule: Schedule) -> None:
    failed = schedule.failed
    if not failed:
        return
    first = failed[0].error
    if len(failed) == 1 or not isinstance(first, StepFailedError):
        raise first or RuntimeError("a step failed without an error")
    others = ", ".join(sorted({node.step.name for node in failed[1:]}))
    raise StepFailedError(
        f"{first.what}\n{len(failed) - 1} other calls failed: {others}", fix=first.fix
    )


def _seal(
    record: Record, opening: Opening, plan: Plan, figures: Figures
) -> tuple[RunId, tuple[str, ...], bool]:
    """Seal the run; where another run has done all of it, register nothing and return that one.

    The key of the content is free until a run takes it with its seal, so that of equal runs at one
    time one registers its versions.
    """
    key = _key(opening, plan)
    before = kept(record, key)
    if before.run is not None:
        if opening.draft is not None:
            plan.record_inputs(opening.draft)
        return _adopt(record, opening, before.run)
    draft = opening.required_draft()
    plan.record_inputs(draft)
    pending = [candidate.register(record, draft) for candidate in plan.candidates]
    for name, value, step in figures:
        draft.figure(name, value, step=step)
    before.give(draft)
    try:
        draft.seal()
    except ConditionFailedError as error:
        known = kept(record, key).run
        if not isinstance(error.condition, KeyIs) or known is None:
            raise
        return _adopt(record, opening, known)
    return draft.id, tuple(str(one.version) for one in pending), False


def _key(opening: Opening, plan: Plan) -> str:
    """Return the key of what was run on what and gave what: a file that a step reads counts."""
    inputs = [str(output.value and output.value.artifact) for output in plan.inputs]
    inputs += [
        str(output.value and output.value.artifact)
        for node in plan.schedule.nodes
        for output in node.outputs
    ]
    contents = [candidate.content() for candidate in plan.candidates]
    return opening.key([node.identity for node in plan.schedule.nodes], inputs, contents)


def _adopt(record: Record, opening: Opening, known: RunId) -> tuple[RunId, tuple[str, ...], bool]:
    """Return the run that has done it; ours, if it was opened for steps, ends without versions."""
    if opening.draft is not None:
        opening.draft.fail("done", "")
    return known, _versions(record, known), True


def _versions(record: Record, run_id: RunId) -> tuple[str, ...]:
    query = Query(Version, where=(Where("run", "=", run_id),), order=(Order("number"),))
    return tuple(str(version) for version in record.ports.ledger.find(query))


def _lines(schedule: Schedule) -> tuple[StepLine, ...]:
    return tuple(
        StepLine(
            name=node.step.name, state=node.state, seconds=node.seconds, run=node.run,  # type: ignore[arg-type]
            because=node.doubt or (f"undeclared: {node.warning}" if node.warning else ""),
        )
        for node in schedule.nodes
    )  # fmt: skip
