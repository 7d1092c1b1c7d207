"""What pipelines offer: run one, see what running it would do, sweep it over many points."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - faces read the annotations
from datetime import datetime  # noqa: TC003 - as above
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import UsageError
from tidemill.core.operation import Kind, Operation
from tidemill.lineage.artifacts import read_bytes, read_value, tree_entries
from tidemill.lineage.wording import short_id
from tidemill.ports.workspace import EnvironmentCapture, MachineCapture
from tidemill.practices.pipelines.explaining import explain_memo
from tidemill.practices.pipelines.figures import open_runs
from tidemill.practices.pipelines.identity.differences import StepCodeChange, code_differences
from tidemill.practices.pipelines.identity.step_code import StepCode
from tidemill.practices.pipelines.lookup import declared_pipeline
from tidemill.practices.pipelines.opening import RunWish
from tidemill.practices.pipelines.release import is_inside, pipeline_name, release_of
from tidemill.practices.pipelines.released import call_in_release
from tidemill.practices.pipelines.results import PipelineRun
from tidemill.practices.pipelines.running import run
from tidemill.practices.pipelines.sweep import SweepWish, sweep_pipeline
from tidemill.practices.pipelines.sweep_points import points_of
from tidemill.practices.pipelines.sweep_results import Sweep, SweepChange

if TYPE_CHECKING:
    from tidemill.core.artifact import Artifact
    from tidemill.core.ref import Version
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record


def run_pipeline(  # noqa: PLR0913 - the options of a command
    record: Record,
    name: str,
    *,
    params: Mapping[str, object] | None = None,
    at: datetime | None = None,
    because: str = "",
    plan: bool = False,
    in_process: bool = False,
    cause: str = "",
    parent: str | None = None,
) -> PipelineRun:
    """Run a pipeline; steps whose code and inputs are known are not computed again.

    Args:
        name: a pipeline that the project declares, or a release of it, like delay@prod.
        params: its parameters.
        at: effective time: data are taken as they were known then; default: now.
        because: why it is run.
        plan: only say which steps would be reused and which would run.
        in_process: run steps in this process, one after the other, so that a breakpoint stops.
        cause: what caused it, a trigger say.
        parent: the run that it belongs to.

    Raises:
        NotFoundError: the project declares no such pipeline.
        UsageError: a parameter is unknown, missing or of the wrong type.
        StepFailedError: a step raised; the others were finished and are kept.
    """
    release = release_of(record, name)
    if release is not None and not is_inside(record, release):
        if in_process:
            raise UsageError(f"{release} runs in its own process", fix="leave out --in-process")
        return call_in_release(
            record, release, "run_pipeline",
            {"name": f"{release.ref}@{release.number}", "params": dict(params or {}), "at": at,
             "because": because, "plan": plan, "cause": cause, "parent": parent},
            PipelineRun,
        )  # fmt: skip
    own = pipeline_name(record, name) if release is not None else name
    pipeline = declared_pipeline(record, own)
    wish = RunWish(
        at=at, because=because, cause=cause, parent=_run_id(parent) or _open_run(), is_plan=plan,
        is_in_process=in_process,
    )  # fmt: skip
    return run(record, pipeline, dict(params or {}), wish)


def sweep(  # noqa: PLR0913 - the options of a command
    record: Record, name: str, ranges: tuple[str, ...] = (), *, grid: tuple[str, ...] = (),
    random: int = 0, seed: int = 0, points: object = None, by: str = "", held_out: str = "",
    maximize: bool = False, minimize: bool = False, parallel: int = 1,
    params: Mapping[str, object] | None = None, at: datetime | None = None, because: str = "",
) -> Sweep:  # fmt: skip
    """Run a pipeline over many points, one run a point, and rank them by a figure.

    What is known already is not computed again: a sweep that was stopped goes on.

    Args:
        name: a pipeline that the project declares, or a release of it, like delay@prod.
        ranges: what points at random are drawn from: rate=log:0.001..0.3 depth=2..8 kind=a,b.
        grid: values of a parameter, like trees=50,100; of several every combination is run.
        random: how many points to draw at random from the ranges.
        seed: of the points at random; the same seed draws the same ones.
        points: in Python, a grid, points one by one, a generator, or what has ask() and tell().
        by: the figure that ranks, of the run, the model's report or a step (STEP.NAME); default:
            the one that decides the model's task.
        held_out: a figure on rows that chose nothing, told of the best; default: test_FIGURE.
        maximize: a higher figure is better; default: as the metric is known.
        minimize: a lower figure is better.
        parallel: points that run at the same time.
        params: parameters that all points have.
        at: effective time of all points; default: now.
        because: why it is done.
    """
    judged: dict[str, Any] = {
        "by": by, "held_out": held_out, "maximize": maximize, "minimize": minimize,
        "parallel": parallel, "params": dict(params or {}), "at": at, "because": because,
    }  # fmt: skip
    release = release_of(record, name)
    if release is not None and not is_inside(record, release):
        drawn = {"ranges": ranges, "grid": grid, "random": random, "seed": seed}
        return _sweep_in_release(record, release, points, {**drawn, **judged})
    own = pipeline_name(record, name) if release is not None else name
    asked = points_of(points, grid, ranges, random, seed)
    wish = SweepWish(points=asked, parent=_open_run(), **judged)
    return sweep_pipeline(record, declared_pipeline(record, own), wish)


def _sweep_in_release(
    record: Record, release: Version, points: object, given: Mapping[str, object]
) -> Sweep:
    if points is not None:
        raise UsageError(
            f"{release} runs in its own process, which cannot ask for points here",
            fix="give a grid or random ranges, or sweep the pipeline of the project",
        )
    arguments = {"name": f"{release.ref}@{release.number}", **given}
    return call_in_release(record, release, "sweep", arguments, Sweep)


def _open_run() -> RunId | None:
    """Return the run by hand that is open around the call, if one is."""
    return open_runs[-1].id if open_runs else None


def _run_id(text: str | None) -> RunId | None:
    return text  # type: ignore[return-value]


def show_value(record: Record, artifact: Artifact) -> object:
    """Return what a step's result spells where that is plain data, else None."""
    try:
        return msgspec.json.decode(read_bytes(record, artifact))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def show_code(record: Record, artifact: Artifact) -> dict[str, str]:
    """Return the files of captured code and the digests of their bytes."""
    return {entry.path: short_id(entry.digest) for entry in tree_entries(record, artifact)}


def show_sweep(record: Record, artifact: Artifact) -> Sweep:
    """Return the points of a sweep by rank."""
    return read_value(record, artifact, Sweep)


def diff_sweeps(record: Record, old: Artifact, new: Artifact) -> SweepChange:
    """Return how two sweeps differ: how they were judged, and their best points."""
    return SweepChange(before=show_sweep(record, old), after=show_sweep(record, new))


def show_step_code(record: Record, artifact: Artifact) -> StepCode:
    """Return the code and packages that a step reaches, by name."""
    return read_value(record, artifact, StepCode)


def diff_step_codes(record: Record, old: Artifact, new: Artifact) -> StepCodeChange:
    """Return which statements, packages and options differ."""
    before, now = show_step_code(record, old), show_step_code(record, new)
    return StepCodeChange(changes=tuple(code_differences(before, now)))


def show_environment(record: Record, artifact: Artifact) -> EnvironmentCapture:
    """Return what was installed."""
    found = read_value(record, artifact, EnvironmentCapture)
    return msgspec.structs.replace(found, requirements="")  # the distributions say it


def show_machine(record: Record, artifact: Artifact) -> MachineCapture:
    """Return the machine that a run was on."""
    return read_value(record, artifact, MachineCapture)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        function=run_pipeline,
        command=("run",),
        role="contributor",
        begins=True,
        hidden=("cause", "parent"),
        examples=(
            "tidemill run delay --until 2013-04-01",
            "tidemill run delay --until 2013-04-01 --plan",
            "tidemill run delay@prod --until 2013-04-01",
        ),
    ),
    Operation(
        function=sweep,
        command=("sweep",),
        role="contributor",
        begins=True,
        failed=lambda found: found.best is None,
        hidden=("points",),
        examples=(
            "tidemill sweep delay --until 2013-04-01 --grid trees=50,100",
            "tidemill sweep delay --until 2013-04-01 --random 20 rate=log:0.01..0.3 --parallel 2",
        ),
    ),
    Operation(
        function=explain_memo,
        command=("memo", "explain"),
        examples=("tidemill memo explain train", "tidemill memo explain run:4f1c09aa"),
    ),
)

KINDS: tuple[Kind, ...] = (
    Kind(name="chart", what="a chart that a run drew: SVG, PNG or HTML"),
    Kind(name="file", what="files that a run kept", show=show_code),
    Kind(
        name="sweep",
        what="a pipeline over many points, by rank",
        show=show_sweep,
        diff=diff_sweeps,
    ),
    Kind(
        name="step_code",
        what="the statements and packages that a step reaches",
        show=show_step_code,
        diff=diff_step_codes,
    ),
    Kind(
        name="value",
        what="a result of a step: data in the typed spelling of tidemill",
        show=show_value,
    ),
    Kind(
        name="code", what="the files of a project as they were when a run used them", show=show_code
    ),
    Kind(
        name="environment",
        what="Python and everything installed when a run used it",
        show=show_environment,
    ),
    Kind(
        name="machine",
        what="the machine that a run was on; never part of an identity",
        show=show_machine,
    ),
)
