"""Releasing: code, lock, parameters, contracts, views and triggers of a pipeline as one version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.facts import ArtifactMade
from tidemill.core.pointer import parse_pointer
from tidemill.core.ref import RefName, Version
from tidemill.core.text import folded
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.refs import resolve
from tidemill.lineage.writing import newest_version, opened
from tidemill.practices.delivery.release_difference import ReleaseDifference, release_difference
from tidemill.practices.delivery.release_parts import Parts, read_parts
from tidemill.practices.pipelines.release import AS_LOCKED, KIND, Release, read_release

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A release, or with `is_plan` what one would change against `version`.

    Not `is_new`: the newest release has all of it already, and nothing was added.
    """

    version: str
    """The release, or the one that was compared; "": there is none yet."""
    is_new: bool
    is_plan: bool
    release: Release
    difference: ReleaseDifference | None = None
    """From the release before, where there was one."""
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self._head(), *(folded(f"note: {note}") for note in self.notes)]
        if self.difference is not None and self.difference.has_changes:
            lines += ["", str(self.difference)]
        elif self.is_new or not self.version:
            lines += ["", str(self.release)]
        if self.is_new and not self.is_plan:
            lines += ["", f'next: tidemill promote {self.version} prod --because "..."']
        return "\n".join(lines)

    __repr__ = __str__

    def _head(self) -> str:
        if self.is_plan:
            if not self.version:
                return f"a release of {self.release.pipeline} would be the first"
            changes = "would change" if self.is_new else "would change nothing"
            return f"a release of {self.release.pipeline} {changes} against {self.version}"
        if self.is_new:
            return f"released {self.version}"
        return f"nothing to release: {self.version} has all of it already"


def make_release(
    record: Record, pipeline: str, *, because: str, at: datetime | None, plan: bool
) -> Released:
    """Store a release of a pipeline, or with `plan` only say what it would change."""
    wanted = parse_pointer(pipeline, project=record.project, kind=KIND)
    has_selector = wanted != msgspec.structs.replace(wanted, number=None, at=None, word=None)
    parts = read_parts(record, wanted.name)
    artifact = _artifact(record, parts)
    newest = newest_version(record, wanted.ref)
    before = newest if isinstance(newest, Version) else None
    if has_selector and plan:
        before = resolve(record, wanted)
    is_same = before is not None and before.artifact == artifact.id
    answer = Released(
        version=str(before or ""), is_new=not is_same, is_plan=plan, release=parts.release,
        difference=_difference(record, before, parts), notes=_notes(parts),
    )  # fmt: skip
    if plan or is_same:
        return answer
    version, is_new = _keep(record, wanted.ref, parts, artifact, because=because, at=at)
    return msgspec.structs.replace(answer, version=str(version), is_new=is_new)


def _artifact(record: Record, parts: Parts) -> Artifact:
    code = parts.artifacts[parts.release.code]
    summary: dict[str, Scalar] = {
        "files": code.summary.get("files"), "parameters": len(parts.release.parameters),
        "triggers": len(parts.release.triggers),
    }  # fmt: skip
    return put_value(record, KIND, parts.release, summary=summary)


def _keep(
    record: Record, ref: RefName, parts: Parts, artifact: Artifact, *, because: str,
    at: datetime | None,
) -> tuple[Version, bool]:  # fmt: skip
    captured = parts.captured
    with opened(
        record, kind="release", name=ref.name, at=at, because=because, code=captured.code.id,
        environment=captured.environment.id, params={AS_LOCKED: parts.is_as_locked},
    ) as run:  # fmt: skip
        captured.attach(run)
        for identity, one in parts.artifacts.items():
            if identity == captured.code.id:
                continue
            run.add(ArtifactMade(artifact=one))
            run.used(identity, name=one.kind)
            run.needs(*([one.manifest] if one.manifest else []))
        run.made(artifact, name=KIND)
        commit = {"commit": parts.commit} if parts.commit else {}
        pending = run.version(ref, artifact, summary={**artifact.summary, **commit})
    return pending.version, pending.is_new


def _difference(record: Record, before: Version | None, parts: Parts) -> ReleaseDifference | None:
    if before is None:
        return None
    old = read_release(record, before)
    return release_difference(record, old, parts.release, parts.artifacts)


def _notes(parts: Parts) -> tuple[str, ...]:
    notes = []
    if parts.release.lock_form == "requirements":
        packages = f"{parts.artifacts[parts.release.lock].summary['packages']} packages"
        notes.append(
            f"no uv.lock beside a pyproject.toml: the lock is what is installed, {packages}"
        )
    elif not parts.is_as_locked:
        notes.append(
            "what is installed here is not what uv.lock says; the release runs in an environment"
            " that is built from the lock (uv sync makes this one equal)"
        )
    return tuple(notes)
