"""A memo entry that was rewritten is never adopted: the step runs again, and the audit tells."""

import sqlite3

import pytest

from tidemill.core.query import EdgeRow, Query, Where
from tidemill.lineage.journal import verify_journal

FLOW = """
@step
def half(x: int) -> int:
    return x // 2

@step
def double(x: int) -> int:
    return x * 2

@pipeline
def flow(x: int = 8):
    half(x), double(x)
"""


def tamper(mill, statement: str) -> None:
    connection = sqlite3.connect(mill.folder / ".tidemill" / "ledger.db")
    with connection:
        assert connection.execute(statement).rowcount >= 1
    connection.close()


def states(mill) -> list[str]:
    return [line.state for line in mill.run().steps]


def made(mill, run) -> set[str]:
    where = (Where("run", "=", run), Where("role", "=", "made"))
    return {edge.artifact for edge in mill.record.ports.ledger.find(Query(EdgeRow, where=where))}


def wheres(mill) -> list[str]:
    return [problem.where for problem in verify_journal(mill.record).problems]


STEPS = "key LIKE 'memo:%' AND key NOT LIKE 'memo:pipeline:%'"
OTHERS_RUN = (
    f"UPDATE unique_key SET run = (SELECT max(run) FROM unique_key WHERE {STEPS})"
    f" WHERE {STEPS} AND run = (SELECT min(run) FROM unique_key WHERE {STEPS})"
)
OTHERS_RESULT = (
    "UPDATE edge SET artifact = (SELECT max(artifact) FROM edge WHERE role = 'made')"
    " WHERE role = 'made' AND artifact = (SELECT min(artifact) FROM edge WHERE role = 'made')"
)


def test_an_untouched_memo_is_adopted_and_its_keys_are_in_the_journal(mill) -> None:
    mill.write(FLOW)
    assert states(mill) == ["done", "done"]
    assert states(mill) == ["reused", "reused"]
    assert wheres(mill) == []


@pytest.mark.parametrize(
    ("statement", "told"), [(OTHERS_RUN, "unique key memo:"), (OTHERS_RESULT, "edges, figures")]
)
def test_a_key_or_a_result_that_was_rewritten_is_told_and_the_step_runs_again(
    mill, statement, told
) -> None:
    mill.write(FLOW)
    first = mill.run()
    results = [made(mill, line.run) for line in first.steps]
    tamper(mill, statement)
    assert [where for where in wheres(mill) if where.startswith(told)]
    again = mill.run()
    assert sorted(line.state for line in again.steps) == ["done", "reused"]
    assert [made(mill, line.run) for line in again.steps] == results
    assert states(mill) == ["reused", "reused"]


def test_a_key_that_was_emptied_is_told_and_is_whole_after_the_next_run(mill) -> None:
    mill.write(FLOW)
    mill.run()
    tamper(mill, f"DELETE FROM unique_key WHERE {STEPS}")
    assert len([where for where in wheres(mill) if where.startswith("unique key memo:")]) == 2
    assert states(mill) == ["done", "done"]
    assert wheres(mill) == []


def test_the_key_of_a_whole_run_that_was_rewritten_lets_it_register_again(mill) -> None:
    mill.write(FLOW)
    first = mill.run()
    tamper(
        mill,
        "UPDATE unique_key SET run = (SELECT max(run) FROM unique_key)"
        " WHERE key LIKE 'memo:pipeline:%'",
    )
    assert len(wheres(mill)) == 1
    again = mill.run()
    assert (again.is_reused, again.run == first.run) == (False, False)
    assert mill.run().run == again.run
    assert wheres(mill) == []
