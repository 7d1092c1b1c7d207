"""The step runner: runs one order in a worker process and says what became of it.

It opens no ledger. Whatever a step does (raises, exits, prints a gigabyte, changes its arguments)
ends with one outcome, or with the death of this process, which the executor notices.
"""

from __future__ import annotations

import bdb
import importlib
import importlib.abc
import importlib.machinery
import random
import resource
import sys
import time
import traceback
import typing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import InvalidInputError, TidemillError
from tidemill.core.text import printable
from tidemill.ports.executor import StepOutcome, Value
from tidemill.practices.pipelines import codecs
from tidemill.practices.pipelines.declare import Step, annotations_of
from tidemill.practices.pipelines.figures import active_figures
from tidemill.practices.pipelines.outputs import active_step
from tidemill.practices.pipelines.spelling import read
from tidemill.runtime.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from tidemill.ports.executor import Observed, StepOrder
    from tidemill.ports.object_store import ObjectStore
    from tidemill.runtime.observation import Observation
    from tidemill.runtime.outside_modules import OutsideModules

_CLEAR_PEAK = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


class StepRunner:
    """Runs orders of one project, one after the other."""

    def __init__(
        self,
        objects: ObjectStore,
        code: str,
        folder: Path,
        outside: OutsideModules,
        observation: Observation,
        *,
        is_own: bool = True,
    ) -> None:
        """`code` is the identity of the project's code as this process found it.

        Where the process is not our own but somebody's who debugs, Ctrl-C and the end of the
        debugger are raised, and random numbers go on afterwards as if no step had run.
        """
        self._is_own = is_own
        self._objects, self._code, self._folder = objects, code, folder
        self._outside, self._observation = outside, observation
        self._steps: dict[tuple[str, str], Callable[..., Any]] = {}
        self._sessions = Sessions()
        self._changed_here: set[str] = set()
        self._seeds = _SeedNumpy()
        sys.meta_path.insert(0, self._seeds)

    def run(self, order: StepOrder) -> StepOutcome:
        """Run an order; never raises."""
        figures: list[tuple[str, float, int]] = []
        values: tuple[Value, ...] = ()
        observed: tuple[Observed, ...] = ()
        error, where, fix = "", "", ""
        before, start = _cpu_s(), time.perf_counter()
        try:
            self._observation.begin()
            function = self._found(order)
            self._observation.edges.state.keep(
                order.modules if order.module != "__main__" else (*order.modules, "__main__")
            )
            before, start = _cpu_s(), time.perf_counter()  # importing is no part of the step
            _forget_peak()
            values = self._call(function, order, figures)
            observed = self._observed(order, values)
        except BaseException as raised:
            self._observation.pause()
            if not self._is_own and isinstance(raised, KeyboardInterrupt | bdb.BdbQuit):
                raise KeyboardInterrupt from raised
            error, where = _told(raised), self._where(raised)
            fix = raised.fix if isinstance(raised, TidemillError) else ""
            self._trace(raised)
        return StepOutcome(
            order=order.order, state="failed" if error else "done", values=values,
            figures=tuple(figures), error=error, fix=fix, where=where,
            wall_s=time.perf_counter() - start, cpu_s=_cpu_s() - before,
            peak_bytes=_peak_bytes(), outside=self._outside.found(), observed=observed,
            told=self._observation.told, changed=self._changed(order),
        )  # fmt: skip

    def _call(
        self,
        function: Callable[..., Any],
        order: StepOrder,
        figures: list[tuple[str, float, int]],
    ) -> tuple[Value, ...]:
        arguments = self._arguments(function, order)
        before = None if self._is_own else _random_states()
        self._seed(order.seed)
        of_figures, of_step = active_figures.set(figures), active_step.set(order.qualname)
        try:
            result = function(*arguments[0], **arguments[1])
        finally:
            self._observation.pause()
            active_figures.reset(of_figures)
            active_step.reset(of_step)
            if before is not None:
                _set_random_states(before)
        parts = _parts(order, result)
        _require_declared(order, annotations_of(function).get("return"), parts)
        return tuple(
            codecs.store(self._objects, value, f"{name} of step {order.qualname}")
            for name, value in parts
        )

    def _observed(self, order: StepOrder, values: tuple[Value, ...]) -> tuple[Observed, ...]:
        spelled = msgspec.json.encode(order.arguments)
        codecs = {value.codec.partition(" ")[0] for value in values}
        codecs |= {"model"} if b'"codec":"model"' in spelled else set()
        return self._observation.found(order, sorted(codecs))

    def _changed(self, order: StepOrder) -> tuple[str, ...]:
        """See to what a step left in modules: a worker imports them anew, nobody else can."""
        edges = self._observation.edges
        changed = edges.state.changed()
        if self._is_own:
            if changed:
                edges.state.forget()
                self._steps.clear()
                self._sessions.forget()
            return ()
        edges.remove()
        self._changed_here |= set(changed)
        reached = {*order.modules, "__main__"}
        return tuple(sorted(one for one in self._changed_here if one.rpartition(".")[0] in reached))

    def _found(self, order: StepOrder) -> Callable[..., Any]:
        if self._is_own and order.code != self._code:  # else planning looked at loaded modules
            raise InvalidInputError(
                "the project's code changed after this step was planned", fix="run it again"
            )
        module, qualname = order.module, order.qualname
        if order.source:
            return _function(self._sessions.module(order.source), qualname)
        if (module, qualname) not in self._steps:
            self._steps[module, qualname] = _function(importlib.import_module(module), qualname)
        return self._steps[module, qualname]

    def _arguments(
        self, function: Callable[..., Any], order: StepOrder
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        import inspect  # noqa: PLC0415 - 5 ms that a worker's start can do without

        wanted = annotations_of(function)
        bound = inspect.signature(function).bind_partial()
        for name, spelled in order.arguments.items():
            bound.arguments[name] = read(spelled, partial(self._load, wanted.get(name)))
        return bound.args, bound.kwargs

    def _load(self, annotation: object, value: object) -> object:
        return codecs.load(self._objects, msgspec.convert(value, Value), annotation)

    def _seed(self, seed: int) -> None:
        random.seed(seed)
        self._seeds.seed = seed
        loaded = sys.modules.get("numpy.random")
        if loaded is not None:
            loaded.seed(seed)

    def _where(self, raised: BaseException) -> str:
        """Return file and line in the user's own code where it went wrong; the innermost."""
        if isinstance(raised, SyntaxError) and raised.filename:
            return f"{_short(Path(raised.filename), self._folder)}:{raised.lineno}"
        own = self._own_frames(raised)
        return f"{_short(Path(own[-1].filename), self._folder)}:{own[-1].lineno}" if own else ""

    def _trace(self, raised: BaseException) -> None:
        """Print the way through the user's own code, where there is more than one place."""
        own = self._own_frames(raised)
        if len(own) < 2:
            return
        for frame in own:
            place = f"{_short(Path(frame.filename), self._folder)}:{frame.lineno}"
            sys.stderr.write(f"  {place} in {frame.name}: {frame.line}\n")
        sys.stderr.flush()

    def _own_frames(self, raised: BaseException) -> list[traceback.FrameSummary]:
        return [
            frame
            for frame in traceback.extract_tb(raised.__traceback__)
            if frame.filename in self._sessions.labels
            or (
                Path(frame.filename).is_relative_to(self._folder)
                and "site-packages" not in Path(frame.filename).parts
            )
        ]


class _SeedNumpy(importlib.abc.MetaPathFinder):
    """Seeds NumPy when a step imports it for the first time."""

    seed = 0

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "numpy.random":
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def seeded(module: ModuleType) -> None:
            execute(module)
            module.seed(self.seed)

        spec.loader.exec_module = seeded  # type: ignore[method-assign]
        return spec


def _random_states() -> tuple[Any, Any]:
    loaded = sys.modules.get("numpy.random")
    return random.getstate(), loaded.get_state() if loaded is not None else None


def _set_random_states(states: tuple[Any, Any]) -> None:
    random.setstate(states[0])
    if states[1] is not None:
        sys.modules["numpy.random"].set_state(states[1])


def _function(module: ModuleType, qualname: str) -> Callable[..., Any]:
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part)
    return found.function if isinstance(found, Step) else found


def _parts(order: StepOrder, result: object) -> list[tuple[str, object]]:
    if len(order.outputs) == 1:
        return [("what came out", result)]
    if not isinstance(result, tuple) or len(result) != len(order.outputs):
        given = f"{len(result)} values" if isinstance(result, tuple) else type(result).__name__
        raise InvalidInputError(
            f"step {order.qualname} declares a tuple of {len(order.outputs)} and returned {given}",
            fix="return as many values as its annotation says",
        )
    return list(zip(order.outputs, result, strict=True))


_PLAIN = (int, float, str, bool, bytes, list, dict, tuple, set, type(None))


def _require_declared(
    order: StepOrder, declared: object, parts: Sequence[tuple[str, object]]
) -> None:
    """Raise where plain data came out of a step that declares something else: a frame, a model."""
    kinds = typing.get_args(declared) if len(parts) > 1 else (declared,)
    for (name, value), kind in zip(parts, kinds, strict=False):
        is_class = isinstance(kind, type) and not typing.get_args(kind)
        if is_class and kind not in (*_PLAIN, object) and isinstance(value, _PLAIN):
            if isinstance(value, kind):
                continue
            raise InvalidInputError(
                f"step {order.qualname} declares {kind.__name__} and {name} is "
                f"{type(value).__name__}: {value!r:.60}",
                fix="return what its annotation says, or correct the annotation",
            )


def _told(raised: BaseException) -> str:
    if isinstance(raised, SystemExit):
        return f"it called sys.exit({raised.code!r}); a step returns or raises"
    if isinstance(raised, TidemillError):
        return printable(raised.what)
    try:
        message = printable(str(raised))
    except Exception as broken:  # noqa: BLE001 - an exception that cannot even be printed
        message = f"(its message cannot be printed: {type(broken).__name__})"
    return f"{type(raised).__name__}: {message[:2000]}" if message else type(raised).__name__


def _short(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _cpu_s() -> float:
    own = time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own + children.ru_utime + children.ru_stime


def _forget_peak() -> None:
    """Begin to measure peak memory anew, where the system can."""
    try:
        _CLEAR_PEAK.write_bytes(b"5")
    except OSError:
        return


def _peak_bytes() -> int:
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
