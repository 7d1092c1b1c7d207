"""Targets: what a pointer of any kind means: a version, an artifact, a run, a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.digest import SCHEMES
from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.pointer import BY_ID, parse_pointer
from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Version
from tidemill.core.run import Run
from tidemill.lineage.artifacts import find_artifact
from tidemill.lineage.located import Located, locate
from tidemill.lineage.refs import resolve
from tidemill.lineage.suggestions import with_kind
from tidemill.lineage.wording import ref_text, run_title, short_id

if TYPE_CHECKING:
    from tidemill.core.operation import Kind
    from tidemill.core.pointer import Pointer
    from tidemill.lineage.record import Record

SHORTEST = 6
"""Fewest hex digits of a shortened id."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What was pointed at. `kind` is the artifact's kind, `run`, or the kind that located it."""

    title: str
    kind: str
    version: Version | None = None
    artifact: Artifact | None = None
    run: Run | None = None
    located: Located | None = None


def find_target(record: Record, text: str) -> Target:
    """Return what a pointer names.

    Raises:
        InvalidInputError: it is no pointer, or more than one thing matches it.
        NotFoundError: nothing matches; names the closest.
    """
    pointer = _parsed(record, text)
    if pointer.kind == "run":
        run = find_run(record, pointer.name)
        return Target(title=run_title(run), kind="run", run=run)
    if pointer.kind in SCHEMES:
        artifact = _artifact_by_digits(record, pointer.kind, pointer.name)
        return Target(title=str(artifact), kind=artifact.kind, artifact=artifact)
    kind = record.kinds.get(pointer.kind)
    if kind is not None and kind.locate is not None:
        located = locate(record, kind, pointer)
        return Target(title=located.title, kind=pointer.kind, located=located)
    if pointer.kind in BY_ID:
        raise NotFoundError(
            f"nothing here can find a {pointer.kind}", fix="tidemill list shows what there is"
        )
    version = resolve(record, pointer)
    artifact = find_artifact(record, version.artifact)
    title = f"{ref_text(version.ref, record.project)}@{version.number}"
    return Target(title=title, kind=artifact.kind, version=version, artifact=artifact)


def _parsed(record: Record, text: str) -> Pointer:
    try:
        return parse_pointer(text, project=record.project)
    except InvalidInputError as error:
        near = with_kind(record, text)
        if not near:
            raise
        raise InvalidInputError(error.what, fix=f"did you mean {near}?") from None


def kinds_of(record: Record, target: Target) -> list[Kind]:
    """Return what is known of a target's kind: of its artifact first, then of its ref."""
    names = [target.kind, *([target.version.ref.kind] if target.version else [])]
    found = (record.kinds.get(name) for name in names)
    return [kind for kind in found if kind is not None]


def find_run(record: Record, digits: str) -> Run:
    """Return a run by its whole id or its last digits. Raises as `find_target`."""
    wanted = digits.lower()
    if len(wanted) < SHORTEST:
        raise InvalidInputError(
            f"run:{digits} is too short", fix=f"give at least the last {SHORTEST} digits of the id"
        )
    found = record.ports.ledger.find(
        Query(Run, where=(Where("id", "suffix", wanted),), order=(Order("id"),), limit=3)
    )
    if not found:
        raise NotFoundError(f"there is no run:{digits}", fix="tidemill list run")
    if len(found) > 1:
        names = ", ".join(run.id for run in found)
        raise InvalidInputError(f"run:{digits} could be {names}", fix="give more digits")
    return found[0]


def _artifact_by_digits(record: Record, scheme: str, digits: str) -> Artifact:
    if len(digits) < SHORTEST:
        raise InvalidInputError(
            f"{scheme}:{digits} is too short", fix=f"give at least {SHORTEST} digits"
        )
    where = (Where("id", "prefix", f"{scheme}:{digits.lower()}"),)
    found = record.ports.ledger.find(Query(Artifact, where=where, order=(Order("id"),), limit=3))
    if not found:
        raise NotFoundError(f"there is no artifact {scheme}:{digits}", fix="tidemill search TEXT")
    if len(found) > 1:
        names = ", ".join(short_id(artifact.id) for artifact in found)
        raise InvalidInputError(f"{scheme}:{digits} could be {names}", fix="give more digits")
    return found[0]
