"""Declarations: `step` and `pipeline` turn plain functions into planned, memoized ones."""

from __future__ import annotations

import functools
import inspect
import typing
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast, overload

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_span
from tidemill.practices.pipelines.outputs import active_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

P = ParamSpec("P")
R = TypeVar("R")


class StepOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a step runs. `version`, `seed` and `threads` are part of its identity."""

    version: int = 1
    seed: int = 0
    threads: int = 1
    timeout_s: float | None = None
    """None: the setting `run.timeout`."""


class Step(Generic[P, R]):
    """A step: a plain function outside a pipeline, a planned call inside one."""

    def __init__(self, function: Callable[P, R], options: StepOptions) -> None:
        functools.update_wrapper(self, function)
        self.function, self.options = function, options
        self.name: str = function.__name__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        plan = active_plan.get()
        if plan is None:
            return self.function(*args, **kwargs)
        return cast("R", plan.call(self, args, kwargs))

    def __repr__(self) -> str:
        return f"<step {self.module}:{self.qualname}>"

    @property
    def module(self) -> str:
        """The module that a worker imports to find the step."""
        return self.function.__module__

    @property
    def qualname(self) -> str:
        """The step's place in its module."""
        return self.function.__qualname__

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """The parameters of the function."""
        return inspect.signature(self.function)

    @functools.cached_property
    def annotations(self) -> dict[str, object]:
        """Annotations by parameter, `return` among them; texts where names are not there."""
        return annotations_of(self.function)

    @functools.cached_property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it returns: one, or one an element of a declared tuple."""
        given = self.annotations.get("return")
        parts = typing.get_args(given) if typing.get_origin(given) is tuple else ()
        if len(parts) < 2 or Ellipsis in parts:
            return ("result",)
        return tuple(f"result {index + 1}" for index in range(len(parts)))

    def shape(self, handed_on: Collection[str]) -> dict[str, str]:
        """Return what of the annotations decides: how values are loaded, and what must come out.

        `handed_on` are the parameters that are given results of other steps.
        """
        found = {name: _kind(self.annotations.get(name)) for name in sorted(handed_on)}
        declared = self.annotations.get("return")
        kinds = typing.get_args(declared) if len(self.outputs) > 1 else (declared,)
        found["return"] = ",".join("" if kind in _PLAIN else _kind(kind) for kind in kinds)
        return found

    def bind(self, args: tuple[object, ...], kwargs: dict[str, object]) -> dict[str, object]:
        """Return the arguments by parameter, defaults included.

        Raises:
            InvalidInputError: they do not fit the signature; names the step and the parameter.
        """
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise InvalidInputError(
                f"step {self.name} cannot be called like this: {error}",
                fix=f"its parameters are {self.name}{self.signature}",
            ) from None
        bound.apply_defaults()
        return dict(bound.arguments)

    def require_findable(self) -> None:
        """Raise unless a worker can find the step by its name.

        Raises:
            InvalidInputError: it was made inside a function.
        """
        if "<" in self.qualname:
            raise InvalidInputError(
                f"step {self.qualname} of {self.module} cannot be found by a worker process",
                fix="define it at the top of a module, a script or a notebook's cell",
            )


_PLAIN = (int, float, str, bool, bytes, list, dict, tuple, set, type(None), object, None)


def _kind(annotation: object) -> str:
    """Return an annotation with the module of its class."""
    if isinstance(annotation, type):
        return f"{annotation.__module__}.{annotation.__qualname__}"
    return str(annotation)


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a pipeline, as the command line shows it."""

    name: str
    type: str
    is_needed: bool
    default: str = ""


class Pipeline(Generic[P, R]):
    """A pipeline: a function whose step calls are planned, memoized and recorded."""

    def __init__(self, function: Callable[P, R]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name: str = function.__name__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """The parameters of the function."""
        return inspect.signature(self.function)

    @functools.cached_property
    def annotations(self) -> dict[str, object]:
        """Annotations by parameter; texts where names are not there."""
        return annotations_of(self.function)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in order."""
        return tuple(
            Parameter(
                name=name,
                type=type_name(self.annotations.get(name, "text")),
                is_needed=given.default is given.empty,
                default="" if given.default is given.empty else str(given.default),
            )
            for name, given in self.signature.parameters.items()
        )


def annotations_of(function: Callable[..., Any]) -> dict[str, object]:
    """Return annotations resolved one by one: one that cannot be resolved stays a text."""
    found: dict[str, object] = {}
    place = getattr(function, "__globals__", {})
    for name, given in getattr(function, "__annotations__", {}).items():
        found[name] = given
        if isinstance(given, str):
            try:
                found[name] = eval(given, place)  # noqa: S307 - an annotation of the user's own code
            except (NameError, AttributeError, SyntaxError, TypeError):
                continue
    return found


def type_name(annotation: object) -> str:
    """Return an annotation as people write it."""
    if isinstance(annotation, str):
        return annotation
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)


@overload
def step(function: Callable[P, R], /) -> Step[P, R]: ...
@overload
def step(
    *, version: int = 1, seed: int = 0, threads: int = 1, timeout: str | None = None
) -> Callable[[Callable[P, R]], Step[P, R]]: ...
def step(
    function: Callable[..., Any] | None = None,
    /,
    *,
    version: int = 1,
    seed: int = 0,
    threads: int = 1,
    timeout: str | None = None,
) -> Any:
    """Make a function a step: memoized by its code, inputs, parameters and environment.

    Args:
        function: a plain function at the top of a module.
        version: raise it to have the step computed again although nothing else changed.
        seed: of `random` and NumPy, mixed with the step's name.
        threads: BLAS and OpenMP threads; a number, since float sums depend on it.
        timeout: longest time, like `20m`; default: the setting `run.timeout`.
    """
    options = StepOptions(
        version=version, seed=seed, threads=threads,
        timeout_s=None if timeout is None else parse_span(timeout).total_seconds(),
    )  # fmt: skip
    if function is not None:
        return Step(function, options)
    return lambda decorated: Step(decorated, options)


def pipeline(function: Callable[P, R]) -> Pipeline[P, R]:
    """Make a function a pipeline: `tidemill run NAME` calls it, its parameters are options."""
    return Pipeline(function)
