"""The registry: models as artifacts, as versions of `model:NAME`, and loaded again."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.core.artifact import Artifact
from tidemill.core.canonical import canonical_json
from tidemill.core.digest import ArtifactId, Digest, TreeEntry, digest_of, tree_id
from tidemill.core.errors import CorruptError
from tidemill.core.ref import RefName
from tidemill.lineage.artifacts import find_artifact, tree_entries
from tidemill.lineage.attested_facts import require_versions
from tidemill.lineage.refs import resolve
from tidemill.practices.versioning.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import PendingVersion, RunDraft
    from tidemill.ports.object_store import ObjectStore

KIND = "model"
FOREIGN_CODE = "from outside"
"""What a model's summary says of code that no run of this record captured."""


def store_model(objects: ObjectStore, model: Model) -> tuple[Artifact, tuple[Digest, ...]]:
    """Store a model's files; returns the artifact to record and the objects that it needs."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder))
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        names = [path.relative_to(folder).as_posix() for path in paths]
        contents = [path.read_bytes() for path in paths]
    digests = objects.put_many([[content] for content in contents])
    entries = [
        TreeEntry(path=name, digest=digest, size_bytes=len(content))
        for name, digest, content in zip(names, digests, contents, strict=True)
    ]
    (manifest,) = objects.put_many([[canonical_json(entries)]])
    summary: Mapping[str, Scalar] = {
        "format": model.format, "task": model.task.kind, "inputs": len(model.signature.inputs),
    }  # fmt: skip
    artifact = Artifact(
        id=tree_id(entries), kind=KIND, size_bytes=sum(map(len, contents)), manifest=manifest,
        summary=summary,
    )  # fmt: skip
    return artifact, (manifest, *digests)


def register_model(  # noqa: PLR0913 - a model, and what was said of it
    record: Record,
    name: str,
    artifact: Artifact,
    *,
    run: RunDraft,
    report: ArtifactId | None = None,
    sample: ArtifactId | None = None,
    summary: Mapping[str, Scalar] | None = None,
    objects: Sequence[Digest] = (),
) -> PendingVersion:
    """Give `model:NAME` its next version, always a new number; true when the run is sealed.

    `report` and `sample` are artifacts that the run used or made; the version's summary names them.
    """
    run.made(artifact, name="model", objects=tuple(objects))
    ref = RefName(kind=KIND, project=record.project, name=name)
    beside = {"report": report, "sample": sample}
    told: dict[str, Scalar] = {**artifact.summary, **(summary or {})}
    told |= {role: identity for role, identity in beside.items() if identity}
    return run.version(ref, artifact, summary=told, always=True)


def load_model(record: Record, model: str | Artifact) -> Model:
    """Return a model of the registry, its files verified.

    A model that a run of this record made may run the code that this run captured; code that was
    added from outside runs in a process of its own.

    Raises:
        NotFoundError: no such model or version.
        CorruptError: its files are damaged, or its version is not what the journal says of it.
    """
    artifact = _artifact(record, model)
    folder = model_folder(record, artifact)
    if artifact.summary.get("code") == FOREIGN_CODE:
        from tidemill.practices.versioning.loading import load_apart  # noqa: PLC0415 - few need it

        return load_apart(folder)
    return Model.load(folder, allow_code=True)


def model_folder(record: Record, model: str | Artifact) -> Path:
    """Return a read-only folder with a model's files, verified; written once, then kept."""
    artifact = _artifact(record, model)
    cache = record.ports.workspace.root / ".tidemill" / "cache" / "models"
    folder = cache / artifact.id.partition(":")[2]
    entries = tree_entries(record, artifact)
    if folder.exists() and _is_whole(folder, entries):
        return folder
    if not _is_made(cache):
        cache = _own_cache()
        folder = cache / folder.name
    fresh = Path(tempfile.mkdtemp(dir=cache, prefix=".new-"))
    for entry in entries:
        target = fresh / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(record.ports.objects.path(entry.digest), target)
        target.chmod(0o444)
    _put_in_place(fresh, folder)
    if not _is_whole(folder, entries):
        raise CorruptError(
            f"the files of {artifact} are not what their digests say", fix=f"remove {folder.name}"
        )
    return folder


def _artifact(record: Record, model: str | Artifact) -> Artifact:
    if isinstance(model, Artifact):
        return model
    version = resolve(record, model, kind=KIND)
    require_versions(record, version)
    return find_artifact(record, version.artifact)


def _is_made(cache: Path) -> bool:
    """Make the project's cache; False: this user may only read the project."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(cache, os.W_OK | os.X_OK)


@lru_cache(maxsize=1)
def _own_cache() -> Path:
    """Return a folder of this process alone, gone when it ends."""
    folder = tempfile.mkdtemp(prefix="tidemill-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _put_in_place(fresh: Path, folder: Path) -> None:
    """Move a folder in; where another process was faster, its equal folder stays."""
    fresh.chmod(0o755)
    if folder.exists():
        damaged = folder.with_name(f".old-{fresh.name}")
        folder.rename(damaged)
        shutil.rmtree(damaged)
    try:
        os.rename(fresh, folder)  # noqa: PTH104 - Path.rename says the same less clearly
    except OSError:
        shutil.rmtree(fresh)


def _is_whole(folder: Path, entries: list[TreeEntry]) -> bool:
    """Whether a folder holds exactly the bytes of the entries."""
    for entry in entries:
        path = folder / entry.path
        if not path.is_file() or digest_of(path.read_bytes()) != entry.digest:
            return False
    return True
