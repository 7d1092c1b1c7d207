"""Explaining: why a step runs again, by what differs from the nearest earlier run of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import NotFoundError
from tidemill.core.query import Order, Query, Where
from tidemill.core.run import Run, RunId
from tidemill.lineage.artifacts import find_artifacts, read_value
from tidemill.lineage.suggestions import closest
from tidemill.lineage.targets import find_target
from tidemill.practices.pipelines.code_identity import index_of
from tidemill.practices.pipelines.identity.differences import (
    Difference,
    code_differences,
    given_differences,
)
from tidemill.practices.pipelines.identity.observed import Observations, read
from tidemill.practices.pipelines.identity.step_code import StepCode
from tidemill.practices.pipelines.memo import STEP_CODE, observed_texts
from tidemill.practices.pipelines.opening import step_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.nodes import Node

NEAREST_OF = 10
"""How many earlier runs are compared to find the nearest."""
_NAMED = 4
_STEPS_LISTED = 500


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What decided one call of a step."""

    code: StepCode | None
    params: Mapping[str, str]
    inputs: Mapping[str, str]
    observed: tuple[tuple[str, str, str], ...] = ()
    """Kind, name and digest of what it read undeclared."""


class MemoExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a step ran, or would run again."""

    step: str
    run: RunId
    against: RunId | None = None
    """The nearest earlier run; None: this was the first."""
    is_now: bool = False
    """It is compared with what lies in the project's folder now, not with an earlier run."""
    changes: tuple[Difference, ...] = ()
    observed: tuple[str, ...] = ()
    """What it read undeclared."""

    def __str__(self) -> str:
        head = f"step {self.step} run:{self.run[-8:]}"
        if self.is_now and self.changes:
            lines = [f"{head} would not be reused now:"]
        elif self.against is None:
            lines = [f"{head} ran because no earlier run of it is kept"]
        elif self.changes:
            lines = [f"{head} ran because, against run:{self.against[-8:]}:"]
        else:
            told = "the result of that was not memoized, or its bytes are gone"
            lines = [f"{head} differs in nothing from run:{self.against[-8:]}: {told}"]
        lines += [f"  {change}" for change in self.changes]
        lines += [f"  it read {text} undeclared" for text in self.observed]
        return "\n".join(lines)

    __repr__ = __str__


def explain_memo(record: Record, step: str) -> MemoExplanation:
    """Say why a step ran again, or would now: which function, parameter, package or file differs.

    Of a step's newest run that is first compared with the project's folder as it is now; a run, and
    one that nothing would change now, with the nearest earlier run of the same step.

    Args:
        record: whose runs they are.
        step: the name of a step, or run:ID of one.

    Raises:
        NotFoundError: no run of such a step is kept.
    """
    run = _asked(record, step)
    call = call_of_run(record, run)
    if not step.startswith("run:"):
        changes = _changes_now(record, call)
        if changes:
            return MemoExplanation(
                step=run.name, run=run.id, is_now=True, changes=tuple(changes), observed=_told(call)
            )
    earlier = [one for one in runs_of(record, run.name, NEAREST_OF + 50) if one.id < run.id]
    against, changes = nearest(record, call, earlier[:NEAREST_OF])
    return MemoExplanation(
        step=run.name, run=run.id, against=against.id if against else None,
        changes=tuple(changes), observed=_told(call),
    )  # fmt: skip


def planned_because(record: Record, node: Node, observations: Observations) -> str:
    """Return why a call would run: how it differs from the nearest earlier run of its step."""
    if node.source and not node.known_code:
        return ""
    runs = runs_of(record, node.step.name, NEAREST_OF)
    if not runs:
        return "it has not run before"
    inputs = {slot.name: slot.value.artifact for slot in node.slots}
    params = {name: str(value) for name, value in node.params.items()}
    call = Call(code=node.kept_code, params=params, inputs=inputs)
    against, changes = nearest(record, call, runs)
    if not changes and against is not None:
        before = call_of_run(record, against)
        changes = _observed_changes(before, observations)
    if not changes:
        return "its result was not memoized, or its bytes are gone"
    more = f" and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
    return ", ".join(str(change) for change in changes[:_NAMED]) + more


def nearest(record: Record, call: Call, runs: Sequence[Run]) -> tuple[Run | None, list[Difference]]:
    """Return the run that differs least from a call, the newest of several, and how."""
    best: tuple[Run | None, list[Difference]] = (None, [])
    for run in runs:
        changes = differences(call_of_run(record, run), call)
        if best[0] is None or len(changes) < len(best[1]):
            best = (run, changes)
    return best


def differences(before: Call, now: Call) -> list[Difference]:
    """Return how two calls differ."""
    found = list(given_differences("parameter", before.params, now.params))
    found += [
        msgspec.structs.replace(one, before=one.before[:11], now=one.now[:11])
        for one in given_differences("input", before.inputs, now.inputs)
    ]
    if before.code is not None and now.code is not None:
        found += code_differences(before.code, now.code)
    then = {(kind, name): digest for kind, name, digest in before.observed}
    for kind, name, digest in now.observed:
        if then.get((kind, name), digest) != digest:
            found.append(_observed(kind, name, then[kind, name], digest))
    return found


def call_of_run(record: Record, run: Run) -> Call:
    """Return what decided the call that a run was."""
    edges = [one for one in record.ports.ledger.edges([run.id], "up", 1) if one.role == "used"]
    code = next((one.artifact for one in edges if one.name == STEP_CODE), None)
    found = find_artifacts(record, [code]) if code is not None else {}
    kept = None
    if code is not None and code in found:
        kept = read_value(record, found[code], StepCode)
    texts = observed_texts(record, [run.id])
    return Call(
        code=kept,
        params={name: str(value) for name, value in run.params.items()},
        inputs={one.name: one.artifact for one in edges if one.name != STEP_CODE},
        observed=tuple((one.kind, one.name, one.digest) for one in read(texts.get(run.id, ""))),
    )


def runs_of(record: Record, step: str, limit: int) -> list[Run]:
    """Return the newest runs of a step that gave a result, the newest first."""
    where = (
        Where("kind", "=", "step"), Where("project", "=", record.project),
        Where("name", "=", step), Where("status", "=", "done"),
    )  # fmt: skip
    query = Query(Run, where=where, order=(Order("id", descending=True),), limit=limit)
    return list(record.ports.ledger.find(query))


def _asked(record: Record, step: str) -> Run:
    if step.startswith("run:"):
        found = find_target(record, step).run
        if found is not None and found.kind == "step":
            return found
        raise NotFoundError(f"{step} is no run of a step", fix="tidemill list run --kind step")
    runs = runs_of(record, step, 1)
    if runs:
        return runs[0]
    where = (Where("kind", "=", "step"), Where("project", "=", record.project))
    query = Query(Run, where=where, order=(Order("id", descending=True),), limit=_STEPS_LISTED)
    names = sorted({run.name for run in record.ports.ledger.find(query)})
    near = closest(step, names)
    told = f"did you mean {near}?" if near else f"there are {', '.join(names[:8]) or 'none'}"
    raise NotFoundError(f"no run of a step {step!r} is kept", fix=told)


def _changes_now(record: Record, call: Call) -> list[Difference]:
    """Return what of a call is not as it was in the project's folder."""
    index = index_of(record)
    codes = step_codes(record, index, record.ports.workspace.environment())
    found: list[Difference] = []
    if call.code is not None and codes.has(call.code.step.partition(":")[0]):
        now = msgspec.structs.replace(codes.again(call.code), options=call.code.options)
        found += code_differences(call.code, now)
    return found + _observed_changes(call, Observations(record.ports.workspace.root, codes))


def _observed_changes(call: Call, observations: Observations) -> list[Difference]:
    return [
        _observed(kind, name, digest, now)
        for kind, name, digest in call.observed
        if (now := observations.now(kind, name)) != digest
    ]


def _observed(kind: str, name: str, before: str, now: str) -> Difference:
    return Difference(what=kind, name=name, before=before[:8], now=now[:8])  # type: ignore[arg-type]


def _told(call: Call) -> tuple[str, ...]:
    words = {"file": "", "folder": "the names in ", "variable": "variable "}
    return tuple(f"{words[kind]}{name}" for kind, name, _ in call.observed if kind in words)
