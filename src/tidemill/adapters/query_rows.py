"""Rows of SQL queries: through DuckDB (its files, globs of files), SQLite, or a DB-API connection.

No row is ever all of them in memory: DuckDB writes its answer into a Parquet file that is gone
afterwards, a DB-API cursor is asked for a batch at a time.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import tempfile
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from tidemill.adapters.frames import cast, collected, first_line
from tidemill.core.errors import InvalidInputError, MissingExtraError, NotFoundError
from tidemill.core.extras import installing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidemill.ports.source import SqlQuery, TableSource

_URL = re.compile(r"(?P<scheme>[a-z0-9+]+)://(?P<path>.*)", re.DOTALL)
_SHOWN_SQL = 200


class _Source(Protocol):
    """What a query's rows come from, in batches."""

    def rows(self, sql: str, batch_rows: int) -> Iterator[pl.DataFrame]: ...


class QuerySource:
    """The rows of a query, read once."""

    def __init__(
        self,
        name: str,
        sql: str,
        source: _Source,
        schema: Mapping[str, pl.DataType],
        batch_rows: int,
    ) -> None:
        self._name, self._sql, self._source = name, sql, source
        self._schema, self._batch_rows = schema, batch_rows

    @property
    def name(self) -> str:
        """Where it was asked, and what."""
        return f"{self._name}: {' '.join(self._sql.split())[:_SHOWN_SQL]}"

    @property
    def file(self) -> str:
        """Rows of a query are in no file."""
        return ""

    def batches(self) -> Iterator[pl.DataFrame]:
        """Yield the rows.

        Raises:
            InvalidInputError: the query fails, or a value fits no type.
        """
        for batch in self._source.rows(self._sql, self._batch_rows):
            yield cast(batch, self._schema, self._name)


def query_source(
    query: SqlQuery, root: Path, schema: Mapping[str, pl.DataType], batch_rows: int
) -> TableSource:
    """Return the source of a query; relative paths begin at `root`.

    Raises:
        InvalidInputError: nothing can ask there; lists what can be asked.
        NotFoundError: there is no such file.
        MissingExtraError: DuckDB is needed and not installed.
    """
    place = query.place
    if not isinstance(place, str | Path):
        if not hasattr(place, "cursor"):
            raise InvalidInputError(
                f"a {type(place).__name__} is no connection that can be asked",
                fix="give an open DB-API connection, or a URL such as sqlite:///sales.db",
            )
        return QuerySource("a query", query.sql, _Connection(place), schema, batch_rows)
    text = str(place)
    found = _URL.fullmatch(text)
    scheme, path = (found["scheme"], found["path"]) if found else ("", text)
    if scheme not in {"", "duckdb", "sqlite"}:
        raise InvalidInputError(
            f"a query cannot be asked at {scheme}://",
            fix="give --from duckdb:///FILE, sqlite:///FILE or a glob of files; for others open"
            " a DB-API connection in Python: tm.add_data(NAME, tm.query(connection, SQL))",
        )
    file = root / (path.removeprefix("/") if scheme and not path.startswith("//") else path)
    if scheme and path.startswith("/") and not file.exists():
        file = Path(path)
    if scheme and not file.is_file():
        raise NotFoundError(f"there is no file {path.lstrip('/')!r}", fix=f"ls {file.parent}")
    asked: _Source = _SqliteFile(file) if scheme == "sqlite" else _DuckDB(file, bool(scheme))
    return QuerySource(f"a query of {file.name}", query.sql, asked, schema, batch_rows)


class _SqliteFile:
    """A SQLite file, opened to be read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def rows(self, sql: str, batch_rows: int) -> Iterator[pl.DataFrame]:
        uri = f"{self._file.resolve().as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            yield from _Connection(connection).rows(sql, batch_rows)


class _Connection:
    """An open DB-API connection (PEP 249); it stays the caller's."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - any driver's
        self._connection = connection

    def rows(self, sql: str, batch_rows: int) -> Iterator[pl.DataFrame]:
        cursor = self._connection.cursor()
        try:
            cursor.execute(sql)
            yield from _typed(cursor, batch_rows)
        except InvalidInputError:
            raise
        except Exception as error:
            # PEP 249: each driver has errors of its own, with no base that all share
            raise _failed(error) from error
        finally:
            cursor.close()


def _typed(cursor: Any, batch_rows: int) -> Iterator[pl.DataFrame]:  # noqa: ANN401 - any driver's
    """Yield batches in the types of the first one; whole numbers fit where others were."""
    if not cursor.description:
        raise InvalidInputError("the query gives no rows", fix="give a SELECT")
    names = [column[0] for column in cursor.description]
    if len(set(names)) < len(names):
        raise InvalidInputError(
            f"two columns of the query are called {max(names, key=names.count)!r}",
            fix="give each a name: SELECT a.id AS a_id, b.id AS b_id",
        )
    schema: pl.Schema | None = None
    done = 0
    while rows := cursor.fetchmany(batch_rows):
        try:
            given = pl.DataFrame([tuple(row) for row in rows], schema=schema or names,
                                 orient="row", infer_schema_length=None)  # fmt: skip
        except (TypeError, pl.exceptions.PolarsError, OverflowError) as error:
            raise InvalidInputError(
                f"rows {done + 1:,} to {done + len(rows):,} of the query have a value of another"
                f" type than those before: {first_line(error)}",
                fix="give the column one type in the query: CAST(x AS REAL)",
            ) from error
        schema = given.schema
        done += given.height
        yield given
    if schema is None:
        yield pl.DataFrame(schema=dict.fromkeys(names, pl.Null))


class _DuckDB:
    """A DuckDB file, or files that are the table `source`."""

    def __init__(self, place: Path, is_database: bool) -> None:  # noqa: FBT001 - of this module
        self._place, self._is_database = place, is_database

    def rows(self, sql: str, batch_rows: int) -> Iterator[pl.DataFrame]:
        try:
            import duckdb  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingExtraError(
                "DuckDB, which runs the query, is not installed", fix=installing("duckdb")
            ) from error
        with tempfile.TemporaryDirectory(prefix="tidemill-query-") as folder:
            answer = Path(folder) / "answer.parquet"
            try:
                with contextlib.closing(self._connected(duckdb, folder)) as connection:
                    connection.sql(sql).write_parquet(str(answer), compression="zstd")
            except (duckdb.Error, AttributeError) as error:
                raise _failed(error) from error
            frame = pl.scan_parquet(answer, glob=False)
            is_empty = True
            for batch in collected(frame, batch_rows):
                is_empty = False
                yield batch
            if is_empty:
                yield pl.DataFrame(schema=frame.collect_schema())

    def _connected(self, duckdb: Any, folder: str) -> Any:  # noqa: ANN401 - the library
        limits = {"memory_limit": "512MB", "temp_directory": folder}
        if self._is_database:
            return duckdb.connect(str(self._place), read_only=True, config=limits)
        connection = duckdb.connect(config=limits)
        files = sorted(glob(str(self._place), recursive=True))  # noqa: PTH207 - a whole path
        if not files:
            raise NotFoundError(
                f"no file is called {self._place.name!r}", fix=f"ls {self._place.parent}"
            )
        readers = {".parquet": "read_parquet", ".csv": "read_csv", ".jsonl": "read_json"}
        reader = readers.get(Path(files[0]).suffix.lower(), "read_csv")
        connection.sql(f"SELECT * FROM {reader}({files!r})").create_view("source")  # noqa: S608
        return connection


def _failed(error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"the query failed: {first_line(error)}", fix="correct it; try it where you write SQL"
    )
