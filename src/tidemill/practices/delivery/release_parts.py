"""What goes into a release: read from the project as it lies there, nothing written yet."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.digest import ArtifactId
from tidemill.core.errors import InvalidInputError, NotFoundError, TidemillError
from tidemill.lineage.artifacts import put_bytes
from tidemill.lineage.suggestions import closest
from tidemill.practices.delivery.locked_packages import locked_packages
from tidemill.practices.features.view import View
from tidemill.practices.features.view_definitions import put_view
from tidemill.practices.infrastructure.project import declared, project_root
from tidemill.practices.pipelines.capture import Captured, capture, project_files
from tidemill.practices.pipelines.declare import Pipeline
from tidemill.practices.pipelines.release import Release, pipeline_name
from tidemill.practices.validation.contract_versions import contract_artifact
from tidemill.practices.validation.declared_contracts import declared_specs

if TYPE_CHECKING:
    from tidemill.lineage.record import Record
    from tidemill.ports.workspace import CodeCapture, EnvironmentCapture

FILE = "tidemill.toml"
_NEVER_NEEDED = frozenset({"pip", "setuptools", "wheel", "uv"})
_OF_THE_PLACE = ("record.", "supervisor.", "project.name", "project.owner")
"""What of the project's file says where it runs, and not what."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """A release that could be made, with the artifacts that it names."""

    release: Release
    captured: Captured
    commit: str
    artifacts: Mapping[ArtifactId, Artifact]
    is_as_locked: bool
    """Whether what is installed is what the lock says, no more and no less."""


def read_parts(record: Record, name: str) -> Parts:
    """Return what a release of a pipeline would hold now.

    Raises:
        NotFoundError: the project declares no such pipeline.
        InvalidInputError: a file is too big or looks like a secret, or a declaration is wrong.
    """
    pipeline = _declared(record, name)
    tables = _tables(record)
    environment = record.ports.workspace.environment()
    captured = capture(record, environment)
    code, _ = project_files(record)
    lock, form = _lock(record, environment, code)
    contracts = {
        key: contract_artifact(record, spec) for key, spec in declared_specs(record).items()
    }
    views = {key: put_view(record, view) for key, view in declared(record, View).items()}
    release = Release(
        pipeline=name, code=captured.code.id, lock=lock.id, lock_form=form,  # type: ignore[arg-type]
        python=environment.python, parameters=pipeline.parameters,
        contracts={key: one.id for key, one in sorted(contracts.items())},
        views={key: one.id for key, one in sorted(views.items())},
        triggers=triggers_of(record, tables, name), settings=_settings(tables),
    )  # fmt: skip
    named = [captured.code, lock, *contracts.values(), *views.values()]
    return Parts(
        release=release, captured=captured, artifacts={one.id: one for one in named},
        commit=code.commit + ("+" if code.commit and code.is_dirty else ""),
        is_as_locked=form == "requirements" or _is_as_locked(environment),
    )  # fmt: skip


def triggers_of(
    record: Record, tables: Mapping[str, Any], name: str
) -> dict[str, Mapping[str, Any]]:
    """Return the rules of a project's file that run a pipeline, from its folder or released."""
    rules = tables.get("trigger", [])
    found = {}
    for rule in rules if isinstance(rules, list) else []:
        told = rule.get("pipeline") if isinstance(rule, dict) else None
        try:
            is_ours = isinstance(told, str) and pipeline_name(record, told) == name
        except TidemillError:  # the triggers' own check says what is wrong with it
            continue
        if is_ours:
            found[str(rule.get("name", ""))] = msgspec.to_builtins(rule)
    return dict(sorted(found.items()))


def _declared(record: Record, name: str) -> Pipeline[..., Any]:
    known: dict[str, Pipeline[..., Any]] = declared(record, Pipeline)
    if name not in known:
        near = closest(name, list(known))
        raise NotFoundError(
            f"the project declares no pipeline {name!r}",
            fix=f"did you mean {near}?" if near else f"it declares {', '.join(known) or 'none'}",
        )
    return known[name]


def _tables(record: Record) -> Mapping[str, Any]:
    path = project_root(record) / FILE
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{FILE} cannot be read: {error}", fix=f"repair {FILE}") from None


def _settings(tables: Mapping[str, Any]) -> dict[str, Any]:
    flat = {
        f"{section}.{key}": msgspec.to_builtins(value)
        for section, table in tables.items()
        if isinstance(table, dict)
        for key, value in table.items()
        if not f"{section}.{key}".startswith(_OF_THE_PLACE)
    }
    return dict(sorted(flat.items()))


def _lock(
    record: Record, environment: EnvironmentCapture, code: CodeCapture
) -> tuple[Artifact, str]:
    """Return `uv.lock` where the project has one with its pyproject, else what is installed."""
    files = {entry.path: path for entry, path in code.files}
    if {"uv.lock", "pyproject.toml"} <= files.keys():
        data = files["uv.lock"].read_bytes()
        packages = locked_packages("uv", data)
        return put_bytes(record, "lock", data, summary={"packages": len(packages)}), "uv"
    data = environment.requirements.encode()
    summary = {"packages": len(locked_packages("requirements", data))}
    return put_bytes(record, "lock", data, summary=summary), "requirements"


def _is_as_locked(environment: EnvironmentCapture) -> bool:
    locked = locked_packages("uv", environment.lock)
    return all(
        locked.get(name) == version
        for name, version, _ in environment.distributions
        if name not in _NEVER_NEEDED
    )
