"""A verdict's key that was rewritten is not relied on: the gate judges again, and says so."""

import sqlite3
from datetime import UTC, datetime

import polars as pl
import pytest

from tidemill.core.check import Finding
from tidemill.core.errors import CorruptError
from tidemill.lineage.journal import verify_journal
from tidemill.practices.integration.verdicts import Judged, Question, ask
from tidemill.practices.versioning.data import ingest

KEY = "SELECT max(run) FROM unique_key WHERE key LIKE 'check:%'"

TO_ANOTHER = f"UPDATE unique_key SET run = ({KEY}) WHERE key LIKE 'check:%'"
TO_NOBODY = "DELETE FROM unique_key WHERE key LIKE 'check:%'"
OTHERS_VERDICT = (
    "UPDATE edge SET artifact = (SELECT artifact FROM edge WHERE role = 'made'"
    f" AND run = ({KEY})) WHERE role = 'made'"
)


@pytest.fixture
def judged(record):
    version = ingest(record, "sales", pl.DataFrame({"id": [1]})).version
    return (Judged(artifact=version.artifact, source=version.run),)


def tamper(project, statement: str) -> None:
    connection = sqlite3.connect(project / ".tidemill" / "ledger.db")
    with connection:
        assert connection.execute(statement).rowcount >= 1
    connection.close()


def gate(record, judged, state: str, memo: str):
    asked = []

    def judge():
        asked.append(memo)
        return [Finding(rule="it", state=state, what="", fix="mend it")]

    answer = ask(record, Question(check="g", subject="s", judged=judged, memo=(memo,)), judge)
    return answer.state, bool(asked)


@pytest.mark.parametrize(
    ("statement", "is_judged_anew"),
    [(TO_ANOTHER, True), (TO_NOBODY, True)],
)
def test_a_rewritten_record_never_turns_a_failing_gate_into_a_passing_one(
    record, project, judged, statement, is_judged_anew
) -> None:
    assert gate(record, judged, "fail", "strict") == ("fail", True)
    assert gate(record, judged, "pass", "loose") == ("pass", True)
    tamper(project, statement)
    assert gate(record, judged, "fail", "strict") == ("fail", is_judged_anew)
    assert gate(record, judged, "fail", "strict") == ("fail", False)


def test_a_gate_on_runs_that_made_something_else_is_refused(record, project, judged) -> None:
    gate(record, judged, "fail", "strict")
    gate(record, judged, "pass", "loose")
    tamper(project, OTHERS_VERDICT)
    with pytest.raises(CorruptError, match="is not what its seal says"):
        gate(record, judged, "fail", "strict")


def test_the_gate_that_was_judged_anew_has_its_key_again(record, project, judged) -> None:
    gate(record, judged, "fail", "strict")
    gate(record, judged, "pass", "loose")
    tamper(project, TO_ANOTHER)
    assert len(verify_journal(record).problems) == 1
    gate(record, judged, "fail", "strict")
    assert not verify_journal(record).problems


def test_rows_that_came_are_not_added_twice_if_a_key_was_rewritten(record, project) -> None:
    first = pl.DataFrame({"id": [1, 2]})
    ingest(record, "sales", first, append=True)
    ingest(record, "sales", pl.DataFrame({"id": [3]}), append=True)
    tamper(project, "DELETE FROM unique_key WHERE key LIKE 'delivery:%'")
    again = ingest(record, "sales", first, append=True, at=datetime(2026, 1, 1, tzinfo=UTC))
    assert (again.is_new, again.version.number) == (False, 1)
