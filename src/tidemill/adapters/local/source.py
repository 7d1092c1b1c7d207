"""What a version is read from: files and folders under the project, and frames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.adapters.file_kinds import is_table_name
from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.lineage.suggestions import closest
from tidemill.ports.source import Place, SqlQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from tidemill.ports.source import TableSource, Unread

INFER_ROWS = 10_000
BATCH_ROWS = 65_536


class LocalSources:
    """Opens files, folders and frames.

    Args:
        root: folder that relative paths begin at.
        infer_rows: rows of a text file that decide the types of its columns.
        batch_rows: most rows of a batch.
    """

    def __init__(
        self, root: Path, *, infer_rows: int = INFER_ROWS, batch_rows: int = BATCH_ROWS
    ) -> None:
        self._root = root
        self._infer_rows = infer_rows
        self._batch_rows = batch_rows

    def open(
        self,
        given: object,
        *,
        schema: Mapping[str, pl.DataType] | None = None,
        unread: Unread | None = None,
    ) -> TableSource:
        """Return a source of a path (CSV, Parquet, JSON, Arrow), folder, frame or query.

        `schema` declares types of some or all columns; the others are inferred. With `unread` a
        row that cannot be read as declared is told and stays in its batch.

        Raises:
            InvalidInputError: nothing can read it; lists what can be read.
            NotFoundError: there is no such file; says which was probably meant.
        """
        from tidemill.adapters.frames import FrameSource, frame_of  # noqa: PLC0415 - polars
        from tidemill.adapters.table_files import FileSource, Reading  # noqa: PLC0415 - polars

        declared = schema or {}
        if isinstance(given, str | Path):
            reading = Reading(
                schema=declared, infer_rows=self._infer_rows, batch_rows=self._batch_rows,
                unread=unread,
            )  # fmt: skip
            return FileSource(self._existing(given), reading)
        if isinstance(given, SqlQuery):
            from tidemill.adapters.query_rows import query_source  # noqa: PLC0415 - polars

            return query_source(given, self._root, declared, self._batch_rows)
        frame = frame_of(given)
        if frame is None:
            raise InvalidInputError(
                f"a {type(given).__name__} cannot be read as a table",
                fix="give a path (.csv, .csv.gz, .zip, .parquet, .jsonl, .arrow), a folder of"
                " these, a Polars, pandas or Arrow frame, or tm.query(connection, sql)",
            )
        return FrameSource(frame, declared, self._batch_rows, unread)

    def place(self, given: object) -> Place | None:
        """Return the file or folder that a caller named; None: a frame or a query.

        A folder is a table where all that it holds are files of rows by their names.

        Raises:
            NotFoundError: there is no such file or folder.
        """
        if not isinstance(given, str | Path):
            return None
        path = self._existing(given)
        if path.is_dir():
            shown = [entry for entry in path.iterdir() if entry.name[0] not in "._"]
            is_table = bool(shown) and all(is_table_name(one) and one.is_file() for one in shown)
            return Place(path=path, shape="table" if is_table else "files")
        return Place(path=path, shape="table")

    def _existing(self, given: str | Path) -> Path:
        path = self._root / Path(given).expanduser()
        if path.exists():
            return path
        folder = path.parent
        if not folder.is_dir():
            raise NotFoundError(
                f"there is no folder {str(Path(given).parent)!r} for {path.name!r}",
                fix=f"give a path relative to {self._root}, or a whole one",
            )
        near = closest(path.name, sorted(entry.name for entry in folder.iterdir()))
        raise NotFoundError(
            f"there is no file {str(given)!r}",
            fix=f"did you mean {str(Path(given).with_name(near))!r}?"
            if near
            else f"see what is there: ls {Path(given).parent}",
        )
