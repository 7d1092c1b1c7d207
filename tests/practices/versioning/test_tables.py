"""A stored table reads back as it was, named by its content; an append hashes only its tail."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.local.object_store import LocalObjectStore
from tidemill.core.errors import InvalidInputError
from tidemill.kernels.table_digest import table_digest
from tidemill.practices.versioning import tables
from tidemill.practices.versioning.tables import TableWriter, scan_table, store_table


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> LocalObjectStore:
    return LocalObjectStore(tmp_path_factory.mktemp("objects"))


rows = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(-(2**40), 2**40)),
        st.one_of(st.none(), st.floats()),
        st.one_of(st.none(), st.text(max_size=5)),
        st.one_of(st.none(), st.datetimes()),
    ),
    max_size=30,
)
SCHEMA = {"a": pl.Int64, "b": pl.Float64, "c": pl.String, "d": pl.Datetime("us")}


def frame(values) -> pl.DataFrame:
    return pl.DataFrame(values, schema=SCHEMA, orient="row")


@settings(max_examples=40, deadline=None)
@given(rows)
def test_a_table_reads_back_as_it_was_written(objects, values) -> None:
    stored = store_table(objects, frame(values))
    read = scan_table(objects, stored.artifact.manifest, stored.artifact.id).collect()
    assert read.schema == frame(values).schema
    assert table_digest(read) == stored.artifact.id == table_digest(frame(values))


@settings(max_examples=30, deadline=None)
@given(rows, rows, rows)
def test_an_append_has_the_identity_of_the_whole(objects, first, second, third) -> None:
    stored = store_table(objects, frame(first))
    writer = TableWriter(objects, base=stored.manifest)
    writer.write(frame(second))
    writer.write(frame(third))
    assert writer.finish().artifact.id == table_digest(frame(first + second + third))


@settings(max_examples=30, deadline=None)
@given(st.lists(rows, min_size=1, max_size=12))
def test_many_small_appends_are_few_fragments_with_the_identity_of_the_whole(
    objects, parts
) -> None:
    stored = store_table(objects, frame([]))
    for part in parts:
        writer = TableWriter(objects, base=stored.manifest)
        writer.write(frame(part))
        stored = writer.finish()
        sizes = [fragment.rows for fragment in stored.manifest.fragments]
        assert all(left > 2 * right for left, right in pairwise(sizes))
    whole = frame([row for part in parts for row in part])
    read = scan_table(objects, stored.artifact.manifest, stored.artifact.id).collect()
    assert stored.artifact.id == table_digest(whole) == table_digest(read)
    assert read.schema == whole.schema


def test_an_append_over_a_chunk_border_writes_no_large_fragment_again(objects, monkeypatch) -> None:
    monkeypatch.setattr(tables, "SMALL_BYTES", 1000)
    whole = pl.DataFrame({"n": range(200_000)})
    first = store_table(objects, whole.head(100_000))
    writer = TableWriter(objects, base=first.manifest)
    writer.write(whole.tail(100_000))
    grown = writer.finish()
    assert grown.artifact.id == table_digest(whole)
    assert grown.manifest.fragments[0] == first.manifest.fragments[0]
    assert len(grown.manifest.fragments) == 2


def test_the_way_in_batches_leaves_no_trace_in_the_identity(objects) -> None:
    whole = frame([(n, n / 3, str(n), None) for n in range(1000)])
    writer = TableWriter(objects)
    for part in whole.iter_slices(7):
        writer.write(part)
    assert writer.finish().artifact.id == store_table(objects, whole).artifact.id


def test_rows_of_another_shape_are_refused_by_column(objects) -> None:
    stored = store_table(objects, frame([(1, 1.0, "x", None)]))
    writer = TableWriter(objects, base=stored.manifest)
    other = pl.DataFrame({"a": ["x"], "b": [1.0], "e": [1]})
    with pytest.raises(InvalidInputError, match=r"c is missing.*e is new.*a is String"):
        writer.write(other)
