"""Running pipelines: memo, branches, failures, what the record holds afterwards."""

import re
from datetime import UTC, date, datetime

import polars as pl
import pytest

from tidemill.core.errors import InvalidInputError, NotFoundError, StepFailedError, UsageError
from tidemill.core.query import Figure, Note, Query, Where
from tidemill.core.run import Run
from tidemill.lineage.journal import verify_journal
from tidemill.practices.pipelines import codecs
from tidemill.practices.versioning.data import ingest

NOTE = """
from pathlib import Path

def note(text):
    with open(Path(__file__).parent / "bodies", "a") as file:
        file.write(f"{text}\\n")

"""


def states(result) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in result.steps:
        found.setdefault(line.name, []).append(line.state)
    return found


def runs(record, kind="step") -> list[Run]:
    return record.ports.ledger.find(Query(Run, where=(Where("kind", "=", kind),)))


CHAIN = (
    NOTE
    + """
@step
def numbers(n: int) -> list:
    note("numbers")
    return list(range(n))

@step
def total(rows: list, times: int = 1) -> int:
    note("total")
    return sum(rows) * times

@pipeline
def flow(n: int = 4, times: int = 1):
    total(numbers(n), times=times)
"""
)


def test_a_second_run_computes_nothing_and_writes_nothing(mill) -> None:
    mill.write(CHAIN)
    first = mill.run()
    assert states(first) == {"numbers": ["done"], "total": ["done"]}
    head = verify_journal(mill.record)
    second = mill.run()
    assert second.is_reused
    assert second.run == first.run
    assert "unchanged, same as run:" in str(second)
    assert states(second) == {"numbers": ["reused"], "total": ["reused"]}
    assert mill.bodies == ["numbers", "total"]
    assert verify_journal(mill.record) == head


def test_only_what_depends_on_a_parameter_runs_again(mill) -> None:
    mill.write(CHAIN)
    mill.run()
    result = mill.run(params={"times": "3"})
    assert states(result) == {"numbers": ["reused"], "total": ["done"]}
    assert not result.is_reused


def test_a_default_that_is_given_is_the_default(mill) -> None:
    mill.write(CHAIN)
    first = mill.run()
    assert mill.run(params={"times": "1", "n": "4"}).run == first.run


def test_an_edit_runs_again_and_a_comment_does_not(mill) -> None:
    mill.write(CHAIN)
    mill.run_elsewhere()
    mill.write(CHAIN.replace("sum(rows) * times", "sum(rows) * times  # why not"))
    assert mill.run_elsewhere()["is_reused"]
    mill.write(CHAIN.replace("sum(rows)", "sum(rows) + 1"))
    states = {step["name"]: step["state"] for step in mill.run_elsewhere()["steps"]}
    assert set(states.values()) == {"done", "reused"}, "only what the edit reaches"


def test_an_edit_under_a_running_process_is_refused(mill) -> None:
    mill.write(CHAIN)
    mill.run()
    mill.write(CHAIN.replace("sum(rows)", "sum(rows) + 1"))
    with pytest.raises(Exception, match="changed after this process had loaded it"):
        mill.run()


def test_a_plan_says_what_would_run_and_writes_nothing(mill) -> None:
    mill.write(CHAIN)
    planned = mill.run(plan=True)
    assert states(planned) == {"numbers": ["run"], "total": ["unknown"]}
    assert runs(mill.record) == []
    mill.run()
    planned = mill.run(plan=True, params={"times": "2"})
    assert states(planned) == {"numbers": ["reused"], "total": ["run"]}
    assert mill.bodies == ["numbers", "total"]


def test_the_record_says_who_ran_what_on_what_and_why(mill) -> None:
    mill.write(CHAIN)
    result = mill.run(because="to see", at=datetime(2013, 4, 1, tzinfo=UTC))
    (pipeline_run,) = runs(mill.record, "pipeline")
    assert (pipeline_run.id, pipeline_run.status) == (result.run, "done")
    assert (pipeline_run.because, pipeline_run.params) == ("to see", {"n": 4, "times": 1})
    assert pipeline_run.at == datetime(2013, 4, 1, tzinfo=UTC)
    numbers, total = sorted(runs(mill.record), key=lambda run: run.name)
    assert {numbers.parent, total.parent} == {result.run}
    assert numbers.code == total.code == pipeline_run.code is not None
    assert total.params == {"times": 1}
    (used,) = [
        edge for edge in mill.record.ports.ledger.edges([total.id], "up", 1) if edge.name == "rows"
    ]
    assert used.source == numbers.id
    figures = mill.record.ports.ledger.find(Query(Figure, where=(Where("run", "=", total.id),)))
    assert {one.key for one in figures} == {"time.wall_s", "time.cpu_s", "memory.peak_bytes"}
    assert verify_journal(mill.record).problems == ()


def test_a_pipeline_may_branch_on_a_result(mill) -> None:
    mill.write(
        CHAIN
        + """
@step
def big() -> str:
    return "big"

@pipeline
def branch(n: int):
    if total(numbers(n)).load() > 5:
        big()
"""
    )
    assert set(states(mill.run("branch", params={"n": "3"}))) == {"numbers", "total"}
    assert set(states(mill.run("branch", params={"n": "9"}))) == {"numbers", "total", "big"}
    planned = mill.run("branch", params={"n": "5"}, plan=True)
    assert "depends on the result of step total" in str(planned)


def test_a_tuple_annotation_gives_one_output_an_element(mill) -> None:
    mill.write("""
    import polars as pl

    @step
    def split(n: int) -> tuple[pl.DataFrame, dict]:
        return pl.DataFrame({"x": range(n)}), {"rows": n}

    @step
    def check(frame: pl.LazyFrame, about: dict) -> bool:
        assert isinstance(frame, pl.LazyFrame)
        return frame.collect().height == about["rows"]

    @pipeline
    def flow():
        frame, about = split(10)
        assert check(frame, about).load() is True
    """)
    assert states(mill.run()) == {"split": ["done"], "check": ["done"]}
    assert mill.run().is_reused


def test_a_reference_used_as_a_value_says_what_to_do(mill) -> None:
    mill.write(CHAIN + "\n@pipeline\ndef wrong():\n    if total([1]) > 3: pass\n")
    with pytest.raises(UsageError, match=r"call .load\(\) on it"):
        mill.run("wrong")


def test_equal_calls_are_computed_once(mill) -> None:
    mill.write(CHAIN + "\n@pipeline\ndef twice():\n    for _ in range(5): total(numbers(3))\n")
    result = mill.run("twice")
    assert states(result)["total"].count("done") == 1
    assert mill.bodies == ["numbers", "total"]


FAILING = (
    NOTE
    + """
@step
def good(n: int) -> int:
    note(f"good{n}")
    return n

@step
def bad(n: int) -> int:
    print("just before")
    raise ValueError(f"no {n}")

@step
def after(n: int) -> int:
    note("after")
    return n

@pipeline
def flow():
    after(bad(good(1)))
    for n in range(2, 8):
        good(n)
"""
)


def test_siblings_of_a_failed_step_are_kept_and_what_depends_on_it_is_skipped(mill) -> None:
    mill.write(FAILING)
    with pytest.raises(StepFailedError) as caught:
        mill.run()
    assert "step bad failed: flow.py:19: ValueError: no 1" in caught.value.what
    assert "just before" in caught.value.what
    assert sorted(mill.bodies) == [f"good{n}" for n in range(1, 8)]
    (failed,) = [run for run in runs(mill.record) if run.status == "failed"]
    assert failed.name == "bad"
    assert "ValueError: no 1" in failed.error
    (pipeline_run,) = runs(mill.record, "pipeline")
    assert pipeline_run.status == "failed"
    (note,) = mill.record.ports.ledger.find(Query(Note, where=(Where("key", "=", "output"),)))
    assert note.text == "just before\n"


def test_a_failure_is_never_remembered_and_the_rest_is(mill) -> None:
    mill.write(FAILING)
    for _ in range(2):
        with pytest.raises(StepFailedError):
            mill.run()
    assert [run.status for run in runs(mill.record)].count("failed") == 2
    assert len(mill.bodies) == 7


def test_an_error_of_the_pipeline_function_names_its_line_and_keeps_steps(mill) -> None:
    mill.write(
        CHAIN
        + "\n@pipeline\ndef wrong():\n    total(numbers(2)).load()\n    raise KeyError('oh')\n"
    )
    with pytest.raises(InvalidInputError, match=r"KeyError: 'oh' \(.*flow.py:\d+\)"):
        mill.run("wrong")
    assert states(mill.run(params={"n": "2"})) == {"numbers": ["reused"], "total": ["reused"]}


def test_a_worker_that_dies_is_tried_once_more(mill) -> None:
    mill.write(
        NOTE
        + """
import os, signal

@step
def fragile() -> int:
    note("try")
    if (Path(__file__).parent / "bodies").read_text().count("try") == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return 1

@step
def hopeless() -> int:
    os._exit(4)

@pipeline
def flow():
    fragile()

@pipeline
def never():
    hopeless()
"""
    )
    assert states(mill.run()) == {"fragile": ["done"]}
    with pytest.raises(StepFailedError, match="its worker process ended by itself with status 4"):
        mill.run("never")


def test_a_step_over_its_time_fails(mill) -> None:
    mill.write("""
    import time

    @step(timeout="300ms")
    def slow() -> int:
        time.sleep(60)

    @pipeline
    def flow():
        slow()
    """)
    with pytest.raises(StepFailedError, match=r"took longer than 0.3 s"):
        mill.run()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("total()", "step total cannot be called like this: missing a required argument: 'rows'"),
        ("total([1], tmes=2)", "unexpected keyword argument 'tmes'"),
        ("total(lambda: 1)", "rows of step total holds the function wrong.<locals>.<lambda>"),
        ("total(__file__)", "rows of step total is the file"),
        ("total([1] * 1_000_000)", "rows of step total is"),
    ],
)
def test_wrong_arguments_are_found_when_planned(mill, call, says) -> None:
    mill.write(CHAIN + f"\n@pipeline\ndef wrong():\n    {call}\n")
    with pytest.raises(InvalidInputError) as caught:
        mill.run("wrong")
    assert says in caught.value.what
    assert runs(mill.record) == []


def test_an_unknown_pipeline_suggests_the_closest(mill) -> None:
    mill.write(CHAIN)
    with pytest.raises(NotFoundError) as caught:
        mill.run("flwo")
    assert "did you mean flow?" in caught.value.fix


def test_figures_of_steps_and_of_the_pipeline_are_on_their_runs(mill) -> None:
    mill.write("""
    from tidemill.practices.pipelines.figures import figure

    @step
    def train() -> int:
        for round in range(3):
            figure("loss", 1 / (round + 1), step=round)
        return 1

    @pipeline
    def flow():
        train().load()
        figure("whole", 7)
    """)
    result = mill.run()
    found = mill.record.ports.ledger.find(
        Query(Figure, where=(Where("key", "in", ("loss", "whole")),))
    )
    losses = [one.value for one in found if one.key == "loss"]
    assert losses == pytest.approx([1, 1 / 2, 1 / 3])
    assert [one.run for one in found if one.key == "whole"] == [result.run]


DATA = """
from datetime import date
import polars as pl
from tidemill.practices.pipelines.data import data

@step
def height(rows: pl.DataFrame) -> int:
    return rows.height

@step
def asks() -> int:
    return data("flights")

@pipeline
def flow(until: date | None = None):
    height(data("flights", as_of=until))

@pipeline
def inside():
    asks()

@pipeline
def missing():
    data("fligths")
"""


def add(record, rows: int, day: int) -> None:
    ingest(
        record, "flights", pl.DataFrame({"x": range(rows)}), append=False, key=(), watchers=(),
        at=datetime(2013, 4, day, tzinfo=UTC), because="",
    )  # fmt: skip


def test_data_are_taken_as_they_were_at_the_effective_time(mill) -> None:
    mill.write(DATA)
    add(mill.record, 3, 1)
    add(mill.record, 5, 10)
    objects = mill.record.ports.objects

    def height(**options) -> int:
        result = mill.run(**options)
        edges = mill.record.ports.ledger.edges([result.steps[0].run], "down", 1)
        (made,) = [edge for edge in edges if edge.role == "made"]
        from tidemill.lineage.artifacts import find_artifact

        artifact = find_artifact(mill.record, made.artifact)
        return codecs.load(objects, codecs.value_of(artifact, made.name))

    assert height() == 5
    assert height(params={"until": "2013-04-05"}) == 3
    assert height(at=datetime(2013, 4, 5, tzinfo=UTC)) == 3
    assert height(params={"until": date(2013, 4, 11)}) == 5
    (used,) = {
        edge.name
        for edge in mill.record.ports.ledger.edges([mill.run().run], "up", 1)
        if edge.name.startswith("data:")
    }
    assert used == "data:flights@2"


def test_data_inside_a_step_names_the_argument_to_add(mill) -> None:
    mill.write(DATA)
    add(mill.record, 3, 1)
    with pytest.raises(StepFailedError) as caught:
        mill.run("inside")
    assert "data('flights') is called inside step asks" in caught.value.what
    assert "give the step a parameter" in caught.value.fix


def test_data_that_is_not_there_suggests_the_closest(mill) -> None:
    mill.write(DATA)
    add(mill.record, 3, 1)
    with pytest.raises(NotFoundError) as caught:
        mill.run("missing")
    assert "data:flights" in caught.value.fix


def test_a_result_whose_bytes_are_gone_is_computed_again(mill) -> None:
    mill.write("""
    @step
    def large() -> str:
        return "x" * 100_000

    @pipeline
    def flow():
        large()
    """)
    mill.run()
    record = mill.record
    (run,) = runs(record)
    (made,) = record.ports.ledger.edges([run.id], "down", 1)
    record.ports.objects.delete([made.artifact])
    assert states(mill.run()) == {"large": ["done"]}
    assert mill.run().is_reused


RETURNS = (
    CHAIN
    + """
@pipeline
def told():
    rows = numbers(3)
    return {"sum": total(rows), "rows": 3, "all": rows}
"""
)


def test_small_values_that_a_pipeline_returns_are_shown_and_again_where_reused(mill) -> None:
    mill.write(RETURNS)
    first = mill.run("told")
    assert dict(first.returned) == {
        "result of step total": "3", "rows": "3", "result of step numbers": "[0,1,2]"
    }  # fmt: skip
    assert "result of step total: 3" in str(first)
    assert mill.run("told").returned == first.returned
    assert list(mill.run("flow").returned.values()) == ["6"]  # of its last step


def test_what_an_error_of_ours_in_a_step_asks_for_is_the_fix_itself(mill) -> None:
    mill.write(
        """
        from tidemill.core.errors import InvalidInputError

        @step
        def bad() -> int:
            raise InvalidInputError("no rows", fix="give some rows")

        @pipeline
        def flow():
            bad()
        """
    )
    with pytest.raises(StepFailedError) as caught:
        mill.run()
    assert caught.value.what.endswith("no rows")
    assert caught.value.fix.startswith("give some rows; then run the same command again")


@pytest.mark.parametrize("in_process", [False, True])
def test_a_whole_number_of_any_size_is_a_result(mill, in_process) -> None:
    mill.write(
        """
@step
def large(sign: int) -> int:
    return sign * 10**400

@step
def digits(numbers: list) -> int:
    return sum(len(str(number)) for number in numbers)

@pipeline
def flow() -> int:
    return digits([large(1), large(-1)])
"""
    )
    assert list(mill.run(in_process=in_process).returned.values()) == ["803"]


def test_an_error_whose_text_no_place_takes_is_told_with_its_line(mill) -> None:
    mill.write(
        """
@step
def broken() -> int:
    raise ValueError("boom \\ud800 \\x00 end")

@pipeline
def flow() -> None:
    broken()
"""
    )
    told = re.escape(r"flow.py:6: ValueError: boom \ud800 \x00 end")
    with pytest.raises(StepFailedError, match=told):
        mill.run()
    (failed,) = runs(mill.record)
    assert "boom" in failed.error
