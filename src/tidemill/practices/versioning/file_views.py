"""How folders and external data are shown, compared and told in `why`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.lineage.artifacts import tree_entries
from tidemill.practices.versioning.external import (
    NOT_HELD,
    ExternalData,
    ExternalDiff,
    external_changes,
)
from tidemill.practices.versioning.file_versions import read_external
from tidemill.practices.versioning.folders import FolderDiff, FolderView, folder_diff, folder_view

if TYPE_CHECKING:
    from tidemill.core.artifact import Artifact
    from tidemill.core.run import RunId
    from tidemill.lineage.record import Record


def show_folder(record: Record, artifact: Artifact) -> FolderView:
    """Return what a folder is."""
    return folder_view(tree_entries(record, artifact))


def diff_folders(record: Record, old: Artifact, new: Artifact) -> FolderDiff:
    """Return which files differ between two folders."""
    return folder_diff(tree_entries(record, old), tree_entries(record, new))


def show_external(record: Record, artifact: Artifact) -> ExternalData:
    """Return what is known of data that are not held."""
    return read_external(record, artifact)


def diff_external(record: Record, old: Artifact, new: Artifact) -> ExternalDiff:
    """Return what differs between two listings of what lies elsewhere."""
    sides = read_external(record, old), read_external(record, new)
    return ExternalDiff(changes=external_changes(*sides))


def explain_external(record: Record, run: RunId | None, artifact: Artifact) -> tuple[str, ...]:
    """Return what `why` says beside data that are not held."""
    del run
    return (f"{NOT_HELD}: {read_external(record, artifact).place}",)
