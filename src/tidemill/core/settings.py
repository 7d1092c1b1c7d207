"""Settings: every one has a name, a default and a meaning; precedence is written here, once.

Command-line option > environment variable `TIDEMILL_SECTION_NAME` > `tidemill.toml` > default.
"""

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.core.errors import InvalidInputError


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The value of one setting and where it came from."""

    name: str
    value: str | int | float | bool
    origin: str


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that exists: its default and what it does."""

    default: str | int | float | bool
    what: str


KNOWN: Mapping[str, Known] = {
    "project.name": Known(default="", what="name of the project; default: its folder's name"),
    "project.owner": Known(default="", what="owner of new refs: a person or team:NAME"),
    "project.code": Known(default=".", what="folder of the project's own Python modules"),
    "project.modules": Known(
        default="", what="the project's modules, by comma; default: those that import tidemill"
    ),
    "project.allow": Known(
        default="", what="code files that may be large or look like a secret: patterns, by commas"
    ),
    "record.ledger": Known(default=".tidemill/ledger.db", what="where the record is kept"),
    "record.objects": Known(default=".tidemill/objects", what="where bytes are kept"),
    "run.workers": Known(default=2, what="steps that run at the same time"),
    "run.timeout": Known(default="1h", what="longest time of one step"),
    "serving.host": Known(default="127.0.0.1", what="address that model servers listen on"),
    "serving.threads": Known(default=1, what="BLAS and OpenMP threads of a model server"),
    "serving.log": Known(default="fast", what="prediction log: fast, or durable (synced first)"),
    "serving.max_rows": Known(default=1024, what="most rows of one request"),
    "supervisor.triggers": Known(
        default="", what="how often `tidemill up` asks the triggers, like 1m; empty: never"
    ),
    "supervisor.collect": Known(
        default="", what="how often `tidemill up` seals days that are over, like 1h; empty: never"
    ),
    "drift.alarms_per_year": Known(
        default=1.0, what="false alarms a year that drift detection may raise, over everything"
    ),
}


TABLES: tuple[str, ...] = ("gates", "trigger")
"""Tables of tidemill.toml that a practice reads itself."""


def variable(name: str) -> str:
    """Return the environment variable of a setting.

    >>> variable("run.workers")
    'TIDEMILL_RUN_WORKERS'
    """
    return "TIDEMILL_" + name.upper().replace(".", "_")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of a project, resolved."""

    values: Mapping[str, Setting]

    def text(self, name: str) -> str:
        """Return a setting as text."""
        return str(self.values[name].value)

    def number(self, name: str) -> float:
        """Return a setting as a number."""
        return float(self.values[name].value)

    def whole(self, name: str) -> int:
        """Return a setting as a whole number."""
        return int(self.values[name].value)


def resolve_settings(
    file: Mapping[str, Any], environment: Mapping[str, str], *, file_name: str = "tidemill.toml"
) -> Settings:
    """Return the settings from a parsed file (nested tables) and the environment.

    Tables of the file that belong to a practice (`TABLES`) are left to it.

    Raises:
        InvalidInputError: a section or setting does not exist, or a setting has the wrong type.
    """
    given = _given(file, file_name)
    for name in given:
        if name not in KNOWN:
            raise InvalidInputError(
                f"{file_name} has a setting {name!r} that does not exist",
                fix=f"settings of this section: {', '.join(_of_section(name))}",
            )
    values: dict[str, Setting] = {}
    for name, known in KNOWN.items():
        if variable(name) in environment:
            value, origin = environment[variable(name)], f"environment variable {variable(name)}"
        elif name in given:
            value, origin = given[name], file_name  # type: ignore[assignment]
        else:
            value, origin = known.default, "default"  # type: ignore[assignment]
        values[name] = Setting(name=name, value=_typed(name, value, origin), origin=origin)
    return Settings(values=values)


def _given(file: Mapping[str, Any], file_name: str) -> dict[str, object]:
    sections = list(dict.fromkeys(name.partition(".")[0] for name in KNOWN))
    given: dict[str, object] = {}
    for section, table in file.items():
        if section in TABLES:
            continue
        if section not in sections:
            near = difflib.get_close_matches(section, [*sections, *TABLES], n=1)
            meant = f"did you mean [{near[0]}]? " if near else ""
            raise InvalidInputError(
                f"{file_name} has a section {section!r} that does not exist",
                fix=f"{meant}sections: {', '.join([*sections, *TABLES])}",
            )
        if not isinstance(table, dict):
            raise InvalidInputError(
                f"{section} in {file_name} is {table!r}, but it is a section of settings",
                fix=f"write [{section}] and its settings below it",
            )
        given |= {f"{section}.{key}": value for key, value in table.items()}
    return given


def _of_section(name: str) -> list[str]:
    section = name.partition(".")[0]
    return [known for known in KNOWN if known.startswith(section + ".")]


def _typed(name: str, value: object, origin: str) -> str | int | float | bool:
    wanted = type(KNOWN[name].default)
    try:
        return msgspec.convert(value, wanted, strict=False)
    except msgspec.ValidationError:
        raise InvalidInputError(
            f"{name} is {value!r} ({origin}), but it takes {wanted.__name__}",
            fix=f"give {name} a value like {KNOWN[name].default!r}",
        ) from None
