"""Rules: the triggers of `tidemill.toml`, checked when they are read, before anything fires."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from tidemill.core.errors import InvalidInputError, NotFoundError, UsageError
from tidemill.core.pointer import is_alias, parse_pointer
from tidemill.lineage.suggestions import closest
from tidemill.practices.infrastructure.project import declared
from tidemill.practices.integration.project_file import FILE, file_table
from tidemill.practices.pipelines.declare import Pipeline
from tidemill.practices.pipelines.parameters import arguments_of
from tidemill.practices.pipelines.release import (
    Release,
    pipeline_name,
    read_release,
    release_of,
)
from tidemill.practices.training.calendar import ANCHOR, PLACEHOLDERS, filled, latest_window
from tidemill.practices.training.trigger import Trigger, TriggerKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.lineage.record import Record

_PLACEHOLDER = re.compile(r"\{\s*[A-Za-z_][\w.\s-]*\}")
_SPANS = 'every = "month", time = "06:00", window = "month", cooldown = "7d", retry = "1h"'


def project_triggers(record: Record) -> tuple[Trigger, ...]:
    """Return the triggers of the project, in the order of the file.

    Raises:
        InvalidInputError: a rule has an unknown key, a wrong value, an unknown placeholder, the
            name of another, a pipeline that is not declared, or a parameter that it does not take.
    """
    found = [_as_released(record, trigger) for trigger in file_rules(record)]
    own = [trigger for trigger, release in found if release is None]
    pipelines: Mapping[str, Pipeline[..., Any]] = declared(record, Pipeline) if own else {}
    for trigger in own:
        _check_pipeline(trigger, pipelines)
    for trigger, release in found:
        if release is not None:
            taken = [one.name for one in release.parameters]
            _check_names(trigger, pipeline_name(record, trigger.pipeline), taken)
    return tuple(trigger for trigger, _ in found)


def _as_released(record: Record, trigger: Trigger) -> tuple[Trigger, Release | None]:
    """Return a trigger's rule; of one that runs a release, the rule that was released with it.

    So that an edit of the file changes nothing that runs until it is released too. A rule that the
    release does not have, or not for this pointer, counts as the file has it.
    """
    try:
        version = release_of(record, trigger.pipeline)
    except NotFoundError as error:
        raise InvalidInputError(
            f"the trigger {trigger.name!r} runs {trigger.pipeline}: {error.what}", fix=error.fix
        ) from None
    if version is None:
        return trigger, None
    release = read_release(record, version)
    kept = release.triggers.get(trigger.name)
    if kept is not None and kept.get("pipeline") == trigger.pipeline:
        trigger = msgspec.convert(kept, Trigger)
    return trigger, release


def file_rules(record: Record) -> tuple[Trigger, ...]:
    """Return the triggers as the file has them, without a look at the project's code.

    Raises:
        InvalidInputError: as `project_triggers`, but for what the pipelines say.
    """
    tables = file_table(record, "trigger", object, default=[])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidInputError(
            f"trigger in {FILE} is no list of rules", fix="write [[trigger]] above each rule"
        )
    found = tuple(_read(table, place) for place, table in enumerate(tables, 1))
    names = [trigger.name for trigger in found]
    for trigger in found:
        if names.count(trigger.name) > 1:
            raise InvalidInputError(
                f"{FILE} has two triggers called {trigger.name!r}", fix="rename one of them"
            )
        _check(trigger)
    return found


def find_trigger(record: Record, name: str) -> Trigger:
    """Return a trigger by its name.

    Raises:
        NotFoundError: there is none of this name; names the closest.
    """
    known = {trigger.name: trigger for trigger in project_triggers(record)}
    if name not in known:
        near = closest(name, list(known))
        listed = ", ".join(known) or f"none: add a [[trigger]] to {FILE}"
        raise NotFoundError(
            f"there is no trigger {name!r}",
            fix=f"did you mean {near}?" if near else f"there are {listed}",
        )
    return known[name]


def _read(table: Mapping[str, object], place: int) -> Trigger:
    name = table.get("name")
    told = f"the trigger {name!r}" if isinstance(name, str) else f"the {place}. [[trigger]]"
    for key in table:
        if key not in Trigger.__struct_fields__:
            raise InvalidInputError(
                f"{told} in {FILE} has a key {key!r} that does not exist",
                fix=_meant(key, Trigger.__struct_fields__, "keys"),
            )
    try:
        return msgspec.convert(table, Trigger)
    except msgspec.ValidationError as error:
        what = str(error).replace("Object missing", "it lacks the").replace("`$.", "`")
        raise InvalidInputError(f"{told} in {FILE}: {what}", fix=_of_values(table)) from None


_NAMED = (("ref", "data"), ("model", "model"), ("deployment", "deployment"))
_VALUES = {"kind": get_args(TriggerKind), "on": ("worse", "any")}


def _of_values(table: Mapping[str, object]) -> str:
    """Return the fix for a value that its key does not take: those that it does, if few."""
    for key, known in _VALUES.items():
        given = table.get(key)
        if isinstance(given, str) and given not in known:
            near = closest(given, known)
            meant = f"did you mean {near}? " if near else ""
            return f"{meant}{key} is one of {', '.join(known)}"
    return f"correct this [[trigger]] in {FILE}"


def _check(trigger: Trigger) -> None:
    needed = {"schedule": "every", "data": "ref"}.get(trigger.kind)
    if needed and not getattr(trigger, needed):
        raise InvalidInputError(
            f"the trigger {trigger.name!r} is a {trigger.kind} trigger without {needed!r}",
            fix='every = "month"' if needed == "every" else 'ref = "NAME" of the data',
        )
    if not trigger.name.replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise InvalidInputError(
            f"{trigger.name!r} cannot be a trigger's name", fix="use letters, digits, - and _"
        )
    try:
        latest_window(trigger.window, ANCHOR + trigger.rest)
        trigger.pause_after(1)
        if trigger.kind == "schedule":
            trigger.planned(ANCHOR)
    except (InvalidInputError, ValueError) as error:
        raise InvalidInputError(
            f"the trigger {trigger.name!r} has a bad time: {str(error).partition(chr(10))[0]}",
            fix=_span_fix(trigger),
        ) from None
    _check_placeholders(trigger)
    _check_names_of_refs(trigger)


def _check_names_of_refs(trigger: Trigger) -> None:
    """Raise where a rule's names could never be those of an alias, data, a model, a deployment."""
    told = f"the trigger {trigger.name!r}"
    if trigger.promote and not is_alias(trigger.promote):
        raise InvalidInputError(
            f"{told} promotes to {trigger.promote!r}, which cannot be an alias",
            fix='promote = "champion"; "" never promotes',
        )
    for key, kind in (*_NAMED, ("compare", "data")):
        given = getattr(trigger, key)
        try:
            pointer = parse_pointer(given, project="-", kind=kind) if given else None
        except InvalidInputError as error:
            raise InvalidInputError(f"{told}: {key}: {error.what}", fix=error.fix) from None
        if key == "compare" and "@" in given:
            raise InvalidInputError(
                f"{told}: compare is {given!r}, but it is always the newest version",
                fix=f'compare = "{given.partition("@")[0]}"',
            )
        if "@" in given or (pointer is not None and kind != "data" and ":" in given):
            raise InvalidInputError(
                f"{told}: {key} is {given!r}, but it is a name without kind and version",
                fix=f'{key} = "{given.partition("@")[0].rpartition(":")[2]}"',
            )


def _span_fix(trigger: Trigger) -> str:
    if trigger.kind == "schedule" and trigger.every not in _EVERY:
        near = closest(trigger.every, _EVERY)
        meant = f"did you mean {near}? " if near else ""
        return f"{meant}every is day, week, month or a span: 14d, 6h"
    return _SPANS


_EVERY = ("day", "week", "month")


def _check_placeholders(trigger: Trigger) -> None:
    for name, value in trigger.params.items():
        for word in _PLACEHOLDER.findall(value) if isinstance(value, str) else ():
            if word not in PLACEHOLDERS:
                raise InvalidInputError(
                    f"{name} of the trigger {trigger.name!r} has a placeholder {word} that does "
                    "not exist",
                    fix=_meant(word, PLACEHOLDERS, "placeholders"),
                )


def _check_pipeline(trigger: Trigger, known: Mapping[str, Pipeline[..., Any]]) -> None:
    pipeline = known.get(trigger.pipeline)
    if pipeline is None:
        raise InvalidInputError(
            f"the trigger {trigger.name!r} runs a pipeline {trigger.pipeline!r} that the project "
            "does not declare",
            fix=_meant(trigger.pipeline, sorted(known), "pipelines")
            if known
            else "decorate a function with @tm.pipeline in a module of the project",
        )
    _check_names(trigger, pipeline.name, list(pipeline.signature.parameters))
    window = latest_window(trigger.window, ANCHOR)
    texts = {name: str(value) for name, value in filled(trigger.params, window, ANCHOR).items()}
    try:
        arguments_of(pipeline, texts)
    except UsageError as error:
        raise InvalidInputError(
            f"the trigger {trigger.name!r}: {error.what}",
            fix=f"correct params = {{ ... }} of this [[trigger]] in {FILE}",
        ) from None


def _check_names(trigger: Trigger, pipeline: str, taken: Sequence[str]) -> None:
    for name in trigger.params:
        if name.replace("-", "_") not in taken:
            raise InvalidInputError(
                f"the trigger {trigger.name!r} gives {name!r}, but pipeline {pipeline} has no "
                "such parameter",
                fix=_meant(name, taken, "parameters"),
            )


def _meant(given: str, known: Sequence[str], what: str) -> str:
    near = closest(given, known)
    listed = f"{what}: {', '.join(known) or 'none'}"
    return f"did you mean {near}? {listed}" if near else listed
