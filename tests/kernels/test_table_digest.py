"""td1: the same rows have the same digest whatever holds them, other rows another one."""

import json
import math
import struct
from decimal import Context, Decimal
from itertools import pairwise

import polars as pl
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.kernels.table_digest import (
    CHUNK_ROWS,
    TableDigest,
    TableHasher,
    digest_frames,
    table_digest,
)
from tidemill.kernels.table_types import type_text

NAN = float("nan")
UTC_US = pl.Datetime("us", "UTC")

VECTORS = [
    (pl.DataFrame(), "f4d690866ea99d731eaf904c8afe77f0d1bc78d44de47d9ebcf763fb1fa5a2f1"),
    (
        pl.DataFrame(schema={"a": pl.Int64}),
        "40339d4fd19a91db35670fa8ff5683b37f6bb72735f328ad918848fe18c32431",
    ),
    (
        pl.DataFrame({"a": [1, None, 3], "b": ["x", "", None]}),
        "93d8d52b7fc20976e16b0c1324c4db3c2f883481bea608e77815b05d7c2a6358",
    ),
    (
        pl.DataFrame(
            {
                "f": [0.0, -0.0, NAN, None],
                "t": pl.Series([0, 1, None, 1_500_000], dtype=pl.Int64).cast(UTC_US),
            }
        ),
        "a4ac8f3b92ff6d966e4a9fa0be7fb11abc5446168db38a206a60b967cde74b02",
    ),
    (
        pl.DataFrame({"n": pl.Series(range(70_000), dtype=pl.Int32)}),
        "a77eb3121bce15e23a1d3c9ef850524bb66a82ca7d41a4579442eb89f7cb0c79",
    ),
    (
        pl.DataFrame(
            {
                "l": pl.Series([[1, 2], [], None], dtype=pl.List(pl.Int8)),
                "s": [{"k": True}, None, {"k": None}],
            }
        ),
        "832ff2271742dc31182e95c86e66bd84a9b23f0663d87883c3b902f3700eaded",
    ),
]


@pytest.mark.parametrize(("frame", "expected"), VECTORS, ids=lambda v: str(v)[:8])
def test_td1_never_changes(frame: pl.DataFrame, expected: str) -> None:
    assert table_digest(frame) == f"td1:{expected}"


# The oracle: td1 again, in plain Python over lists of values, one value at a time.

FLOATS = {pl.Float16: "<e", pl.Float32: "<f", pl.Float64: "<d"}


def oracle_streams(values: list, dtype: pl.DataType) -> bytes:
    nulls = _stream(b"V", _bits([v is not None for v in values])) if None in values else b""
    of = _oracle_nested if dtype.is_nested() else _oracle_flat
    return nulls + of(values, dtype)


def _oracle_nested(values: list, dtype: pl.DataType) -> bytes:
    if isinstance(dtype, pl.Struct):
        out = _stream(b"S", struct.pack("<Q", len(values)))
        for field in dtype.fields:
            below = [None if v is None else v[field.name] for v in values]
            out += oracle_streams(below, _made(field.dtype))
        return out
    if isinstance(dtype, pl.Map):
        item = pl.Struct({"key": dtype.key, "value": dtype.value})
        values = [[{"key": k, "value": w} for k, w in (v or {}).items()] for v in values]
    else:
        item = _made(dtype.inner)
    lengths = _stream(b"L", b"".join(struct.pack("<I", len(v or [])) for v in values))
    return lengths + oracle_streams([i for v in values for i in v or []], item)


def _oracle_flat(values: list, dtype: pl.DataType) -> bytes:
    if isinstance(dtype, pl.Boolean):
        return _stream(b"b", _bits([bool(v) for v in values]))
    if isinstance(dtype, pl.Null):
        return _stream(b"N", struct.pack("<Q", len(values)))
    if isinstance(dtype, pl.String | pl.Binary | pl.Categorical | pl.Enum):
        content = [v.encode() if isinstance(v, str) else v or b"" for v in values]
        lengths = b"".join(struct.pack("<I", len(c)) for c in content)
        return _stream(b"L", lengths) + _stream(b"B", b"".join(content))
    if isinstance(dtype, pl.Decimal):
        scaled = [int((v or Decimal(0)).scaleb(dtype.scale, _WIDE)) for v in values]
        return _stream(b"D", b"".join(v.to_bytes(32, "little", signed=True) for v in scaled))
    if dtype.is_float():
        plain = [0.0 if v is None else NAN if math.isnan(v) else v for v in values]
        return _stream(b"F", b"".join(struct.pack(FLOATS[type(dtype)], v) for v in plain))
    return _oracle_integers(values, dtype)


def _oracle_integers(values: list, dtype: pl.DataType) -> bytes:
    filled = [v or 0 for v in values]
    if isinstance(dtype, pl.Date):
        return _stream(b"I", b"".join(struct.pack("<i", v) for v in filled))
    if dtype.is_integer():
        signed = dtype.is_signed_integer()
        size = int(str(dtype).lstrip("UInt")) // 8
        return _stream(b"I", b"".join(v.to_bytes(size, "little", signed=signed) for v in filled))
    per = {"ms": 1_000_000, "us": 1000, "ns": 1}[getattr(dtype, "time_unit", "ns")]
    out = _stream(b"I", b"".join(struct.pack("<q", v * per // 1000) for v in filled))
    rests = [v * per % 1000 for v in filled]
    return out + (
        _stream(b"R", b"".join(struct.pack("<H", r) for r in rests)) if any(rests) else b""
    )


def _stream(tag: bytes, content: bytes) -> bytes:
    return tag + struct.pack("<Q", len(content)) + content


def _bits(flags: list[bool]) -> bytes:
    number = sum(1 << i for i, flag in enumerate(flags) if flag)
    return number.to_bytes(-(-len(flags) // 8), "little")


def _made(dtype) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()


def oracle(columns: dict[str, tuple[list, pl.DataType]], chunk: int = CHUNK_ROWS) -> str:
    rows = max((len(values) for values, _ in columns.values()), default=0)
    digests = b""
    for values, dtype in columns.values():
        text = type_text(dtype).encode()
        chunks = b"".join(
            blake3(oracle_streams(values[i : i + chunk], dtype)).digest()
            for i in range(0, rows, chunk)
        )
        head = b"td1 column" + struct.pack("<Q", len(text)) + text + struct.pack("<Q", rows)
        digests += blake3(head + chunks).digest()
    pairs = [[name, type_text(dtype)] for name, (_, dtype) in columns.items()]
    schema = json.dumps(pairs, ensure_ascii=False, separators=(",", ":")).encode()
    head = b"td1 table" + struct.pack("<Q", len(schema)) + schema + struct.pack("<Q", rows)
    return "td1:" + blake3(head + digests).hexdigest()


# Values are drawn as the oracle wants them (times as their physical integers).


def _ints(dtype) -> st.SearchStrategy:
    bits = int(str(dtype).lstrip("UInt"))
    low, high = (
        (0, 2**bits - 1)
        if str(dtype).startswith("U")
        else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    )
    return st.integers(low, high)


_WIDE = Context(prec=60)
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_MOMENTS = st.integers(-(2**50), 2**50)
_DECIMALS = st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(n).scaleb(-3, _WIDE))
SCALARS: list[tuple[pl.DataType, st.SearchStrategy]] = [
    *((_made(t), _ints(t)) for t in (pl.Int8, pl.Int16, pl.Int32, pl.Int64)),
    *((_made(t), _ints(t)) for t in (pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)),
    (pl.Float16(), st.floats(width=16)),
    (pl.Float32(), st.floats(width=32)),
    (pl.Float64(), st.floats()),
    (pl.Boolean(), st.booleans()),
    (pl.String(), _TEXT),
    (pl.Binary(), st.binary(max_size=20)),
    (pl.Decimal(38, 3), _DECIMALS),
    (pl.Null(), st.none()),
]
TIMES: list[tuple[pl.DataType, st.SearchStrategy]] = [
    (pl.Date(), st.integers(-(10**5), 10**5)),
    (pl.Time(), st.integers(0, 86_400 * 10**9 - 1)),
    *((pl.Datetime(unit), _MOMENTS) for unit in ("ms", "us", "ns")),
    (pl.Datetime("ns", "Europe/Berlin"), _MOMENTS),
    *((pl.Duration(unit), _MOMENTS) for unit in ("ms", "us", "ns")),
    (pl.Enum(["a", "b", "é"]), st.sampled_from(["a", "b", "é"])),
    (pl.Categorical(), _TEXT),
]


def _or_null(items: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(st.none(), items)


def _nested(kind: tuple[pl.DataType, st.SearchStrategy]) -> st.SearchStrategy:
    dtype, items = kind
    fields = st.fixed_dictionaries({"x": _or_null(items), 'é "q': _or_null(st.booleans())})
    return st.sampled_from(
        [
            (pl.List(dtype), st.lists(_or_null(items), max_size=4)),
            (pl.Array(dtype, 2), st.lists(_or_null(items), min_size=2, max_size=2)),
            (pl.Struct({"x": dtype, 'é "q': pl.Boolean}), fields),
        ]
    )


@st.composite
def columns(draw) -> tuple[pl.DataType, list]:
    kind = draw(st.sampled_from(SCALARS + TIMES))
    if kind in SCALARS:
        for _ in range(draw(st.integers(0, 2))):
            kind = draw(_nested(kind))
    dtype, items = kind
    return dtype, draw(st.lists(_or_null(items), min_size=12, max_size=12))


def _series(values: list, dtype: pl.DataType) -> pl.Series:
    if dtype.is_temporal():
        physical = pl.Int32 if isinstance(dtype, pl.Date) else pl.Int64
        return pl.Series(values, dtype=physical).cast(dtype)
    return pl.Series(values, dtype=dtype, strict=not isinstance(dtype, pl.Decimal))


@given(st.lists(columns(), max_size=3), st.lists(st.integers(1, 12), max_size=4))
@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_two_implementations_agree_on_every_type_and_chunking(drawn, cuts) -> None:
    given_columns = {f"c{i}\n": (values, dtype) for i, (dtype, values) in enumerate(drawn)}
    frame = pl.DataFrame({name: _series(*column) for name, column in given_columns.items()})
    expected = oracle(given_columns)
    assert table_digest(frame) == expected
    edges = sorted({0, frame.height, *(cut for cut in cuts if cut < frame.height)})
    pieces = [frame[a:b] for a, b in pairwise(edges)]
    assert digest_frames(frame.schema, pieces).id == expected
    if pieces:
        assert table_digest(pl.concat(pieces, rechunk=False)) == expected
        assert table_digest(pl.concat([frame, frame])[frame.height :]) == expected


def test_maps_are_lists_of_their_entries_in_stored_order() -> None:
    values = [{"b": 1, "a": None}, None, {}]
    dtype = pl.Map(pl.String(), pl.Int64())
    frame = pl.DataFrame({"m": pl.Series(values, dtype=dtype)})
    assert table_digest(frame) == oracle({"m": (values, dtype)})


@pytest.mark.parametrize("rows", [CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 1, 2 * CHUNK_ROWS + 3])
def test_chunks_lie_on_the_grid_of_the_table_not_of_the_batches(rows: int) -> None:
    numbers = [None if i % 7 == 0 else i for i in range(rows)]
    frame = pl.DataFrame({"n": numbers, "t": [str(i % 10) for i in range(rows)]})
    whole = digest_frames(frame.schema, [frame])
    pieces = [frame[i : i + 9_999] for i in range(0, rows, 9_999)]
    assert digest_frames(frame.schema, pieces) == whole
    assert whole.id == oracle(
        {"n": (numbers, pl.Int64()), "t": (frame["t"].to_list(), pl.String())}
    )
    assert {len(column.chunks) for column in whole.columns} == {-(-rows // CHUNK_ROWS)}


def _whole(frame: pl.DataFrame) -> TableDigest:
    return digest_frames(frame.schema, [frame])


@pytest.mark.parametrize("old_rows", [0, 1, CHUNK_ROWS - 1, CHUNK_ROWS, CHUNK_ROWS + 5])
def test_an_append_hashes_only_the_last_partial_chunk_and_the_new_rows(old_rows: int) -> None:
    frame = pl.DataFrame(
        {"n": range(old_rows + 1_000), "f": pl.Series([0.5]).new_from_index(0, old_rows + 1_000)}
    )
    old = _whole(frame[:old_rows])
    hasher = TableHasher.resume(frame.schema, [column.chunks for column in old.columns], old.rows)
    assert hasher.rows == old_rows // CHUNK_ROWS * CHUNK_ROWS
    hasher.update(frame[hasher.rows :])
    assert hasher.finish() == _whole(frame)


def test_resuming_with_the_chunks_of_another_table_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="chunks given are"):
        TableHasher.resume({"a": pl.Int64()}, [["00"]], 3 * CHUNK_ROWS)


def test_the_digest_of_some_columns_needs_no_rows() -> None:
    frame = pl.DataFrame({"a": [1, 2], "b": ["x", None], "c": [1.5, NAN]})
    whole = _whole(frame)
    assert whole.select(["c", "a"]) == _whole(frame.select("c", "a"))
    with pytest.raises(NotFoundError, match="no column 'd'"):
        whole.select(["d"])


A = pl.Series([1, None, 3])
SAME = [
    (pl.Series(["a", "b", None]), pl.Series(["a", "b", None], dtype=pl.Categorical)),
    (pl.Series(["a", "b", None]), pl.Series(["a", "b", None], dtype=pl.Enum(["b", "a"]))),
    (A.cast(pl.Datetime("ms")), A.cast(pl.Datetime("ms")).cast(pl.Datetime("ns"))),
    (A.cast(UTC_US), A.cast(UTC_US).dt.convert_time_zone("Asia/Tokyo")),
    (A.cast(pl.Decimal(10, 2)), A.cast(pl.Decimal(38, 2))),
    (pl.Series([[1, 2]], dtype=pl.List(pl.Int8)), pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2))),
    (pl.Series([NAN]), pl.Series([0x7FF8_0000_0000_0001]).reinterpret(dtype=pl.Float64)),
]
OTHER = [
    (pl.Series([0.0]), pl.Series([-0.0])),
    (pl.Series([NAN]), pl.Series([None], dtype=pl.Float64)),
    (pl.Series([""]), pl.Series([None], dtype=pl.String)),
    (pl.Series(["ab", "c"]), pl.Series(["a", "bc"])),
    (pl.Series([1, 2]), pl.Series([2, 1])),
    (pl.Series([1]), pl.Series([1], dtype=pl.Int32)),
    (pl.Series(["a"]), pl.Series([b"a"])),
    (A.cast(UTC_US), A.cast(pl.Datetime("us"))),
    (A.cast(pl.Datetime("ns")), pl.Series([2, None, 3]).cast(pl.Datetime("ns"))),
    (pl.Series([[None]], dtype=pl.List(pl.Int8)), pl.Series([[]], dtype=pl.List(pl.Int8))),
    (
        pl.Series([{"a": None}], dtype=pl.Struct({"a": pl.Int8})),
        pl.Series([None], dtype=pl.Struct({"a": pl.Int8})),
    ),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_how_a_value_is_stored_does_not_matter(one: pl.Series, two: pl.Series) -> None:
    assert table_digest(pl.DataFrame({"c": one})) == table_digest(pl.DataFrame({"c": two}))


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_what_a_value_means_does(one: pl.Series, two: pl.Series) -> None:
    assert table_digest(pl.DataFrame({"c": one})) != table_digest(pl.DataFrame({"c": two}))


class Kelvin(pl.BaseExtension):
    def __init__(self) -> None:
        super().__init__("test.kelvin", pl.Float64, None)


def test_an_extension_type_is_its_storage() -> None:
    plain = pl.Series("t", [1.5, -0.0, NAN, None])
    extended = plain.ext.to(Kelvin()).to_frame()
    assert table_digest(extended) == table_digest(plain.to_frame())
    assert type_text(extended.schema["t"]) == "double"


def test_what_lies_under_a_null_does_not_matter() -> None:
    hidden = pl.DataFrame({"a": [1, 2], "l": [[1, 2], [3]]}).select(
        pl.when(pl.Series([True, False])).then(pl.struct("a", "l")).alias("s"),
        pl.when(pl.Series([False, True])).then("l").alias("l"),
    )
    plain = pl.DataFrame({"s": [{"a": 1, "l": [1, 2]}, None], "l": [None, [3]]})
    assert table_digest(hidden) == table_digest(plain)


@pytest.mark.parametrize("dtype", [pl.Int128(), pl.Object(), pl.List(pl.UInt128)])
def test_a_type_without_identity_is_refused_by_the_name_of_its_column(dtype) -> None:
    with pytest.raises(InvalidInputError, match="column 'wide'") as raised:
        TableHasher({"wide": dtype})
    assert raised.value.fix


def test_a_time_beyond_microseconds_is_refused_by_the_name_of_its_column() -> None:
    frame = pl.DataFrame({"far": pl.Series([2**62]).cast(pl.Datetime("ms"))})
    with pytest.raises(InvalidInputError, match="'far'"):
        table_digest(frame)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"a": [1]}), "no column 'b'"),
        (pl.DataFrame({"a": [1], "b": [1]}), "'b' is Int64 in these rows, but String"),
        (pl.DataFrame({"b": ["x"], "a": [1]}), "columns b, a"),
    ],
)
def test_a_batch_with_other_columns_is_refused(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        TableHasher({"a": pl.Int64(), "b": pl.String()}).update(frame)
