"""Capture: code, environment and machine as artifacts, with all that a reproduction needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.digest import Digest, TreeEntry, digest_of
from tidemill.core.facts import ArtifactMade, Noted
from tidemill.lineage.artifacts import put_entries, put_value
from tidemill.practices.versioning.source_places import added_places

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft
    from tidemill.ports.workspace import CodeCapture, EnvironmentCapture

_TOLD = 8
"""Files and folders of data that are named at most."""


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """What a run ran on. `objects` are the bytes of the code's files."""

    code: Artifact
    environment: Artifact
    machine: Artifact
    objects: tuple[Digest, ...]
    left_out: str = ""
    """What of the project's folder is not captured, for people."""

    def attach(self, run: RunDraft) -> None:
        """Say on a run what it ran on."""
        for name in ("code", "environment", "machine"):
            artifact: Artifact = getattr(self, name)
            run.add(ArtifactMade(artifact=artifact))
            run.used(artifact.id, name=name)
            run.needs(*([artifact.manifest] if artifact.manifest else []))
        run.needs(*self.objects)
        if self.left_out:
            record = run.record
            run.add(
                Noted(
                    subject=run.id, key="left out", text=self.left_out, actor=record.actor,
                    at=record.now(),
                )
            )  # fmt: skip


def capture(
    record: Record,
    environment: EnvironmentCapture | None = None,
    *,
    session: Mapping[str, bytes] | None = None,
) -> Captured:
    """Store code, environment and machine where they are not stored yet, and return them.

    `session` is source that lies in no file of the project: cells, a script from elsewhere.

    Raises:
        InvalidInputError: the code holds a file that is too big or looks like a secret.
    """
    files, left_out = project_files(record)
    code, objects = _capture_code(record, files, session or {})
    found = environment or record.ports.workspace.environment()
    lock = short_digest(found.lock)
    return Captured(
        code=code,
        environment=put_value(
            record, "environment", found,
            summary={
                "python": found.python, "platform": found.platform,
                "distributions": len(found.distributions), "lock": lock,
            },
        ),
        machine=_capture_machine(record),
        objects=objects, left_out=left_out,
    )  # fmt: skip


def project_files(record: Record) -> tuple[CodeCapture, str]:
    """Return the project's files without those that were added as data, and what was left out.

    Raises as `capture`.
    """
    places = added_places(record)
    found = record.ports.workspace.code(places)
    return found, _left_out(found.skipped, places)


def _left_out(skipped: Sequence[str], places: Sequence[str]) -> str:
    """Return what is not captured on one line, the files of a folder of data as one."""
    counts: dict[str, int] = {}
    for name in skipped:
        folder = next((place for place in places if name.startswith(f"{place}/")), "")
        counts[f"{folder}/" if folder else name] = counts.get(f"{folder}/", 0) + 1
    told = [
        f"{name} ({count:,} files)" if name.endswith("/") else name
        for name, count in sorted(counts.items())
    ]
    more = f" and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
    return f"not captured as code: {', '.join(told[:_TOLD])}{more}" if told else ""


def short_digest(lock: bytes) -> str:
    """Return a short digest of a lock file; empty: there is none."""
    return digest_of(lock)[:15] if lock else ""


def _capture_code(
    record: Record, found: CodeCapture, session: Mapping[str, bytes]
) -> tuple[Artifact, tuple[Digest, ...]]:
    known = {entry.path for entry, _ in found.files}
    beside = {path: source for path, source in session.items() if path not in known}
    stored_beside = record.ports.objects.put_many([source] for source in beside.values())
    digests = tuple(dict.fromkeys([*(entry.digest for entry, _ in found.files), *stored_beside]))
    stored = record.ports.objects.has(digests)
    missing = {entry.digest: path for entry, path in found.files if entry.digest not in stored}
    if missing:
        record.ports.objects.put_many([path.read_bytes()] for path in missing.values())
    entries = [entry for entry, _ in found.files]
    entries += [
        TreeEntry(path=path, digest=digest, size_bytes=len(source))
        for (path, source), digest in zip(beside.items(), stored_beside, strict=True)
    ]
    summary: dict[str, Scalar] = {"files": len(entries)}
    if found.git_tree:  # else no Git knows the folder, and nothing can differ from its commit
        summary |= {"commit": found.commit, "dirty": found.is_dirty}
    return put_entries(record, "code", entries, summary=summary), digests


def _capture_machine(record: Record) -> Artifact:
    found = record.ports.workspace.machine()
    summary: dict[str, Scalar] = {"host": found.host, "cpu": found.cpu, "cores": found.cores}
    return put_value(record, "machine", found, summary=summary)
