"""From what an operation takes to arguments and options of a command, and back to its values."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.dispatch.parameters import Parameter


class TimeType(click.ParamType[datetime]):
    """A date or time, as `core.times` reads it."""

    name = "time"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time; a text that is none is a usage error."""
        try:
            return parse_time(value)
        except InvalidInputError as error:
            self.fail(f"{error.what}; {error.fix}", param, ctx)


_TYPES: dict[str, click.ParamType[Any]] = {
    "text": click.STRING, "source": click.STRING, "whole": click.INT, "number": click.FLOAT,
    "time": TimeType(),
}  # fmt: skip


def option_name(name: str) -> str:
    """Return a parameter's name as it is typed.

    >>> option_name("max_rows")
    'max-rows'
    """
    return name.strip("_").replace("_", "-")


def argument(parameter: Parameter) -> click.Argument:
    """Return a positional parameter as an argument."""
    return click.Argument(
        [parameter.name],
        type=_type(parameter),
        required=parameter.is_required,
        nargs=-1 if parameter.is_many else 1,
        metavar=option_name(parameter.name).upper(),
    )


def option(parameter: Parameter) -> click.Option:
    """Return a keyword parameter as an option."""
    name = option_name(parameter.name)
    if parameter.form == "flag":
        spelled = f"--{name}/--no-{name}" if parameter.default else f"--{name}"
        return click.Option([spelled, parameter.name], is_flag=True, help=parameter.help,
                            hidden=parameter.is_hidden)  # fmt: skip
    return click.Option(
        [f"--{name}", parameter.name],
        type=_type(parameter),
        required=parameter.is_required,
        multiple=parameter.is_many,
        help=parameter.help,
        metavar=_metavar(parameter),
        hidden=parameter.is_hidden,
    )


def given(ctx: click.Context, parameters: Iterable[Parameter]) -> dict[str, object]:
    """Return the values that were typed, by parameter; defaults are the operation's own."""
    typed = click.core.ParameterSource.COMMANDLINE
    return {
        parameter.name: ctx.params[parameter.name]
        for parameter in parameters
        if ctx.get_parameter_source(parameter.name) is typed
    }


def rest_of(tokens: list[str], known: Iterable[click.Option]) -> tuple[list[str], dict[str, str]]:
    """Split free options (`--until 2013-04-01`, `--trees=300`) from those that are known.

    A free option without a value is `true`; its dashes are underscores, as Python has them.
    """
    takes_value = {
        name: not option.is_flag
        for option in known
        for name in (*option.opts, *option.secondary_opts)
    }
    kept: list[str] = []
    free: dict[str, str] = {}
    left = list(tokens)
    while left:
        token = left.pop(0)
        name, equals, value = token.partition("=")
        if token in {"--help", "-h"} or not token.startswith("--") or name in takes_value:
            kept.append(token)
            if takes_value.get(name) and not equals and left:
                kept.append(left.pop(0))
            continue
        if not equals:
            value = left.pop(0) if left and not left[0].startswith("--") else "true"
        free[name[2:].replace("-", "_")] = value
    return kept, free


def _type(parameter: Parameter) -> click.ParamType[Any]:
    if parameter.form == "choice":
        return click.Choice(parameter.choices)
    return _TYPES[parameter.form]


def _metavar(parameter: Parameter) -> str:
    if parameter.form == "choice":
        return "|".join(parameter.choices)
    words = {"whole": "N", "number": "X", "time": "TIME", "source": "PATH"}
    return words.get(parameter.form, "TEXT")
