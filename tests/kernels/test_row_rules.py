"""Row rules: Polars and NumPy agree row for row; missing passes, NaN fails."""

import math

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import given

from tidemill.core.errors import InvalidInputError
from tidemill.kernels import row_rules
from tidemill.kernels.row_rules_numpy import failed_numpy
from tidemill.kernels.row_rules_polars import DTYPES, failed_polars

TYPES = {
    "i": "int", "j": "int", "f": "float", "g": "float", "s": "str", "u": "str", "b": "bool",
    "c": "bool", "t": "datetime", "v": "datetime", "d": "date",
}  # fmt: skip
INTS = st.integers(-(2**40), 2**40) | st.integers(-3, 3)
FLOATS = st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=4) | st.sampled_from(
    ["a", "EWR"]
)
MOMENTS = st.integers(0, 2 * 10**15) | st.sampled_from([0, 1_356_998_400_000_000])
VALUES = {
    "int": INTS, "float": FLOATS, "str": TEXTS, "bool": st.booleans(), "datetime": MOMENTS,
    "date": st.integers(0, 20_000),
}  # fmt: skip


@st.composite
def tables(draw):
    rows = draw(st.integers(0, 6))
    return {
        name: draw(st.lists(st.none() | VALUES[type_], min_size=rows, max_size=rows))
        for name, type_ in TYPES.items()
    }


def of_type(type_: str):
    return [name for name, known in TYPES.items() if known == type_]


def numbers():
    leaves = st.sampled_from(["i", "j", "f", "g", "0", "1", "2.5", "-3", "1e300"])
    return st.recursive(
        leaves,
        lambda p: st.builds("({} {} {})".format, p, st.sampled_from("+-*/"), p),
        max_leaves=4,
    )


def compared(side):
    ops = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    return st.builds("{} {} {}".format, side, ops, side)


def conditions():
    leaves = st.one_of(
        compared(numbers()),
        compared(st.sampled_from(["s", "u", "'EWR'", "''"])),
        compared(st.sampled_from(["t", "v"])),
        st.sampled_from(
            [
                "b",
                "c",
                "b == c",
                "t >= '2013-01-01'",
                "d < '2013-01-01'",
                "t - v < 1000",
                "i in (1, 2, 3)",
                "s not in ['a', 'EWR']",
                "0 <= i < j",
                "f in (0, 1)",
            ]
        ),
        st.builds(
            "{} is {}".format, st.sampled_from(list(TYPES)), st.sampled_from(["None", "not None"])
        ),
    )
    return st.recursive(
        leaves,
        lambda p: (
            st.builds("({} {} {})".format, p, st.sampled_from(["and", "or"]), p)
            | st.builds("not ({})".format, p)
        ),
        max_leaves=5,
    )


@st.composite
def rules(draw):  # noqa: PLR0911 - one a kind of rule
    kind = draw(
        st.sampled_from(["expression", "not_null", "not_nan", "between", "one_of", "pattern"])
    )
    if kind == "expression":
        text = draw(conditions().filter(lambda text: any(name in text for name in TYPES)))
        try:
            return row_rules.expression("rule", text, TYPES)
        except InvalidInputError:  # only literals, such as 0 < 1
            return row_rules.not_null("i", "int")
    if kind == "not_nan":
        return row_rules.not_nan("f")
    if kind == "pattern":
        return row_rules.pattern(
            "s", "str", draw(st.sampled_from([r"[A-Z]{3}", ".*", r"a|\d+", "[^a]?"]))
        )
    type_ = draw(st.sampled_from(["int", "float"] if kind == "between" else list(TYPES.values())))
    column = draw(st.sampled_from(of_type(type_)))
    if kind == "not_null":
        return row_rules.not_null(column, type_)
    known = VALUES[type_].filter(lambda v: not isinstance(v, float) or math.isfinite(v))
    if kind == "one_of":
        if type_ in ("datetime", "date"):
            return row_rules.one_of(column, type_, ["2013-01-01"])
        return row_rules.one_of(column, type_, draw(st.lists(known, min_size=1, max_size=3)))
    low, high = sorted([draw(known), draw(known)])
    return row_rules.between(column, type_, low, high)


def as_frame(table):
    plain = {"datetime": pl.Int64(), "date": pl.Int32()}
    return pl.DataFrame(
        [
            pl.Series(name, table[name], dtype=plain.get(type_, DTYPES[type_])).cast(DTYPES[type_])
            for name, type_ in TYPES.items()
        ]
    )


def as_arrays(table):
    kinds = {"str": object, "float": np.float64, "bool": np.bool_}
    columns, valid = {}, {}
    for name, type_ in TYPES.items():
        valid[name] = np.array([v is not None for v in table[name]], dtype=np.bool_)
        absent = None if type_ == "str" else 0
        filled = [absent if v is None else v for v in table[name]]
        columns[name] = np.array(filled, dtype=kinds.get(type_, np.int64))
    return columns, valid


@given(tables(), rules())
def test_polars_and_numpy_agree_on_every_row(table, rule) -> None:
    by_polars = as_frame(table).select(failed_polars(rule))[rule.name].to_list()
    assert failed_numpy(rule, *as_arrays(table)).tolist() == by_polars


@given(tables(), rules())
def test_a_rule_of_one_column_passes_where_it_is_missing_and_fails_where_it_is_nan(table, rule):
    failed = failed_numpy(rule, *as_arrays(table)).tolist()
    for row, has_failed in enumerate(failed):
        values = [table[name][row] for name, _ in rule.columns]
        if any(isinstance(v, float) and math.isnan(v) for v in values) and rule.kind != "not_null":
            assert has_failed
        elif len(values) == 1 and values[0] is None and rule.kind != "expression":
            assert has_failed == (rule.kind == "not_null")


@given(rules())
def test_rules_survive_the_way_to_a_model_server(rule) -> None:
    assert row_rules.decode_request_rules(row_rules.encode_request_rules([rule])) == (rule,)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nothing > 1", "no column"),
        ("i + 1", "not a truth value"),
        ("__import__('os').system('x') == 1", "grammar"),
        ("s > 1", "compares str and int"),
        ("i.real == 1", "grammar"),
        ("i ** 2 > 1", "operator"),
        ("(lambda: 1) == 1", "grammar"),
        ("b < c", "orders truth values"),
        ("1 is None", "COLUMN is None"),
        ("i >", "cannot be read"),
        ("i > 99999999999999999999", "is no int"),
    ],
)
def test_what_is_outside_the_grammar_is_refused_with_its_reason(text, told) -> None:
    with pytest.raises(InvalidInputError, match=told) as caught:
        row_rules.expression("rule", text, TYPES)
    assert caught.value.fix


@given(st.text("ab19-[]()|*+?{},\\dw.^$ &~#<", max_size=8), st.text("ab19-& \n", max_size=4))
def test_a_pattern_that_is_taken_means_the_same_to_both_engines(text, value) -> None:
    try:
        rule = row_rules.pattern("s", "str", text)
    except InvalidInputError:
        return
    frame = pl.DataFrame({"s": [value]})
    failed = frame.select(failed_polars(rule))[rule.name].to_list()
    valid = {"s": np.array([True])}
    assert failed_numpy(rule, {"s": np.array([value], dtype=object)}, valid).tolist() == failed


@pytest.mark.parametrize(
    "text", [r"(?i)a", r"a(?=b)", r"\bword", "a*?", "a++", "[]a]", "(", r"(a)\1"]
)
def test_a_pattern_that_engines_read_differently_is_refused(text) -> None:
    with pytest.raises(InvalidInputError):
        row_rules.pattern("s", "str", text)


@pytest.mark.parametrize(
    ("type_", "bounds"),
    [
        ("int", (2, 1)),
        ("str", (1, 2)),
        ("int", (None, None)),
        ("int", (0.5, 1)),
        ("float", (math.nan, 1)),
        ("datetime", ("yesterday", None)),
    ],
)
def test_a_range_that_cannot_be_meant_is_refused(type_, bounds) -> None:
    with pytest.raises(InvalidInputError):
        row_rules.between("x", type_, *bounds)
