"""The schedule: looks calls up in the memo, runs the others over the executor, keeps their ends.

Calls are added while the pipeline function goes on; `pump` does everything that can be done now.
Keys are looked up and ends are committed in groups, so that a fan of thousands costs few syncs.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tidemill.core.errors import LeaseHeldError, StepFailedError
from tidemill.core.times import parse_span
from tidemill.practices.pipelines.codecs import value_bytes
from tidemill.practices.pipelines.ends import StepEnd, commit_ends, error_text
from tidemill.practices.pipelines.leases import LEASE_TTL_S
from tidemill.practices.pipelines.memo import recall

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record
    from tidemill.ports.executor import Executor, StepOutcome, Value
    from tidemill.practices.pipelines.ends import Circumstances
    from tidemill.practices.pipelines.identity.observed import Observations
    from tidemill.practices.pipelines.identity.step_code import StepCodes
    from tidemill.practices.pipelines.leases import Renewal
    from tidemill.practices.pipelines.memo import Recalled, Remembered
    from tidemill.practices.pipelines.nodes import Node, NodeState
    from tidemill.practices.pipelines.results import StepState

ORDERS_A_WORKER = 4
"""Orders under way for each worker: hides the way there and back."""
GROUP_AGE_S = 0.02
"""How long an end may wait for others to share its commit, while other steps go on."""
GROUP_SIZE = 100
HELD_PAUSE_S = 0.05
"""How often to look whether another process has ended a step that it holds."""
ATTEMPTS = 2
"""How often a step is tried whose worker dies."""


class Identities(NamedTuple):
    """What all calls of a run have in common. `project_code` is what a worker must find."""

    codes: StepCodes
    observations: Observations
    project_code: str


class Schedule:
    """All calls of one pipeline run, and what has become of them."""

    def __init__(
        self,
        record: Record,
        identities: Identities,
        begin: Callable[[], Circumstances],
        renewal: Renewal,
        *,
        is_in_process: bool = False,
    ) -> None:
        """`begin` opens the pipeline's run, when the first step must be computed."""
        self._is_in_process = is_in_process
        self._record, self._begin, self._renewal = record, begin, renewal
        self._identities = identities
        self._shared: Circumstances | None = None
        self._executor: Executor | None = None
        self._timeout_s = parse_span(record.settings.text("run.timeout")).total_seconds()
        self.nodes: list[Node] = []
        self._open = 0
        self._first: dict[str, Node] = {}
        self._fresh: list[Node] = []
        self._ready: deque[Node] = deque()
        self._held: deque[Node] = deque()
        self._held_since = 0.0
        self._running: dict[str, Node] = {}
        self._names: dict[str, str] = {}
        self._held_bytes: dict[str, bytes] = {}
        self._ends: list[StepEnd] = []
        self._ends_since = 0.0

    def add(self, node: Node) -> None:
        """Take a call."""
        self.nodes.append(node)
        self._open += 1
        for slot in node.slots:
            maker: Node | None = getattr(slot.output, "node", None)
            if maker is None or maker.state in {"done", "reused"}:
                continue
            if maker.is_over:
                self._skip(node, maker.error)
                return
            node.missing += 1
            maker.dependants.append(node)
        if node.missing == 0:
            self._fresh.append(node)

    @property
    def is_over(self) -> bool:
        """Whether every call has ended."""
        return self._open == 0

    @property
    def failed(self) -> list[Node]:
        """The calls that failed themselves, in the order of the calls."""
        return [node for node in self.nodes if node.state == "failed"]

    def finish(self) -> None:
        """Go on until every call has ended; failed ones do not stop the others."""
        while not self.is_over:
            self.pump(self._patience())

    def pump(self, timeout_s: float = 0.0) -> None:
        """Do what can be done, and wait at most `timeout_s` for a step to end.

        Raises:
            CancelledError: somebody asked to stop.
        """
        self._record.tell.check()
        self._recall_fresh()
        self._retry_held()
        self._start_ready()
        self._wait(timeout_s)
        self._keep_ends()
        self._renewal.renew_when_due()
        self._tell()

    def plan(self) -> dict[Node, StepState]:
        """Look calls up without running any: those known are resolved, the others stay open."""
        while self._fresh:
            self._recall_fresh()
        return {
            node: "reused" if node.is_over else "unknown" if node.missing else "run"
            for node in self.nodes
        }

    def stop(self) -> None:
        """Cancel what is under way; keep what has ended, give back what was claimed."""
        if self._executor is not None:
            for order in self._running:
                self._executor.cancel(order)
            deadline = self._record.ports.clock.monotonic_s() + 10
            while self._running and self._record.ports.clock.monotonic_s() < deadline:
                for outcome in self._executor.poll(0.1):
                    self._take(outcome)
        self._commit()
        for node in self.nodes:
            if not node.is_over:
                self._end(node, "cancelled")

    def _patience(self) -> float:
        if self._held:
            return HELD_PAUSE_S
        return GROUP_AGE_S if self._ends else 0.2

    def _recall_fresh(self) -> None:
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, []
        firsts: list[Node] = []
        for node in fresh:
            first = self._first.setdefault(
                node.identify(self._identities.codes, self._bytes_of), node
            )
            if first is node:
                firsts.append(node)
            else:
                self._follow(node, first)
        recalled = self._recall(firsts)
        for node in firsts:
            known = recalled.known.get(node.identity)
            if known is not None and len(known.values) == len(node.outputs):
                self._reuse(node, known)
            else:
                node.replaces = dict(recalled.stale.get(node.identity, {}))
                if known is not None:
                    node.replaces[known.key] = known.run
                node.state = "ready"
                self._ready.append(node)

    def _recall(self, nodes: Sequence[Node]) -> Recalled:
        identities = [node.identity for node in nodes]
        return recall(self._record, identities, self._identities.observations)

    def _bytes_of(self, value: Value) -> bytes:
        """Return the bytes of a value in plain spelling, read once."""
        if value.inline is not None:
            return value.inline
        if value.artifact not in self._held_bytes:
            self._held_bytes[value.artifact] = value_bytes(self._record.ports.objects, value)
        return self._held_bytes[value.artifact]

    def _follow(self, node: Node, first: Node) -> None:
        """Let an equal call have the result of the first one."""
        if first.state in {"done", "reused"}:
            self._share(first, node)
        elif first.is_over:
            self._skip(node, first.error)
        else:
            first.twins.append(node)

    def _share(self, first: Node, node: Node) -> None:
        values = tuple(output.value for output in first.outputs if output.value is not None)
        if first.run is not None:
            node.resolve(values, first.run)
        self._end(node, "reused")

    def _start_ready(self) -> None:
        if not self._ready:
            return
        if self._executor is None:
            self._shared = self._begin()
            ports = self._record.ports
            self._executor = ports.in_process if self._is_in_process else ports.executor
        room = self._executor.capacity() * ORDERS_A_WORKER - len(self._running)
        claimed: list[Node] = []
        while self._ready and len(claimed) < room:
            node = self._ready.popleft()
            if self._claim(node):
                claimed.append(node)
        if claimed:
            self._submit(claimed)

    def _claim(self, node: Node) -> bool:
        ledger = self._record.ports.ledger
        try:
            node.lease = ledger.lease(f"step:{node.identity}", ledger.owner(), LEASE_TTL_S)
        except LeaseHeldError:
            node.state = "held"
            self._held.append(node)
            return False
        self._renewal.add(node.lease)
        return True

    def _submit(self, claimed: Sequence[Node]) -> None:
        # Between our look and our claim another process may have ended the same call.
        recalled = self._recall(claimed)
        for node in claimed:
            known = recalled.known.get(node.identity)
            if known is not None and known.run not in node.replaces.values():
                self._give_back(node)
                self._reuse(node, known)
                continue
            node.attempts += 1
            node.state = "running"
            node.opened_at = self._record.now()
            run = self._record.ports.clock.new_id()
            order = node.order(
                run, self._record.project, self._identities.project_code, self._timeout_s
            )
            self._running[str(run)] = node
            self._names[str(run)] = node.step.name
            self._required_executor.submit(order)

    @property
    def _required_executor(self) -> Any:  # noqa: ANN401 - Executor, or a bug
        return self._executor

    def _retry_held(self) -> None:
        now = self._record.ports.clock.monotonic_s()
        if not self._held or now - self._held_since < HELD_PAUSE_S:
            return
        self._held_since = now
        held = list(self._held)
        self._held.clear()
        recalled = self._recall(held)
        for node in held:
            known = recalled.known.get(node.identity)
            if known is not None and known.run not in node.replaces.values():
                self._reuse(node, known)
            else:
                self._ready.append(node)

    def _wait(self, timeout_s: float) -> None:
        if self._running:
            for outcome in self._required_executor.poll(timeout_s):
                self._take(outcome)
        elif self._held and timeout_s > 0:
            self._record.ports.clock.sleep(timeout_s)

    def _take(self, outcome: StepOutcome) -> None:
        node = self._running.pop(outcome.order, None)
        if node is None:
            return
        node.seconds = outcome.wall_s
        if outcome.state == "lost" and node.attempts < ATTEMPTS:
            self._submit([node])
        elif outcome.state == "cancelled":
            self._end(node, "cancelled")
        else:
            if not self._ends:
                self._ends_since = self._record.ports.clock.monotonic_s()
            observed = self._identities.observations.filled(outcome.observed)
            outcome = msgspec.structs.replace(outcome, observed=observed)
            self._ends.append(StepEnd(node, _run_id(outcome), outcome))

    def _keep_ends(self) -> None:
        """Commit ends when there are many, the first is old, or nothing else could go on."""
        if not self._ends:
            return
        age = self._record.ports.clock.monotonic_s() - self._ends_since
        if len(self._ends) >= GROUP_SIZE or age >= GROUP_AGE_S or not self._running:
            self._commit()

    def _commit(self) -> None:
        ends, self._ends = self._ends, []
        if not ends or self._shared is None:
            return
        commit_ends(self._record, self._shared, ends)
        for end in ends:
            node = end.node
            if node.lease is not None:
                self._renewal.forget(node.lease)
                node.lease = None
            if not end.is_done:
                node.run = end.run
                node.error = _failure(end)
                self._end(node, "failed")
            elif end.adopted is not None:
                self._reuse(node, end.adopted)
            else:
                node.doubt, node.warning = end.doubt, end.warning
                node.resolve(end.values, end.run)
                self._end(node, "done")

    def _reuse(self, node: Node, known: Remembered) -> None:
        node.resolve(known.values, known.run)
        self._end(node, "reused")

    def _skip(self, node: Node, error: Exception | None) -> None:
        node.error = error
        self._end(node, "skipped")

    def _end(self, node: Node, state: NodeState) -> None:
        """End a call, and with it (not by recursion: chains are long) what hangs on it."""
        over = [(node, state)]
        while over:
            node, state = over.pop()
            if node.is_over:
                continue
            node.state = state
            self._open -= 1
            self._give_back(node)
            if state in {"done", "reused"}:
                self._let_go_on(node)
                continue
            for other in (*node.twins, *node.dependants):
                other.error = node.error
                over.append((other, "skipped"))

    def _let_go_on(self, node: Node) -> None:
        for twin in node.twins:
            self._share(node, twin)
        for dependant in node.dependants:
            dependant.missing -= 1
            if dependant.missing == 0 and not dependant.is_over:
                self._fresh.append(dependant)

    def _give_back(self, node: Node) -> None:
        if node.lease is not None:
            self._renewal.forget(node.lease)
            self._record.ports.ledger.release(node.lease)
            node.lease = None

    def _tell(self) -> None:
        tell = self._record.tell
        if self._executor is not None:
            for order, line in self._executor.lines():
                tell.line(f"{self._names.get(order, 'step')}: {line}")
        going = dict.fromkeys(node.step.name for node in self._running.values())
        if not going and not self._open:
            return  # how it ended is told by the answer, or by the error
        what = f"running {', '.join(list(going)[:3])}" if going else "steps"
        tell.progress(what, len(self.nodes) - self._open, len(self.nodes))


def _run_id(outcome: StepOutcome) -> RunId:
    return outcome.order  # type: ignore[return-value]


def _failure(end: StepEnd) -> StepFailedError:
    name, outcome = end.node.step.name, end.outcome
    tail = "\n".join(outcome.output.rstrip().splitlines()[-5:])
    printed = f"\n  it printed last:\n{tail}" if tail else ""
    return StepFailedError(
        f"step {name} failed: {error_text(outcome)}{printed}",
        fix=f"{outcome.fix or 'mend it'}; then run the same command again: steps that had finished"
        " are kept",
    )
