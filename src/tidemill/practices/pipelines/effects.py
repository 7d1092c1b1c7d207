"""Effects: operations that a pipeline function calls become ordered, recorded steps at its end.

    tm.candidate returns a pointer at the version to come;
    tm.check(model); tm.promote(model, "champion", because="..."); tm.deploy(model)

They are done by the process of the pipeline, in the order of the calls, once its candidates are
registered; by the run's actor, whose role is asked for each. They are never memoized: each of them
changes nothing where it was done already. The first that fails ends the others; what was computed
and registered stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Self

from tidemill.core.errors import CheckFailedError, TidemillError, UsageError
from tidemill.lineage.refs import resolve
from tidemill.lineage.writing import opened
from tidemill.practices.pipelines.outputs import Output, active_plan
from tidemill.practices.pipelines.plan import Plan
from tidemill.practices.pipelines.release import error_named
from tidemill.practices.pipelines.results import StepLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tidemill.core.operation import Operation
    from tidemill.core.run import RunId, Scalar
    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.registration import Candidate

    Perform = Callable[[Record, Operation, tuple[object, ...], Mapping[str, object]], object]

EFFECTS = frozenset(
    {
        "check",
        "promote",
        "deploy",
        "undeploy",
        "rollback",
        "materialize_views",
        "push_rows",
        "predict_data",
    }
)
"""Operations, by their names in Python, that are steps where a pipeline function calls them."""
HARMLESS = frozenset({"check"})
"""Those that change nothing but the record of the run, which points of a sweep may do too."""


class CandidatePointer(str):
    """Points at the version that a candidate of this pipeline will be; for operations only."""

    __slots__ = ("candidate",)
    candidate: Candidate

    def __new__(cls, candidate: Candidate) -> Self:
        """Return the pointer of a candidate."""
        made = super().__new__(cls, f"model:{candidate.name}")
        made.candidate = candidate
        return made


class EffectOutcome:
    """What an effect will have returned; inside the pipeline function nothing can be read of it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - it only raises
        if name.startswith("__"):
            raise AttributeError(name)
        return self._refuse()

    def __bool__(self) -> bool:
        return self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError(
            f"{self._name} is done after the pipeline's candidates are registered; what it answers"
            " is not there yet",
            fix="leave it out: a check that fails ends the operations after it by itself",
        )


class Effect:
    """One operation to be done at the end."""

    def __init__(
        self, operation: Operation, perform: Perform, args: tuple[object, ...],
        options: Mapping[str, object],
    ) -> None:  # fmt: skip
        self.operation, self.perform, self.args, self.options = operation, perform, args, options

    @property
    def name(self) -> str:
        """The operation's name."""
        return self.operation.name


def planned_effect(
    operation: Operation, perform: Perform, args: tuple[object, ...], options: Mapping[str, object]
) -> EffectOutcome | None:
    """Plan an operation as a step of the pipeline that is running; None: it is to be done now.

    Raises:
        UsageError: an argument is a step's result; or this is a point of a sweep, each of which
            would change what all share, before it is known which is best.
    """
    plan = active_plan.get()
    if not isinstance(plan, Plan) or operation.name not in EFFECTS:
        return None
    if plan.is_point and operation.name not in HARMLESS:
        raise UsageError(
            f"a sweep runs this pipeline once for each point, and each would {operation.name}",
            fix=f"take {operation.name} out of the pipeline, sweep, and do it with the best point:"
            f" {_afterwards(operation)}",
        )
    for given in (*args, *options.values()):
        if isinstance(given, Output):
            raise UsageError(
                f"{operation.name} takes no result of a step ({given.label})",
                fix="give it what tm.candidate(...) returned, or the name of a ref",
            )
    plan.effects.append(Effect(operation, perform, args, options))
    return EffectOutcome(operation.name)


def _afterwards(operation: Operation) -> str:
    """Return the command that does an operation, which its help explains."""
    return f"tidemill {' '.join(operation.command)} --help"


def perform_effects(
    plan: Plan, run: RunId, versions: Sequence[str], *, at_given: bool
) -> tuple[StepLine, ...]:
    """Do the effects of a pipeline in order and return a line for each.

    Args:
        plan: with the effects.
        run: the pipeline's run.
        versions: what it registered, as pointers, in the order of its candidates.
        at_given: whether the pipeline has an effective time of its own, which they then have too.

    Raises:
        CheckFailedError: a check among them said no.
        TidemillError: one failed; the message says which, and what is kept.
    """
    pointers = _pointers(plan, versions)
    lines = []
    for effect in plan.effects:
        args = tuple(_meant(one, pointers) for one in effect.args)
        options = {name: _meant(one, pointers) for name, one in effect.options.items()}
        if at_given and "at" in effect.operation.function.__annotations__:
            options.setdefault("at", plan.at)
        lines.append(_perform(plan, effect, run, args, options))
    return tuple(lines)


def planned_lines(plan: Plan) -> list[StepLine]:
    """Return a line for each effect of a pipeline that is only planned."""
    return [StepLine(name=effect.name, state="run") for effect in plan.effects]


def _perform(
    plan: Plan, effect: Effect, parent: RunId, args: tuple[object, ...],
    options: Mapping[str, object],
) -> StepLine:  # fmt: skip
    record, began = plan.record, plan.record.ports.clock.monotonic_s()
    record.tell.check()
    record.tell.progress(f"{effect.name} {' '.join(str(one) for one in args)}".rstrip())
    try:
        with opened(
            record, kind="operation", name=effect.name, at=plan.at, parent=parent,
            because=str(options.get("because", "")), params=_shown(args, options),
        ) as run:  # fmt: skip
            for pointer in args:
                if isinstance(pointer, str) and pointer.startswith("model:"):
                    version = resolve(record, pointer)
                    run.used(version.artifact, name=str(version), source=version.run)
            result = effect.perform(record, effect.operation, args, options)
            if effect.operation.failed is not None and effect.operation.failed(result):
                raise CheckFailedError(f"it said no:\n{result}", fix="tidemill check shows it")
    except TidemillError as error:
        types = [one.__name__ for one in type(error).__mro__]
        kept = f"run:{parent[-8:]} and what it registered are kept"
        raise error_named(types, f"{effect.name}: {error.what}\n{kept}", error.fix) from error
    seconds = record.ports.clock.monotonic_s() - began
    return StepLine(name=effect.name, state="done", seconds=seconds, run=run.id)


def _pointers(plan: Plan, versions: Sequence[str]) -> dict[int, str]:
    """Return the version of each candidate; of several of one name, in order."""
    left = list(versions)
    found: dict[int, str] = {}
    for candidate in plan.candidates:
        own = [text for text in left if text.startswith(f"model:{candidate.name}@")]
        if own:
            found[id(candidate)] = own[0]
            left.remove(own[0])
    return found


def _meant(given: object, pointers: Mapping[int, str]) -> object:
    if isinstance(given, CandidatePointer):
        return pointers.get(id(given.candidate), str(given))
    return given


def _shown(args: Sequence[object], options: Mapping[str, object]) -> dict[str, Scalar]:
    texts = {f"argument {place}": str(one)[:200] for place, one in enumerate(args, 1)}
    return {**texts, **{name: str(one)[:200] for name, one in options.items() if name != "because"}}
