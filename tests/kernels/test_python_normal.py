"""The normal form of Python: equal where nothing but names of locals, layout and notes differ."""

import ast
import keyword

from hypothesis import given
from hypothesis import strategies as st

from tidemill.kernels.python_literals import literal, spelled
from tidemill.kernels.python_normal import normal_digest_of
from tidemill.kernels.python_statements import take_apart

NAMES = st.from_regex(r"[a-z]{1,6}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name) and name not in {"x", "f", "len"}
)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3),
    max_leaves=6,
)


def digest(source: str) -> str:
    (node,) = ast.parse(source).body
    return normal_digest_of(node)


def function(one: str, other: str, *, swapped: bool = False) -> str:
    first, second = (other, one) if swapped else (one, other)
    return (
        f"def f(x):\n    {one} = x + 1\n    {other} = [{one} for {one} in range({one})]\n"
        f"    return {first}, {second}\n"
    )


@given(NAMES, NAMES, NAMES, NAMES)
def test_what_locals_are_called_does_not_count_and_which_is_which_does(a, b, c, d) -> None:
    if a != b and c != d:
        assert digest(function(a, b)) == digest(function(c, d))
        assert digest(function(a, b)) != digest(function(a, b, swapped=True))


@given(NAMES, NAMES)
def test_names_of_parameters_globals_and_attributes_count(a, b) -> None:
    for form in ("def f({0}):\n    return {0}\n", "def f(x):\n    return {0}\n", "x.{0}\n"):
        assert (digest(form.format(a)) == digest(form.format(b))) == (a == b)


@given(NAMES, NAMES)
def test_a_local_that_a_text_names_is_not_renamed(a, b) -> None:
    form = "def f(x):\n    {0} = 1\n    return x.query('@{0}')\n"
    assert (digest(form.format(a)) == digest(form.format(b))) == (a == b)


@given(PLAIN, PLAIN)
def test_plain_values_are_spelled_alike_exactly_when_they_are_the_same(one, other) -> None:
    assert (spelled(one) == spelled(other)) == (_typed(one) == _typed(other))


def _typed(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(_typed(item) for item in value)
    if isinstance(value, frozenset):
        return frozenset(_typed(item) for item in value)
    return type(value).__name__, repr(value)


@given(st.tuples(st.integers(), st.text(), st.booleans(), st.none()))
def test_a_constant_counts_by_what_it_is_worth(value) -> None:
    node = ast.parse(repr(value), mode="eval").body
    assert literal(node) == spelled(value)


@given(st.integers(-1000, 1000), st.integers(-1000, 1000))
def test_a_sum_of_literals_is_a_constant(a, b) -> None:
    (added,) = take_apart(f"N = {a} + {b}".encode()).statements
    assert added.value == spelled(a + b)


@given(st.permutations(["def a():\n    return 1\n", "def b():\n    return 2\n", "K = 3\n"]))
def test_statements_are_the_same_wherever_they_stand(order) -> None:
    found = {one.name: one for one in take_apart("".join(order).encode()).statements}
    again = {one.name: one for one in take_apart("".join(reversed(order)).encode()).statements}
    assert found == again


def test_a_module_that_does_not_parse_is_known_by_its_bytes() -> None:
    assert take_apart(b"def (").digest != take_apart(b"def ((").digest
    assert not take_apart(b"def (").is_sound
