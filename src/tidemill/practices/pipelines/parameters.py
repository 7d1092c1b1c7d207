"""Parameters of a pipeline: from the text of a command line to what the function takes."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any

from tidemill.core.errors import InvalidInputError, UsageError
from tidemill.core.times import parse_span, parse_time
from tidemill.kernels.secret_text import is_secret_name, secret_text
from tidemill.practices.pipelines.declare import type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidemill.practices.pipelines.declare import Pipeline

_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def arguments_of(pipeline: Pipeline[..., Any], given: Mapping[str, object]) -> dict[str, object]:
    """Return every argument of a pipeline, given ones converted by their annotation.

    Raises:
        UsageError: a parameter is unknown, missing, or does not fit its annotation.
        InvalidInputError: one looks like a secret.
    """
    known = pipeline.signature.parameters
    wanted = {name.replace("-", "_"): value for name, value in given.items()}
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"pipeline {pipeline.name} has no parameter {name!r}",
                fix=f"its parameters: {_listed(pipeline)}",
            )
    found: dict[str, object] = {}
    for name, parameter in known.items():
        if name in wanted:
            found[name] = _converted(pipeline, name, wanted[name])
        elif parameter.default is not parameter.empty:
            found[name] = parameter.default
        else:
            option = f"--{name.replace('_', '-')}"
            kind = type_name(pipeline.annotations.get(name, "text")).upper()
            raise UsageError(f"pipeline {pipeline.name} needs {name}", fix=f"add {option} {kind}")
    for name, value in found.items():
        refuse_secret(f"{name} of pipeline {pipeline.name}", name, value)
    return found


def refuse_secret(what: str, name: str, value: object) -> None:
    """Refuse a parameter that looks like a secret by its name or its value: it would be recorded.

    Raises:
        InvalidInputError: it does; the message names it (`what`) and does not show its value.
    """
    told = ""
    for of, text in _texts(name, value):
        if is_secret_name(of):
            told = "by its name"
        elif found := secret_text(text.encode("utf-8", "replace")):
            told = f"it {found.split(' ', 2)[2]}"  # without its line
    if told:
        raise InvalidInputError(
            f"{what} looks like a secret ({told}); parameters are kept in the record",
            fix="read it from the environment inside the step, with os.environ[...]",
        )


def _texts(name: str, value: object) -> Iterator[tuple[str, str]]:
    """Yield the texts that a value is made of with the name that each has; no empty ones."""
    if isinstance(value, str | bytes):
        text = value if isinstance(value, str) else value.decode("utf-8", "replace")
        yield from [(name, text)] if text else []
    elif isinstance(value, Mapping):
        for key, item in value.items():
            is_tag = not isinstance(key, str) or key.startswith("$")
            yield from _texts(name if is_tag else key, item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _texts(name, item)


def _listed(pipeline: Pipeline[..., Any]) -> str:
    return ", ".join(f"{p.name}: {p.type}" for p in pipeline.parameters) or "none"


def _converted(pipeline: Pipeline[..., Any], name: str, value: object) -> object:
    if not isinstance(value, str):
        return value
    annotation = pipeline.annotations.get(name, str)
    try:
        return _from_text(value, annotation)
    except (ValueError, KeyError, TypeError, ArithmeticError):
        raise UsageError(
            f"--{name} of pipeline {pipeline.name} takes {type_name(annotation)}, not {value!r}",
            fix=f"its parameters: {_listed(pipeline)}",
        ) from None


def _from_text(text: str, annotation: object) -> object:
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return _from_union(text, typing.get_args(annotation))
    if typing.get_origin(annotation) in {tuple, list}:
        kind = typing.get_origin(annotation)
        item = typing.get_args(annotation)[0]
        items = [_from_text(part.strip(), item) for part in text.split(",") if part.strip()]
        return tuple(items) if kind is tuple else items
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return annotation[text]
    readers: dict[object, Callable[[str], object]] = {
        int: int, float: float, bool: lambda word: _TRUTHS[word.lower()], str: str,
        date: date.fromisoformat, datetime: parse_time, timedelta: parse_span,
    }  # fmt: skip
    reader = readers.get(annotation) or {
        getattr(kind, "__name__", ""): found for kind, found in readers.items()
    }.get(type_name(annotation).rpartition(".")[2], str)
    return reader(text)


def _from_union(text: str, kinds: tuple[object, ...]) -> object:
    if type(None) in kinds and text.lower() in {"", "none"}:
        return None
    failed: Exception = ValueError(text)
    for kind in kinds:
        if kind is type(None):
            continue
        try:
            return _from_text(text, kind)
        except (ValueError, KeyError, TypeError) as error:
            failed = error
    raise failed
