"""Capture: code, environment and machine as artifacts, with all that a reproduction needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.digest import Digest, TreeEntry, digest_of
from tidemill.core.facts import ArtifactMade
from tidemill.lineage.artifacts import put_entries, put_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft
    from tidemill.ports.workspace import EnvironmentCapture


class Captured(msgspec.Struct, frozen=True, kw_only=True):
    """What a run ran on. `objects` are the bytes of the code's files."""

    code: Artifact
    environment: Artifact
    machine: Artifact
    objects: tuple[Digest, ...]

    def attach(self, run: RunDraft) -> None:
        """Say on a run what it ran on."""
        for name in ("code", "environment", "machine"):
            artifact: Artifact = getattr(self, name)
            run.add(ArtifactMade(artifact=artifact))
            run.used(artifact.id, name=name)
            run.needs(*([artifact.manifest] if artifact.manifest else []))
        run.needs(*self.objects)


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
    code, objects = _capture_code(record, session or {})
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
        objects=objects,
    )  # fmt: skip


def short_digest(lock: bytes) -> str:
    """Return a short digest of a lock file; empty: there is none."""
    return digest_of(lock)[:15] if lock else ""


def _capture_code(
    record: Record, session: Mapping[str, bytes]
) -> tuple[Artifact, tuple[Digest, ...]]:
    found = record.ports.workspace.code()
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
    summary: dict[str, Scalar] = {
        "files": len(entries),
        "commit": found.commit,
        "dirty": found.is_dirty,
    }
    return put_entries(record, "code", entries, summary=summary), digests


def _capture_machine(record: Record) -> Artifact:
    found = record.ports.workspace.machine()
    summary: dict[str, Scalar] = {"host": found.host, "cpu": found.cpu, "cores": found.cores}
    return put_value(record, "machine", found, summary=summary)
