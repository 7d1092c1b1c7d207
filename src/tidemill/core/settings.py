"""Settings: every one has a name, a default and a meaning; precedence is written here, once.

Command-line option > environment variable `TIDEMILL_SECTION_NAME` > `tidemill.toml` > default.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.place import refuse_secret
from tidemill.core.setting_values import Takes, Value


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """The value of one setting and where it came from."""

    name: str
    value: Value
    origin: str


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that exists: its default, what it may be (unit, range or set), what it does."""

    default: Value
    takes: Takes = Takes()
    what: str


_DAY_S, _YEAR_S = 86_400, 365 * 86_400
_OFTEN = Takes(form="span", least=1, most=_DAY_S, words=("off", ""))

KNOWN: Mapping[str, Known] = {
    "project.name": Known(
        default="", takes=Takes(form="name", words=("",)),
        what="name of the project; empty: its folder's name",
    ),
    "project.owner": Known(
        default="", takes=Takes(form="owner", words=("",)),
        what="owner of new refs: a person or a team; empty: who acts",
    ),
    "project.code": Known(
        default=".", takes=Takes(form="path"), what="folder of the project's own Python modules"
    ),
    "project.modules": Known(
        default="", takes=Takes(form="modules", words=("",)),
        what="the project's modules; empty: those that import tidemill",
    ),
    "project.allow": Known(
        default="", what="code files that may be large or look like a secret: patterns, by commas"
    ),
    "record.ledger": Known(
        default=".tidemill/ledger.db",
        takes=Takes(form="place", urls=("postgresql://USER@HOST/DATABASE",)),
        what="where the record is kept",
    ),
    "record.objects": Known(
        default=".tidemill/objects", takes=Takes(form="place"), what="where bytes are kept"
    ),
    "audit.keys": Known(
        default="", takes=Takes(form="path", words=("",)),
        what="folder of the private keys that sign checkpoints, outside the record; empty:"
        " tidemill/keys in the user's own settings (~/.config)",
    ),
    "run.workers": Known(
        default=2, takes=Takes(form="whole", unit="steps", least=1, most=1024),
        what="steps that run at the same time",
    ),
    "run.timeout": Known(
        default="1h", takes=Takes(form="span", least=1, most=_YEAR_S),
        what="longest time of one step",
    ),
    "serving.host": Known(
        default="127.0.0.1", takes=Takes(form="address"),
        what="address that model servers listen on; only loopback is accepted,"
        " since there is no authentication yet",
    ),
    "serving.threads": Known(
        default=1, takes=Takes(form="whole", unit="threads", least=1, most=1024),
        what="BLAS and OpenMP threads of a model server",
    ),
    "serving.log": Known(
        default="fast", takes=Takes(form="choice", choices=("fast", "durable")),
        what="prediction log: fast survives the death of the process, durable that of the machine",
    ),
    "serving.max_rows": Known(
        default=1024, takes=Takes(form="whole", unit="rows", least=1, most=1_000_000),
        what="most rows of one request",
    ),
    "serving.log_array_bytes": Known(
        default=4096, takes=Takes(form="whole", unit="bytes", least=0, most=1 << 24),
        what="an array, bytes or nested value of a row above this is logged by its digest only",
    ),
    "supervisor.triggers": Known(
        default="1m", takes=_OFTEN,
        what="how often the supervisor asks the triggers, where there are any; off: never",
    ),
    "supervisor.collect": Known(
        default="5m", takes=_OFTEN,
        what="how often the supervisor seals days that are over, where there is a deployment;"
        " off: never",
    ),
    "drift.alarms_per_year": Known(
        default=1.0, takes=Takes(form="number", unit="alarms a year", least=0.001, most=365),
        what="false alarms that drift detection may raise, over everything watched of a model,"
        " half for data, half for performance",
    ),
}  # fmt: skip
"""Every setting there is. `docs/configuration.md` is tested against this table."""

VARIABLES: Mapping[str, str] = {
    "TIDEMILL_ACTOR": "who acts, a name or `trigger:NAME`; default: Git's user, else the machine's",
}
"""Environment variables of ours that are no setting; also what we set for processes we start."""

_PREFIX = "TIDEMILL_"
_OF_KUBERNETES = re.compile(r"TIDEMILL_(?:SERVICE_(?:HOST|PORT)\w*|PORT(?:_\d+_(?:TCP|UDP)\w*)?)")
"""What Kubernetes sets in every container beside a service that is called `tidemill`."""


TABLES: tuple[str, ...] = ("gates", "trigger")
"""Tables of tidemill.toml that a practice reads itself."""


def variable(name: str) -> str:
    """Return the environment variable of a setting.

    >>> variable("run.workers")
    'TIDEMILL_RUN_WORKERS'
    """
    return _PREFIX + name.upper().replace(".", "_")


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


def line_of(text: str, section: str, key: str) -> int:
    r"""Return the line, from 1, on which a TOML text gives a key of a section; 0: not found.

    >>> line_of("[run]\nworkers = 2", "run", "workers")
    2
    """
    inside = ""
    word = re.escape(key)
    plain = re.compile(rf"\s*[\"']?{word}[\"']?\s*=")
    dotted = re.compile(rf"\s*{re.escape(section)}\s*\.\s*{word}\s*=")
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([^\]\s]+)\s*\]", line):
            inside = header[1]
        elif (plain if inside == section else dotted).match(line):
            return number
    return 0


def place_of(text: str, section: str, key: str, *, file_name: str = "tidemill.toml") -> str:
    """Return where a file gives a key: `tidemill.toml:7`, without a line where that is unknown."""
    line = line_of(text, section, key)
    return f"{file_name}:{line}" if line else file_name


def resolve_settings(
    file: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    text: str = "",
    file_name: str = "tidemill.toml",
) -> Settings:
    """Return the settings from a parsed file (nested tables) and the environment.

    Tables of the file that belong to a practice (`TABLES`) are left to it. `text` is the file
    before it was parsed, so that errors can tell the line.

    Raises:
        InvalidInputError: a section, a setting or a variable of ours does not exist, or a setting
            is something that it does not take.
    """
    given = _given(file, file_name)
    _refuse_unknown_variables(environment)
    places = {name: place_of(text, *name.split(".", 1), file_name=file_name) for name in given}
    for name in given:
        if name not in KNOWN:
            raise InvalidInputError(
                f"{places[name]} has a setting {name!r} that does not exist",
                fix=_meant(name, list(KNOWN), _of_section(name), "settings of this section"),
            )
    return Settings(
        values={name: _setting(name, given, environment, places) for name in KNOWN},
    )


def _setting(
    name: str,
    given: Mapping[str, object],
    environment: Mapping[str, str],
    places: Mapping[str, str],
) -> Setting:
    value, origin = KNOWN[name].default, "default"
    if name in given:  # read also where a variable hides it: a wrong one waits for nobody
        origin = places[name]
        value = _read(name, given[name], origin)
    if variable(name) in environment:
        origin = f"environment variable {variable(name)}"
        value = _read(name, environment[variable(name)], origin, is_text=True)
    return Setting(name=name, value=value, origin=origin)


def _read(name: str, given: object, origin: str, *, is_text: bool = False) -> Value:
    known = KNOWN[name]
    if known.takes.form == "place" and isinstance(given, str):
        refuse_secret(given, name, origin)
    try:
        return known.takes.read(given, is_text=is_text)
    except (ValueError, TypeError):
        example = msgspec.json.encode(known.default).decode()
        line = f"{variable(name)}={known.default}" if is_text else f"{name} = {example}"
        raise InvalidInputError(
            f"{name} is {given!r} ({origin}), but it takes {known.takes}",
            fix=f"give it a value like its default: {line}",
        ) from None


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = [*map(variable, KNOWN), *VARIABLES]
    for name in sorted(environment):
        if not name.startswith(_PREFIX) or name in known or _OF_KUBERNETES.fullmatch(name):
            continue
        section, _, key = name.removeprefix(_PREFIX).lower().partition("_")
        if section in TABLES:
            raise InvalidInputError(
                f"{name} is set, but [{section}] of tidemill.toml has no environment variables",
                fix=f"set {key or 'it'} under [{section}] in tidemill.toml, and unset {name}",
            )
        near = [one for one in known if one.startswith(name.rpartition("_")[0] + "_")]
        raise InvalidInputError(
            f"the environment variable {name} is none that tidemill knows",
            fix=f"{_meant(name, known, near or known, 'variables')}; or unset {name}",
        )


def _meant(wanted: str, names: list[str], listed: list[str], what: str) -> str:
    """Return what was probably meant, else all that it could have been."""
    near = difflib.get_close_matches(wanted, names, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"{meant}{what}: {', '.join(listed)}"


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
