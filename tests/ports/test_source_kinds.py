"""What a file holds decides how it is read; queries are sources too."""

import gzip
import json
import sqlite3

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters.local.source import LocalSources
from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.ports.source import query

FRAME = pl.DataFrame({"id": [1, 2, 3], "name": ["a", "ü", None]})


@pytest.fixture
def sources(tmp_path):
    return LocalSources(tmp_path)


def read(sources, given):
    return pl.concat(list(sources.open(given).batches()))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.dat", FRAME.write_parquet),
        ("t.csv", FRAME.write_parquet),
        ("t.bin", FRAME.write_ipc),
        ("t.csv", lambda path: FRAME.write_csv(path, separator=";")),
        ("t.tsv", lambda path: FRAME.write_csv(path, separator="\t")),
        ("t.csv", lambda path: FRAME.write_csv(path, separator="\t")),
        ("t", FRAME.write_csv),
        ("t.json", FRAME.write_ndjson),
        ("t.json", FRAME.write_json),
        ("t", FRAME.write_json),
        ("t.csv.zst", lambda path: FRAME.lazy().sink_csv(path, compression="zstd")),
        ("t.json.gz", lambda path: path.write_bytes(gzip.compress(FRAME.write_json().encode()))),
    ],
)  # fmt: skip
def test_a_file_is_read_as_what_it_holds(sources, tmp_path, name, write) -> None:
    write(tmp_path / name)
    assert read(sources, name).equals(FRAME)


rows = st.lists(
    st.fixed_dictionaries(
        {"n": st.integers(-(2**40), 2**40), "s": st.text(st.characters(exclude_categories=["Cs"]))}
    ),
    min_size=1,
    max_size=20,
)


@given(rows=rows, indent=st.sampled_from([None, 1]))
def test_a_json_array_is_its_rows(tmp_path_factory, rows, indent) -> None:
    folder = tmp_path_factory.mktemp("json")
    (folder / "t.json").write_text(json.dumps(rows, indent=indent), encoding="utf-8")
    assert read(LocalSources(folder), "t.json").to_dicts() == rows


def test_a_json_array_of_several_pieces_is_whole(sources, tmp_path) -> None:
    rows = [{"n": number, "s": "x" * 900} for number in range(3000)]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    assert read(sources, "t.json").to_dicts() == rows


@pytest.mark.parametrize("text", ['[{"a": 1}', '[{"a": 1}, 2]', '[{"a": }]', "[1, 2]"])
def test_a_broken_array_is_told(sources, tmp_path, text) -> None:
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InvalidInputError, match=r"t\.json"):
        read(sources, "t.json")


@pytest.mark.parametrize("name", ["t.xlsx", "t.xls", "t.ods"])
def test_a_workbook_is_refused_with_what_to_do(sources, tmp_path, name) -> None:
    (tmp_path / name).write_bytes(b"PK\x03\x04[Content_Types].xml xl/workbook.xml")
    with pytest.raises(InvalidInputError, match="workbook") as caught:
        read(sources, name)
    assert "read_excel" in caught.value.fix


def test_partitions_are_one_table_in_the_order_of_their_paths(sources, tmp_path) -> None:
    for year, month in ((2013, 2), (2013, 1), (2012, 12)):
        folder = tmp_path / "lake" / f"year={year}" / f"month={month}"
        folder.mkdir(parents=True)
        pl.DataFrame({"x": [year * 100 + month]}).write_parquet(folder / "part.parquet")
    assert sources.place("lake").shape == "files"
    found = read(sources, "lake")
    assert found.columns == ["x", "year", "month"]
    assert found["year"].to_list() == [2012, 2013, 2013]
    assert found["x"].to_list() == [201212, 201301, 201302]


def test_what_a_folder_looks_like(sources, tmp_path) -> None:
    for name in ("tables/a.csv", "tables/b.csv.gz", "texts/a.txt", "mixed/a.csv", "mixed/b.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x\n1\n")
    shapes = {name: sources.place(name).shape for name in ("tables", "texts", "mixed")}
    assert shapes == {"tables": "table", "texts": "files", "mixed": "files"}
    assert sources.place(FRAME) is None


def test_a_connection_is_asked_batch_by_batch(tmp_path) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (id INTEGER, x REAL, name TEXT)")
    given = [(number, number / 3, None if number % 7 else str(number)) for number in range(1000)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", given)
    source = LocalSources(tmp_path, batch_rows=64).open(query(connection, "SELECT * FROM t"))
    batches = list(source.batches())
    connection.close()
    assert max(batch.height for batch in batches) == 64
    assert pl.concat(batches).rows() == given
    assert source.name == "a query: SELECT * FROM t"


def test_a_value_of_another_type_than_before_names_its_rows(tmp_path) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (x)")
    connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,), ("soon",)])
    source = LocalSources(tmp_path, batch_rows=2).open(query(connection, "SELECT x FROM t"))
    with pytest.raises(InvalidInputError, match="rows 3 to 3"):
        list(source.batches())
    connection.close()


def test_databases_and_files_are_asked_by_url(sources, tmp_path) -> None:
    with sqlite3.connect(tmp_path / "s.db") as lite:
        lite.execute("CREATE TABLE t AS SELECT 1 AS id")
    lite.close()
    with duckdb.connect(str(tmp_path / "d.db")) as duck:
        duck.sql("CREATE TABLE t AS SELECT range AS id FROM range(5)")
    FRAME.write_parquet(tmp_path / "part-1.parquet")
    FRAME.write_parquet(tmp_path / "part-2.parquet")
    assert read(sources, query("sqlite:///s.db", "SELECT * FROM t")).rows() == [(1,)]
    assert read(
        sources, query(f"duckdb:///{tmp_path}/d.db", "SELECT sum(id)::int AS n FROM t")
    ).rows() == [(10,)]
    assert read(sources, query("part-*.parquet", "SELECT count(*) AS n FROM source")).rows() == [
        (6,)
    ]
    assert read(sources, query("part-*.parquet", "FROM source WHERE id > 9")).is_empty()
    with pytest.raises(InvalidInputError, match="query failed"):
        read(sources, query("part-*.parquet", "SELEC"))
    with pytest.raises(InvalidInputError, match="query failed"):
        read(sources, query("sqlite:///s.db", "INSERT INTO t VALUES (2)"))
    with pytest.raises(NotFoundError):
        read(sources, query("sqlite:///none.db", "SELECT 1"))
    with pytest.raises(InvalidInputError, match="postgresql") as caught:
        read(sources, query("postgresql://me:word@host/db", "SELECT 1"))
    assert "word" not in str(caught.value)
