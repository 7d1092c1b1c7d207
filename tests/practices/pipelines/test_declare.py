"""Steps and pipelines as they are declared, without a record."""

from datetime import UTC, date, datetime, timedelta
from enum import Enum

import pytest

from tidemill.core.errors import InvalidInputError, UsageError
from tidemill.practices.pipelines.candidate import candidate
from tidemill.practices.pipelines.data import data
from tidemill.practices.pipelines.declare import pipeline, step
from tidemill.practices.pipelines.figures import figure
from tidemill.practices.pipelines.outputs import load
from tidemill.practices.pipelines.parameters import arguments_of


@step
def halves(rows: list, share: float = 0.5) -> tuple[list, list]:
    """Cut rows in two."""
    cut = int(len(rows) * share)
    figure("cut", cut)
    return rows[:cut], rows[cut:]


@step(version=2, threads=4, timeout="20m", seed=3)
def total(rows: list) -> int:
    return sum(rows)


class Colour(Enum):
    RED = 1


@pipeline
def flow(  # noqa: PLR0917
    until: date,
    trees: int = 200,
    rate: float = 0.1,
    fast: bool = False,
    at: datetime | None = None,
    names: tuple[str, ...] = (),
    colour: Colour = Colour.RED,
    ttl: timedelta = timedelta(days=1),
    text: str = "x",
):
    return until


def test_a_step_is_a_plain_function_outside_a_pipeline() -> None:
    assert halves([1, 2, 3, 4]) == ([1, 2], [3, 4])
    assert load(total([1, 2])) == 3
    assert halves.__doc__ == "Cut rows in two."
    assert (halves.name, halves.outputs, total.outputs) == (
        "halves", ("result 1", "result 2"), ("result",),
    )  # fmt: skip


def test_options_of_a_step_are_kept() -> None:
    options = total.options
    assert (options.version, options.threads, options.timeout_s, options.seed) == (2, 4, 1200.0, 3)


@pytest.mark.parametrize(("args", "says"), [((), "rows"), (([], 1, 2), "too many"), (([], 1), "")])
def test_arguments_that_do_not_fit_name_step_and_parameter(args, says) -> None:
    if not says:
        assert halves.bind(args, {}) == {"rows": [], "share": 1}
        return
    with pytest.raises(InvalidInputError, match=says) as caught:
        halves.bind(args, {})
    assert "step halves" in caught.value.what
    assert "share" in caught.value.fix


def test_a_step_that_no_worker_can_find_is_refused() -> None:
    @step
    def inner() -> int:
        return 1

    with pytest.raises(InvalidInputError, match="cannot be found by a worker"):
        inner.require_findable()


def test_what_belongs_into_a_pipeline_says_so_elsewhere() -> None:
    with pytest.raises(UsageError, match="belongs into a pipeline"):
        data("flights")
    with pytest.raises(UsageError, match="belongs into a pipeline"):
        candidate("delay", object())


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("until", "2013-04-01", date(2013, 4, 1)),
        ("trees", "300", 300),
        ("rate", "1e-3", 0.001),
        ("fast", "yes", True),
        ("fast", "False", False),
        ("at", "2013-04-01T06:30", datetime(2013, 4, 1, 6, 30, tzinfo=UTC)),
        ("at", "none", None),
        ("names", "a, b", ("a", "b")),
        ("colour", "RED", Colour.RED),
        ("ttl", "36h", timedelta(hours=36)),
        ("text", "007", "007"),
    ],
)
def test_parameters_from_the_command_line_get_their_type(name, text, value) -> None:
    given = {"until": "2013-01-01", name: text}
    assert arguments_of(flow, given)[name] == value


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "needs until"),
        ({"until": "2013-04-01", "treees": "3"}, "no parameter 'treees'"),
        ({"until": "yesterday"}, "--until of pipeline flow takes date, not 'yesterday'"),
        ({"until": "2013-04-01", "trees": "3.5"}, "takes int, not '3.5'"),
        ({"until": "2013-04-01", "fast": "maybe"}, "takes bool"),
    ],
)
def test_wrong_parameters_name_themselves_and_the_right_ones(given, says) -> None:
    with pytest.raises(UsageError) as caught:
        arguments_of(flow, given)
    assert says in caught.value.what
    assert "until" in caught.value.fix


def test_a_pipeline_lists_its_parameters() -> None:
    first, second = flow.parameters[:2]
    assert (first.name, first.type, first.is_needed) == ("until", "date", True)
    assert (second.name, second.type, second.default) == ("trees", "int", "200")
