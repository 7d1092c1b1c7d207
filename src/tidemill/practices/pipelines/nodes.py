"""Nodes: one planned call of one step, from its arguments to its order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from blake3 import blake3

from tidemill.core.errors import InvalidInputError
from tidemill.ports.executor import StepOrder, Value
from tidemill.practices.pipelines import memo
from tidemill.practices.pipelines.identity.step_code import named_objects
from tidemill.practices.pipelines.outputs import Output
from tidemill.practices.pipelines.parameters import refuse_secret
from tidemill.practices.pipelines.session_code import MAIN, session_source
from tidemill.practices.pipelines.spelling import HANDED_ON, Speller, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from tidemill.core.query import Lease
    from tidemill.core.run import RunId, Scalar
    from tidemill.practices.pipelines.declare import Step
    from tidemill.practices.pipelines.identity.step_code import KnownCode, StepCode, StepCodes

NodeState = Literal[
    "waiting", "ready", "held", "running", "reused", "done", "failed", "skipped", "cancelled"
]

LARGEST_PARAMETER_BYTES = 1024 * 1024
"""Parameters lie in orders and on runs; anything larger is data."""

_SHOWN = 500
"""Most characters of a parameter that the record shows."""


class Slot:
    """A place in the arguments where a value is handed on: which output, and the spelling."""

    def __init__(self, name: str, output: Output) -> None:
        self.name, self.output = name, output
        self.spelled: dict[str, object] = {HANDED_ON: None}

    @property
    def value(self) -> Value:
        """The value, which is known once the node is ready."""
        if self.output.value is None:
            message = f"{self.output} is not known yet"
            raise RuntimeError(message)
        return self.output.value


class Node:
    """One call of a step within one pipeline run."""

    def __init__(self, step: Step[..., Any], outputs: tuple[Output, ...]) -> None:
        self.step, self.outputs = step, outputs
        self.source = session_source(step.function) if step.module == MAIN else ()
        self.arguments: dict[str, object] = {}
        self.params: dict[str, Scalar] = {}
        self.slots: list[Slot] = []
        self.missing = 0
        self.dependants: list[Node] = []
        self.twins: list[Node] = []
        self.state: NodeState = "waiting"
        self.identity = ""
        self.run: RunId | None = None
        self.replaces: Mapping[str, RunId] = {}
        self.known_code: KnownCode | None = None
        self.lease: Lease | None = None
        self.opened_at: datetime | None = None
        self.attempts = 0
        self.seconds = 0.0
        self.error: Exception | None = None
        self.doubt = ""
        self.warning = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in {"reused", "done", "failed", "skipped", "cancelled"}

    def take(self, arguments: Mapping[str, object]) -> None:
        """Spell the arguments, and find the outputs of other steps among them.

        Raises:
            InvalidInputError: one has no spelling, is too large, is the path of a file, or looks
                like a secret.
        """
        for name, given in arguments.items():
            before = len(self.slots)
            spelled = Speller(
                f"{name} of step {self.step.name}", self._hand_on(name), is_parameter=True
            ).spell(given)
            refuse_secret(f"{name} of step {self.step.name}", name, spelled)
            self.arguments[name] = spelled
            if isinstance(given, str):
                self._refuse_path(name, given)
            if len(self.slots) == before:
                self.params[name] = self._shown(name, spelled)
        self._add_of_session()

    def _add_of_session(self) -> None:
        """Let a worker have the functions and classes of the session that arguments name."""
        found = {name for module, name in named_objects(self.arguments) if module == MAIN}
        if not found:
            return
        if self.step.module != MAIN:
            raise InvalidInputError(
                f"step {self.step.name} of {self.step.module} is given {', '.join(sorted(found))}"
                " of this session, which its worker does not have",
                fix="define it in a module of the project",
            )
        names = sorted({name.partition(".")[0] for name in found})
        self.source = session_source(self.step.function, names)

    def identify(self, codes: StepCodes, held: Callable[[Value], bytes]) -> str:
        """Return the identity; all inputs must be known. `held` returns the bytes of a value."""
        values = [slot.value for slot in self.slots]
        for slot, value in zip(self.slots, values, strict=True):
            slot.spelled[HANDED_ON] = [value.artifact, value.codec]
        step, options = self.step, self.step.options
        self.known_code = codes.of_step(
            step.module, step.qualname, source=self.source, arguments=self.arguments,
            codecs=[value.codec for value in values],
            held=[held(value) for value in values if value.codec == "value"],
        )  # fmt: skip
        self.identity = memo.identity(
            memo.StepIdentity(
                step=f"{step.module}:{step.qualname}", code=self.known_code.code,
                environment=self.known_code.environment, arguments=self.arguments,
                version=options.version, seed=options.seed, threads=options.threads,
                shape=step.shape({slot.name for slot in self.slots}),
            )
        )  # fmt: skip
        return self.identity

    @property
    def kept_code(self) -> StepCode | None:
        """What it reaches and its options, as its run keeps them."""
        if self.known_code is None:
            return None
        given = self.step.options
        options = {"version": str(given.version), "seed": str(given.seed)}
        options |= {"threads": str(given.threads)}
        options |= {
            f"takes {name}" if name != "return" else "returns": kind
            for name, kind in self.step.shape({slot.name for slot in self.slots}).items()
            if kind
        }
        return msgspec.structs.replace(self.known_code.found, options=options)

    def order(self, run: RunId, project: str, code: str, timeout_s: float) -> StepOrder:
        """Return the order for a worker; the run's id is the order's."""
        for slot in self.slots:
            slot.spelled[HANDED_ON] = msgspec.to_builtins(slot.value, builtin_types=(bytes,))
        step = self.step
        return StepOrder(
            order=str(run), module=step.module, qualname=step.qualname, project=project,
            arguments=self.arguments, outputs=step.outputs, seed=seed_of(step),
            threads=step.options.threads, timeout_s=step.options.timeout_s or timeout_s, code=code,
            source=self.source, **self._reach(),
        )  # fmt: skip

    def _reach(self) -> dict[str, tuple[str, ...]]:
        if self.known_code is None:
            return {}
        found = self.known_code.found
        return {"modules": found.modules, "outside": found.outside, "executing": found.executing}

    def resolve(self, values: tuple[Value, ...], run: RunId) -> None:
        """Let the outputs be known."""
        self.run = run
        for output, value in zip(self.outputs, values, strict=True):
            output.value, output.source = value, run

    def _hand_on(self, name: str) -> Any:  # noqa: ANN401 - a function of Speller
        def hand_on(value: object) -> dict[str, object] | None:
            if not isinstance(value, Output):
                return None
            slot = Slot(name, value)
            self.slots.append(slot)
            return slot.spelled

        return hand_on

    def _refuse_path(self, name: str, given: str) -> None:
        if ("/" in given or "." in given) and len(given) < 1000 and os.path.isfile(given):  # noqa: PTH113 - no Path for each text
            raise InvalidInputError(
                f"{name} of step {self.step.name} is the file {given!r}; a change of what it holds "
                "would not be noticed",
                fix=f"tidemill data add NAME {given}, then pass tm.data('NAME')",
            )

    def _shown(self, name: str, spelled: object) -> Scalar:
        text = shown(spelled)
        if not isinstance(text, str):
            return text
        if len(text) > LARGEST_PARAMETER_BYTES:
            raise InvalidInputError(
                f"{name} of step {self.step.name} is {len(text):,} bytes; parameters are small",
                fix="add it with `tidemill data add`, or return it from a step",
            )
        return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def seed_of(step: Step[..., Any]) -> int:
    """Return the seed of a step, 32 bits: its own number mixed with its name."""
    text = f"{step.options.seed} {step.module}:{step.qualname}"
    return int.from_bytes(blake3(text.encode()).digest()[:4], "big")
