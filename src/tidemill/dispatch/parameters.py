"""What an operation takes, as faces need it: read from its signature and docstring, once.

Annotations are read as they are written, because most rooms import types for checking only.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from tidemill.core.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.core.operation import Operation

Form = Literal["text", "whole", "number", "flag", "time", "choice", "source", "rest"]

_FORMS: Mapping[str, Form] = {
    "str": "text", "int": "whole", "float": "number", "bool": "flag", "datetime": "time",
    "object": "source", "Mapping[str, str]": "rest", "Mapping[str, object]": "rest",
}  # fmt: skip
_MANY = re.compile(r"(?:tuple\[(\w+), \.\.\.\]|(?:Sequence|list)\[(\w+)\])")
_LITERAL = re.compile(r"Literal\[(.*)\]")


class Parameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of an operation. `is_many` takes any number of values of its form."""

    name: str
    form: Form
    is_positional: bool
    is_many: bool
    is_required: bool
    default: Any
    choices: tuple[str, ...]
    help: str
    is_spread: bool = False
    """Written `*name` in the signature: its values are arguments of their own."""
    is_hidden: bool = False


class UnknownAnnotationError(TypeError):
    """An operation has a parameter of a type that faces cannot spell; a mistake of ours."""


def parameters(operation: Operation) -> tuple[Parameter, ...]:
    """Return what an operation takes besides the record, in order."""
    found = _parameters(operation.function)
    if not operation.hidden:
        return found
    return tuple(
        msgspec.structs.replace(one, is_hidden=True) if one.name in operation.hidden else one
        for one in found
    )


def summary(operation: Operation) -> str:
    """Return the first line of an operation's docstring: its help."""
    return (inspect.getdoc(operation.function) or "").partition("\n")[0]


def bind(
    operation: Operation, given: Mapping[str, object]
) -> tuple[tuple[object, ...], dict[str, object]]:
    """Return positional and keyword arguments of a call from values by name; absent: defaults."""
    positional: list[object] = []
    by_name: dict[str, object] = {}
    for parameter in parameters(operation):
        if parameter.name not in given:
            continue
        value = given[parameter.name]
        if parameter.is_spread and isinstance(value, Sequence):
            positional += value
        elif parameter.is_positional and len(positional) == _place(operation, parameter):
            positional.append(value)
        else:
            by_name[parameter.name] = value
    return tuple(positional), by_name


def with_times(operation: Operation, options: Mapping[str, object]) -> dict[str, object]:
    """Return named arguments with texts and dates where an effective time is meant made times.

    Raises:
        InvalidInputError: a text is no date or time.
    """
    times = {p.name for p in parameters(operation) if p.form == "time"}
    return {
        name: parse_time(value) if name in times and isinstance(value, str | date) else value
        for name, value in options.items()
    }


def _place(operation: Operation, parameter: Parameter) -> int:
    return [p.name for p in parameters(operation)].index(parameter.name)


@lru_cache(maxsize=512)
def _parameters(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    helps = _helps(inspect.getdoc(function) or "")
    wanted = list(inspect.signature(function).parameters.values())[1:]
    return tuple(_parameter(function, one, helps.get(one.name, "")) for one in wanted)


def _parameter(function: Callable[..., Any], one: inspect.Parameter, text: str) -> Parameter:
    is_spread = one.kind is inspect.Parameter.VAR_POSITIONAL
    form, is_many, choices = _form(function, one)
    has_none = one.default is inspect.Parameter.empty
    return Parameter(
        name=one.name,
        form=form,
        is_positional=one.kind is not inspect.Parameter.KEYWORD_ONLY and form != "rest",
        is_many=is_many or is_spread,
        is_required=has_none and not is_spread and form != "rest",
        default=None if has_none else one.default,
        choices=choices,
        help=text,
        is_spread=is_spread,
    )


def _form(
    function: Callable[..., Any], one: inspect.Parameter
) -> tuple[Form, bool, tuple[str, ...]]:
    text = _text(one.annotation).removesuffix(" | None").removeprefix("None | ").strip()
    text = text.removesuffix(" | Mapping[str, object]")  # Python's own way to give the same
    many = _MANY.fullmatch(text)
    if many:
        text = many[1] or many[2]
    literal = _LITERAL.fullmatch(_literal_text(function, text))
    if literal:
        return "choice", bool(many), tuple(re.findall(r"['\"]([^'\"]*)['\"]", literal[1]))
    if text not in _FORMS:
        message = f"{function.__module__}.{function.__name__}: no face can spell {one}"
        raise UnknownAnnotationError(message)
    return _FORMS[text], bool(many), ()


def _text(annotation: object) -> str:
    if isinstance(annotation, str):
        return annotation
    if annotation is datetime:
        return "datetime"
    return (
        getattr(annotation, "__name__", str(annotation))
        if isinstance(annotation, type) and "[" not in str(annotation)
        else str(annotation).replace("datetime.datetime", "datetime")
    )


def _literal_text(function: Callable[..., Any], text: str) -> str:
    named = getattr(inspect.getmodule(function), text, None) if text.isidentifier() else None
    return str(named).replace("typing.", "") if "Literal[" in str(named) else text


def _helps(doc: str) -> dict[str, str]:
    """Return the help of each parameter from the `Args:` part of a docstring."""
    helps: dict[str, str] = {}
    _, _, rest = doc.partition("\nArgs:\n")
    name = ""
    for line in rest.split("\n"):
        if line and not line.startswith(" "):
            break
        match = re.match(r"^ {4}(\*{0,2}\w+):\s*(.*)$", line)
        if match:
            name = match[1].lstrip("*")
            helps[name] = match[2]
        elif line.strip() and name:
            helps[name] += " " + line.strip()
    return helps
