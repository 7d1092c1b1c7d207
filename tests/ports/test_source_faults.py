"""Sources with faults: what can be read is kept as it would be alone, what cannot is told."""

import json

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.local.source import LocalSources
from tidemill.core.errors import InvalidInputError

SCHEMA = {
    "n": pl.Int64(), "x": pl.Float64(), "b": pl.Boolean(), "t": pl.Datetime("us", "UTC"),
    "s": pl.String(),
}  # fmt: skip
GOOD = ("7", "2.5", "true", "2013-01-01T10:00:00Z", "hello")
BAD = ("soon", "1.2.3", "maybe", "noon", None)

cells = st.tuples(*(st.sampled_from(["good", "none", *(["bad"] if bad else [])]) for bad in BAD))
rows = st.lists(st.one_of(cells, st.sampled_from(["few", "many"])), min_size=1, max_size=40)


def line(row) -> str:
    if isinstance(row, str):
        return "7,2.5" if row == "few" else ",".join((*GOOD, "more"))
    texts = {"good": GOOD, "bad": BAD, "none": ("",) * 5}
    return ",".join(texts[kind][place] for place, kind in enumerate(row))


def read(folder, name, **options):
    told = []
    source = LocalSources(folder, **options).open(name, schema=SCHEMA, unread=told.append)
    frame = pl.concat(list(source.batches()))
    return frame, [row for part in told for row in part.sort("row").iter_rows()]


@settings(max_examples=60, deadline=None)
@given(rows=rows, batch_rows=st.integers(1, 9), end=st.sampled_from(["\n", "\r\n"]))
def test_any_mixture_of_good_and_bad_rows_is_kept_and_told(
    tmp_path_factory, rows, batch_rows, end
) -> None:
    folder = tmp_path_factory.mktemp("faults")
    text = end.join([",".join(SCHEMA), *map(line, rows)]) + end
    (folder / "t.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    frame, told = read(folder, "t.csv", batch_rows=batch_rows)
    assert frame.height == len(rows)
    expected = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, str):
            expected.append((number, "fields", line(row)))
            continue
        for place, (name, kind) in enumerate(zip(SCHEMA, row, strict=True)):
            if kind == "bad":
                expected.append((number, f"{name}.type", BAD[place]))
            assert (frame[name][number - 1] is not None) == (kind == "good")
    assert sorted(told) == sorted(expected)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(st.one_of(st.integers(-9, 9), st.none(), st.just("soon"), st.just(1.5))))
def test_json_lines_are_kept_and_told_in_the_same_way(tmp_path_factory, values) -> None:
    folder = tmp_path_factory.mktemp("faults")
    lines = [json.dumps({"n": value, "s": "x"}) for value in [*values, 1]]
    (folder / "t.jsonl").write_text("\n".join(lines))
    frame, told = read(folder, "t.jsonl", batch_rows=3)
    good = [value if isinstance(value, int) else None for value in [*values, 1]]
    assert frame["n"].to_list() == good
    expected = [
        (number, "n.type", str(value))
        for number, value in enumerate(values, 1)
        if isinstance(value, str | float)
    ]
    assert told == expected


def test_rows_of_a_folder_are_numbered_through(tmp_path) -> None:
    (tmp_path / "all").mkdir()
    for name in "ab":
        (tmp_path / "all" / f"{name}.csv").write_text("n\n1\nx\n")
    assert read(tmp_path, "all")[1] == [(2, "n.type", "x"), (4, "n.type", "x")]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('n,s\n1,"open\n2,x\n', "never closed|other half"),
        ('n,s\n1,a"b\n2,x\n', "other half"),
        ('n,s\n1,"a"b\n2,x\n', "quote"),
        ("n,n\n1,2\n", "two columns"),
        ("", "is empty"),
    ],
)
def test_what_no_row_can_be_blamed_for_is_an_error_that_says_where(tmp_path, text, what) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InvalidInputError, match=what):
        read(tmp_path, "t.csv")


def test_a_file_packed_in_another_way_says_how_to_unpack_it(tmp_path) -> None:
    (tmp_path / "t.csv.xz").write_bytes(b"x")
    with pytest.raises(InvalidInputError, match="compressed") as caught:
        read(tmp_path, "t.csv.xz")
    assert "xz -dk t.csv.xz" in caught.value.fix
