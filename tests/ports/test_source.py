"""The source port: every kind of file, folder and frame gives the same rows, or a telling error."""

import gzip
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tidemill.adapters.local.source import LocalSources
from tidemill.core.errors import InvalidInputError, NotFoundError

FRAME = pl.DataFrame(
    {
        "number": [1, 2, None, 4, 5],
        "share": [0.5, None, 1.5, 2.0, -1.0],
        "text": ["a", "b,c", None, 'd"e', "é"],
        "is_late": [True, False, None, True, True],
    }
)


@pytest.fixture
def sources(tmp_path) -> LocalSources:
    return LocalSources(tmp_path, batch_rows=2)


def rows(sources, what, **given_) -> pl.DataFrame:
    return pl.concat(list(sources.open(what, **given_).batches()))


def write(folder: Path, kind: str, frame: pl.DataFrame, name: str = "t") -> str:
    path = folder / f"{name}.{kind}"
    text = frame.write_csv().encode() if "csv" in kind or kind == "zip" else b""
    match kind:
        case "csv":
            path.write_bytes(text)
        case "csv.gz":
            path.write_bytes(gzip.compress(text))
        case "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("inner.csv", text)
                archive.writestr("__MACOSX/inner.csv", b"x")
        case "tsv":
            frame.write_csv(path, separator="\t")
        case "parquet":
            frame.write_parquet(path)
        case "jsonl":
            frame.write_ndjson(path)
        case "arrow":
            frame.write_ipc(path)
    return path.name


KINDS = ["csv", "csv.gz", "zip", "tsv", "parquet", "jsonl", "arrow"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_rows_in_batches_of_bounded_size(
    sources, tmp_path, kind
) -> None:
    source = sources.open(write(tmp_path, kind, FRAME))
    batches = list(source.batches())
    assert source.name == f"t.{kind}"
    assert all(len(batch) <= 2 for batch in batches)
    assert_frame_equal(pl.concat(batches), FRAME)
    assert_frame_equal(rows(sources, tmp_path / f"t.{kind}"), FRAME)


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl", "arrow"])
def test_a_folder_is_its_files_in_the_order_of_their_names(sources, tmp_path, kind) -> None:
    folder = tmp_path / "months"
    folder.mkdir()
    write(folder, kind, FRAME[3:], "2013-02")
    write(folder, kind, FRAME[:3], "2013-01")
    (folder / ".hidden").write_text("x")
    (folder / "_SUCCESS").write_text("x")
    assert_frame_equal(rows(sources, "months"), FRAME)
    assert sources.open("months").name == "months"


class Capsule:
    def __arrow_c_stream__(self, requested_schema=None):
        return FRAME.__arrow_c_stream__(requested_schema)


def test_frames_of_any_make_are_taken(sources) -> None:
    for given_ in (FRAME, FRAME.lazy(), Capsule()):
        source = sources.open(given_)
        batches = list(source.batches())
        assert source.name == "a frame"
        assert all(len(batch) <= 2 for batch in batches)
        assert_frame_equal(pl.concat(batches), FRAME)


def test_a_pandas_frame_is_taken_with_its_missing_values_as_nulls(sources) -> None:
    frame = pd.DataFrame(
        {
            "i": [1, 2],
            "f": [1.0, float("nan")],
            "s": ["x", None],
            "n": pd.array([1, None], dtype="Int64"),
            "t": pd.to_datetime(["2013-01-01", None], utc=True),
            "c": pd.Categorical(["u", "v"]),
            "b": [True, False],
        }
    )
    got = rows(sources, frame)
    assert got.rows() == [
        (1, 1.0, "x", 1, datetime(2013, 1, 1, tzinfo=UTC), "u", True),
        (2, None, None, None, None, "v", False),
    ]
    assert got.schema["n"] == pl.Int64
    frame.columns = [*"ifsntc", "i"]
    with pytest.raises(InvalidInputError, match="'i'"):
        sources.open(frame)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(-(2**40), 2**40) | st.none(), max_size=20), st.integers(1, 7))
def test_any_frame_comes_back_whatever_the_size_of_a_batch(values, batch_rows) -> None:
    frame = pl.DataFrame({"v": values}, schema={"v": pl.Int64})
    assert_frame_equal(rows(LocalSources(Path(), batch_rows=batch_rows), frame), frame)


def test_na_and_nothing_are_nulls_and_times_are_times(sources, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("a,t\nNA,2013-01-01T10:00:00Z\n3,\n")
    got = rows(sources, "t.csv")
    assert got.rows() == [(None, datetime(2013, 1, 1, 10, tzinfo=UTC)), (3, None)]


def test_a_file_with_a_header_alone_is_one_batch_without_rows(sources, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n")
    (batch,) = sources.open("t.csv", schema={"a": pl.Int32}).batches()
    assert (batch.shape, batch.schema["a"]) == ((0, 2), pl.Int32)


@pytest.mark.parametrize("kind", KINDS)
def test_declared_types_win_over_inferred_ones(sources, tmp_path, kind) -> None:
    name = write(tmp_path, kind, pl.DataFrame({"a": [1, 2], "b": [3, 4]}))
    got = rows(sources, name, schema={"a": pl.Float32, "absent": pl.Int8})
    assert got.schema == {"a": pl.Float32, "b": pl.Int64}


def test_a_declared_text_keeps_its_leading_zeros(sources, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("zip\n00501\n")
    assert rows(sources, "t.csv", schema={"zip": pl.String}).rows() == [("00501",)]


def test_a_column_that_begins_late_in_json_lines_is_not_lost(tmp_path) -> None:
    (tmp_path / "t.jsonl").write_text('{"a":1}\n' * 5 + '{"a":2,"late":"x"}\n')
    got = rows(LocalSources(tmp_path, infer_rows=2), "t.jsonl")
    assert got["late"].to_list() == [None] * 5 + ["x"]


TEXTS = [
    ("a,b\n1,2\n3,4\nx,5\n", r"t\.csv line 4, column 'a': 'x' is no whole number"),
    ("a,b\n1,2\n3,4\n5,6,7\n", r"t\.csv line 4 has 3 fields, the header has 2"),
    ("a,b\n1,2\n3,4\n5\n", r"t\.csv line 4 has 1 fields, the header has 2"),
    ("a,b\n1,2\n\n5,6\n", r"t\.csv line 3 has [01] fields, the header has 2"),
    ('a,b\n"x,y",2\n"q\nr",4\nz\n', r"t\.csv line 5 has 1 fields, the header has 2"),
    ("a,b,a\n1,2,3\n", r"t\.csv line 1: two columns are called 'a'"),
    ("", r"t\.csv is empty"),
    ("a,b\n1,2\n3,\0\n", r"t\.csv is not text: byte 10 is zero"),
    ('a,b\n1,x\n2,"open\n', r"t\.csv.*a quote is opened and never closed"),
]


@pytest.mark.parametrize(("text", "what"), TEXTS)
def test_a_faulty_csv_is_told_by_file_line_and_column(tmp_path, text, what) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InvalidInputError, match=what) as caught:
        rows(LocalSources(tmp_path, infer_rows=2), "t.csv")
    assert caught.value.fix


def test_an_empty_value_at_the_end_of_a_row_is_a_null_and_no_fault(sources, tmp_path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n"1,5",\n2,3\n')
    assert rows(sources, "t.csv").rows() == [("1,5", None), ("2", 3)]


def test_text_that_is_not_utf8_is_told_by_line_and_how_to_convert_it(sources, tmp_path) -> None:
    (tmp_path / "t.csv").write_bytes("a,b\n1,x\n2,café\n".encode("latin1"))
    with pytest.raises(InvalidInputError, match=r"line 3 is not UTF-8 \(byte 0xe9\)") as caught:
        rows(sources, "t.csv")
    assert "iconv" in caught.value.fix


LINES = [
    ('{"a":1}\n{"a":2}\n{"a":"q"}\n', r"t\.jsonl line 3, column 'a': 'q' is no whole number"),
    ('{"a":1}\n{"a":2\n', r"t\.jsonl line 2 is not JSON"),
    ("[1,2]\n", r"t\.jsonl line 1: a row must be an object"),
]


@pytest.mark.parametrize(("text", "what"), LINES)
def test_faulty_json_lines_are_told_by_line(tmp_path, text, what) -> None:
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(InvalidInputError, match=what):
        rows(LocalSources(tmp_path, infer_rows=2), "t.jsonl")


@pytest.mark.parametrize("name", ["t.parquet", "t.arrow", "t.zip", "t.csv.gz", "t.xlsx", "t"])
def test_rubbish_and_unknown_kinds_are_refused_with_what_can_be_read(
    sources, tmp_path, name
) -> None:
    (tmp_path / name).write_bytes(b"rubbish" * 100)
    with pytest.raises(InvalidInputError, match=name):
        rows(sources, name)


def test_a_parquet_file_that_is_cut_short_is_named(sources, tmp_path) -> None:
    write(tmp_path, "parquet", FRAME)
    data = (tmp_path / "t.parquet").read_bytes()
    (tmp_path / "t.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(InvalidInputError, match=r"t\.parquet cannot be read as parquet"):
        rows(sources, "t.parquet")


def test_a_value_that_is_not_of_its_declared_type_is_shown(sources, tmp_path) -> None:
    name = write(tmp_path, "parquet", pl.DataFrame({"a": [1, 300]}))
    with pytest.raises(InvalidInputError, match=r"t\.parquet: column 'a' .*300"):
        rows(sources, name, schema={"a": pl.Int8})


def test_a_folder_of_two_schemas_or_two_kinds_is_refused(sources, tmp_path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    with pytest.raises(InvalidInputError, match="holds no file"):
        sources.open("mixed")
    write(folder, "csv", pl.DataFrame({"a": [1]}), "1")
    write(folder, "csv", pl.DataFrame({"b": [1]}), "2")
    with pytest.raises(InvalidInputError, match=r"2\.csv has other columns than 1\.csv: a: "):
        rows(sources, "mixed")
    write(folder, "parquet", FRAME, "3")
    with pytest.raises(InvalidInputError, match=r"2\.csv and 3\.parquet"):
        sources.open("mixed")


def test_a_missing_file_is_told_with_what_was_probably_meant(sources, tmp_path) -> None:
    (tmp_path / "flights.csv").write_text("a\n1\n")
    with pytest.raises(NotFoundError, match=r"did you mean 'flights\.csv'"):
        sources.open("fligths.csv")
    with pytest.raises(NotFoundError, match="no folder"):
        sources.open("nowhere/x.csv")


def test_what_is_no_table_is_refused_with_what_would_be_one(sources) -> None:
    with pytest.raises(InvalidInputError, match="a list cannot be read") as caught:
        sources.open([1, 2])
    assert ".parquet" in caught.value.fix


@pytest.mark.parametrize(
    ("values", "wanted", "shown"),
    [
        ([1.0, 3.9], pl.Int64(), "whole number (int): 3.9"),
        ([1.0, float("nan")], pl.Int64(), "whole number (int): nan"),
        (["1", "lots"], pl.Int64(), "whole number (int): 'lots'"),
        (["2024-01-01", "soon"], pl.Datetime("us", "UTC"), "time (datetime): 'soon'"),
    ],
)
def test_a_frame_s_value_is_never_changed_to_fit_a_declared_type(
    sources, values, wanted, shown
) -> None:
    with pytest.raises(InvalidInputError) as told:
        rows(sources, pl.DataFrame({"a": values}), schema={"a": wanted})
    assert shown in str(told.value)


def test_text_of_a_frame_is_read_as_a_file_s_would_be(sources) -> None:
    given = pl.DataFrame({"a": ["1", None], "t": ["2024-01-02T03:00:00Z", None], "n": [2.0, None]})
    wanted = {"a": pl.Int64(), "t": pl.Datetime("us", "UTC"), "n": pl.Int64()}
    read = rows(sources, given, schema=wanted)
    assert dict(read.schema) == wanted
    assert read["t"][0].isoformat() == "2024-01-02T03:00:00+00:00"
