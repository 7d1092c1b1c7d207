"""Codecs of files: folders that steps take and return, and external data where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.ports.executor import Value

if TYPE_CHECKING:
    import polars as pl

    from tidemill.ports.object_store import ObjectStore
    from tidemill.practices.versioning.external import ExternalData

_FRAMES = ("Frame", "polars", "pandas", "pyarrow", "pl.", "pd.", "pa.")


def store_folder_value(objects: ObjectStore, value: Any, what: str) -> Value:  # noqa: ANN401 - Folder or Path
    """Store the files of a folder and return what names it.

    Raises:
        InvalidInputError: it is the path of a file, of nothing, or of what can be no data.
    """
    from tidemill.practices.versioning.folders import store_folder  # noqa: PLC0415 - workers start light

    path = Path(value)
    if not path.is_dir():
        is_file = "a file" if path.is_file() else "nothing"
        raise InvalidInputError(
            f"{what} is the path {path}, where there is {is_file}",
            fix="write the files into a folder of their own and return tm.Folder(folder)",
        )
    stored = store_folder(objects, path)
    artifact = stored.artifact
    return Value(
        artifact=artifact.id, codec="folder", kind=artifact.kind, manifest=artifact.manifest,
        inline=None, size_bytes=artifact.size_bytes, summary=artifact.summary,
        objects=stored.objects,
    )  # fmt: skip


def load_files(objects: ObjectStore, value: Value, wanted: object) -> object:
    """Return a folder, or external data after they were compared with what was recorded.

    Raises:
        ConflictError: external data are not what was recorded any more.
        InvalidInputError: a step wants a frame, and what there is are other files.
    """
    from tidemill.practices.versioning.folder_handle import Folder  # noqa: PLC0415 - workers start light

    if value.codec == "folder":
        from tidemill.practices.versioning.folders import read_folder  # noqa: PLC0415 - as above

        if value.manifest is None:
            raise InvalidInputError(
                f"folder {value.artifact[:20]} has no files here", fix="add it again"
            )
        entries = read_folder(objects, value.manifest, value.artifact)
        folder = Folder.stored(objects, value.artifact, entries)
        return folder.path if wanted is Path else folder
    from tidemill.practices.versioning.external import ExternalData, verified  # noqa: PLC0415 - as above

    data = value.inline or b"".join(objects.get(value.manifest))  # type: ignore[arg-type]
    listing = msgspec.json.decode(data, type=ExternalData)
    root = Path(str(value.summary.get("root") or ""))
    place = verified(listing, root)
    if any(word in f"{wanted}" for word in _FRAMES):
        return _frame(listing, root, wanted)
    if wanted is Path or listing.shape == "file":
        return place
    return Folder(place)


def _frame(listing: ExternalData, root: Path, wanted: object) -> object:
    import polars as pl  # noqa: PLC0415 - workers start without it

    from tidemill.practices.versioning.external import external_files  # noqa: PLC0415 - as above

    files = external_files(listing, root)
    kinds = {file.suffix.lower() for file in files}
    readers = {
        ".parquet": pl.scan_parquet, ".csv": pl.scan_csv, ".jsonl": pl.scan_ndjson,
        ".arrow": pl.scan_ipc,
    }  # fmt: skip
    if len(kinds) != 1 or not (reader := readers.get(next(iter(kinds)))):
        raise InvalidInputError(
            f"the external data at {listing.place} are no table of one kind: {', '.join(kinds)}",
            fix="annotate the parameter as tm.Folder and read its files",
        )
    rows: pl.LazyFrame = reader(files)  # type: ignore[operator]
    if "LazyFrame" in f"{wanted}":
        return rows
    frame = rows.collect(engine="streaming")
    return frame.to_pandas() if "pandas" in f"{wanted}" or "pd." in f"{wanted}" else frame
