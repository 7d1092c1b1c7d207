"""Versions of `data:NAME` that are files: a folder whose bytes are stored, or external data."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import msgspec

from tidemill.core.artifact import Artifact
from tidemill.core.errors import InvalidInputError
from tidemill.core.facts import RefAt
from tidemill.core.query import Query, Where
from tidemill.core.ref import Version
from tidemill.lineage.artifacts import find_artifact, put_value, read_value, tree_entries
from tidemill.lineage.leases import sole
from tidemill.lineage.naming import Names
from tidemill.lineage.refs import ref_name
from tidemill.lineage.writing import newest_version, opened
from tidemill.practices.versioning.data import KIND, WAIT_S
from tidemill.practices.versioning.external import KIND as EXTERNAL
from tidemill.practices.versioning.external import NOT_HELD, ExternalData, looked_at
from tidemill.practices.versioning.folders import (
    FolderDiff,
    StoredFolder,
    folder_diff,
    store_folder,
)
from tidemill.practices.versioning.source_places import place_params

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from tidemill.core.digest import TreeEntry
    from tidemill.core.ref import RefName
    from tidemill.core.run import Scalar
    from tidemill.lineage.leases import HeldLease
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft


class FolderJudge(Protocol):
    """Looks at the files of a folder before they become a version; validation brings it."""

    def finish(self, run: RunDraft, stored: StoredFolder) -> None:
        """Add to the run what was found; raise `CheckFailedError` to refuse the folder."""
        ...


class FilesAdded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of files: the version, whether it is new, what differs from the one before."""

    version: Version
    is_new: bool
    files: int
    size_bytes: int
    change: FolderDiff
    left_out: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class FilesWish:
    """Files that are to be added, and how."""

    name: str
    append: bool = False
    because: str = ""
    at: datetime | None = None


def shape_of(artifact: Artifact) -> str:
    """Return what data an artifact is: `table`, `folder` or `external`."""
    if artifact.id.startswith("td1:"):
        return "table"
    return "folder" if artifact.id.startswith("tree1:") else EXTERNAL


def newest_shape(record: Record, name: str) -> str:
    """Return what the newest version of data is, "" where there is none."""
    newest = newest_version(record, ref_name(record, KIND, name))
    if not isinstance(newest, Version):
        return ""
    return shape_of(find_artifact(record, newest.artifact))


def add_folder(
    record: Record, wish: FilesWish, folder: Path, judge: FolderJudge | None = None
) -> FilesAdded:
    """Store the files of a folder as the next version of `data:NAME`.

    The same files as in the newest version add nothing. With `append` they are added to those of
    the newest version; one of the same path takes the place of the old.

    Raises:
        InvalidInputError: something in it can be no data, or changes while it is read.
        CheckFailedError: the judge refused it; nothing was added.
    """
    ref = ref_name(record, KIND, wish.name)
    with sole(record, f"ingest:{ref}", wait_s=WAIT_S) as held:
        before = newest_version(record, ref)
        old = _entries(record, before)
        base = old if wish.append else []
        stored = store_folder(
            record.ports.objects, folder, base=base, tell=_teller(record, folder.name, held)
        )
        with _opened(record, wish, folder.name, folder) as run:
            _follow(run, ref, before, is_base=wish.append)
            if judge is not None:
                judge.finish(run, stored)
            run.made(stored.artifact, name="data", objects=stored.objects)
            pending = run.version(ref, stored.artifact)
    return FilesAdded(
        version=pending.version, is_new=pending.is_new, files=len(stored.entries),
        size_bytes=stored.artifact.size_bytes, change=folder_diff(old, stored.entries),
        left_out=stored.left_out,
    )  # fmt: skip


def add_external(
    record: Record, wish: FilesWish, given: str, *, is_hashed: bool, snapshot: str
) -> FilesAdded:
    """Record what lies elsewhere as the next version of `data:NAME`; no byte is stored.

    Raises:
        InvalidInputError: a URL without a snapshot; something there can be no data.
        NotFoundError: there is nothing.
    """
    ref = ref_name(record, KIND, wish.name)
    root = record.ports.workspace.root
    seen = looked_at(given, root, is_hashed=is_hashed, snapshot=snapshot)
    summary: Mapping[str, Scalar] = {"held": NOT_HELD, "place": seen.place}
    artifact = put_value(record, EXTERNAL, seen, summary=summary)
    with _opened(record, wish, given, root / given) as run:
        run.made(artifact, name="data")
        pending = run.version(ref, artifact)
    return FilesAdded(
        version=pending.version, is_new=pending.is_new, files=len(seen.files),
        size_bytes=seen.size_bytes, change=folder_diff([], []),
    )  # fmt: skip


def read_external(record: Record, artifact: Artifact) -> ExternalData:
    """Return what a version says of data that are not held."""
    return read_value(record, artifact, ExternalData)


def external_versions(record: Record) -> tuple[str, ...]:
    """Return every version, of all projects, of data that are not held."""
    query = Query(Artifact, where=(Where("kind", "=", EXTERNAL),), limit=10_000)
    names = Names(record)
    names.load_artifacts(artifact.id for artifact in record.ports.ledger.find(query))
    return tuple(str(one) for versions in names.versions.values() for one in versions)


def _opened(
    record: Record, wish: FilesWish, source: str, path: Path
) -> AbstractContextManager[RunDraft]:
    return opened(
        record, kind="ingest", name=wish.name, at=wish.at, because=wish.because,
        params={"source": source, "append": wish.append, **place_params(record, path)},
    )  # fmt: skip


def _entries(record: Record, newest: Version | int) -> list[TreeEntry]:
    if not isinstance(newest, Version):
        return []
    artifact = find_artifact(record, newest.artifact)
    if shape_of(artifact) != "folder":
        raise InvalidInputError(
            f"{newest} is no folder of files ({shape_of(artifact)}), but what was given is one",
            fix="add it under another name, or with --shape table if its files are one table",
        )
    return tree_entries(record, artifact)


def _follow(run: RunDraft, ref: RefName, before: Version | int, *, is_base: bool) -> None:
    if isinstance(before, Version) and is_base:
        run.used(before.artifact, name="base", source=before.run)
        run.require(RefAt(ref=ref, number=before.number))


def _teller(record: Record, name: str, held: HeldLease) -> Callable[[int, int], None]:
    def tell(done: int, of: int) -> None:
        record.tell.progress(f"reading {name}, files", done, of)
        record.tell.check()
        held.renew()

    return tell
