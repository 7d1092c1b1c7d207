"""The files of a model that was checked out: whether they are still what the record says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.digest import TreeEntry, digest_of, tree_id
from tidemill.core.errors import CorruptError

if TYPE_CHECKING:
    from pathlib import Path


def check_files(folder: Path, identity: str) -> None:
    """Compare a model's files with its id, before a library that a damaged one kills reads them.

    Raises:
        CorruptError: a file was changed, cut short, lost or added since it was checked out.
    """
    try:
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        contents = [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in paths]
    except OSError as error:
        raise CorruptError(
            f"the model's files cannot be read: {error}", fix="deploy the model again"
        ) from None
    entries = [
        TreeEntry(path=name, digest=digest_of(data), size_bytes=len(data))
        for name, data in contents
    ]
    if tree_id(entries) != identity:
        raise CorruptError(
            f"the model's files in {folder} are not those of {identity[:18]}: they were changed"
            " after they were checked out, so the model is not loaded",
            fix="deploy the model again: its files are then written anew from the record",
        )
