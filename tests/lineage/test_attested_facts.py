"""What is promoted, compared and counted is what the journal says, whatever the tables hold."""

import sqlite3
from datetime import UTC, datetime

import pytest

from tidemill.core.check import Finding, Verdict
from tidemill.core.errors import CorruptError, NotAllowedError
from tidemill.core.facts import Keyed
from tidemill.core.policy import Policy
from tidemill.core.ref import RefName
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.attested import keys_under
from tidemill.lineage.attested_facts import (
    attested_ancestry,
    attested_newest,
    attested_run,
    require_versions,
)
from tidemill.lineage.journal import verify_journal
from tidemill.lineage.policies import judge_move, policy_ref, verdict_states
from tidemill.lineage.refs import move_alias, resolve
from tidemill.lineage.writing import opened

AT = datetime(2013, 1, 1, tzinfo=UTC)
ARTIFACT = "(SELECT id FROM node WHERE name = '{}')"


@pytest.fixture
def tamper(project):
    """Change the tables behind the back of the journal."""

    def change(statement: str) -> None:
        connection = sqlite3.connect(project / ".tidemill" / "ledger.db")
        with connection:
            assert connection.execute(statement).rowcount >= 1
        connection.close()

    return change


@pytest.fixture
def versions(record):
    """Two versions of one model, made from one table, by runs with a parameter."""
    found = []
    for number in (1, 2):
        with opened(record, kind="ingest", name="rows") as source:
            rows = source.made(put_value(record, "note", f"rows {number}"))
        params = {"until": "2013-02-01", "share": 1.0}
        with opened(record, kind="pipeline", name="delay", params=params) as run:
            run.used(rows.id, name="rows", source=source.id)
            artifact = run.made(put_value(record, "model", f"weights {number}"))
            ref = RefName(kind="model", project=record.project, name="delay")
            pending = run.version(ref, artifact, summary={"share": 1.0, "told": "0,5 ü"})
        found.append(pending.version)
    return found


def judge(record, version, state: str) -> str:
    finding = Finding(rule="bound", state=state, what="said")
    verdict = Verdict(
        check="gates", subjects=(version.artifact,), state=state, findings=(finding,), at=AT
    )
    summary = {"check": "gates", "state": state, "subject": version.artifact}
    with opened(record, kind="check", name="gates") as run:
        run.used(version.artifact, source=version.run)
        return run.made(put_value(record, "verdict", verdict, summary=summary)).id


def ask_for_gates(record, version) -> None:
    with opened(record, kind="policy", name="p") as run:
        policy = put_value(record, "policy", Policy(alias="champion", verdicts=("gates",)))
        run.version(policy_ref(version.ref, "champion"), run.made(policy))


def test_what_nobody_changed_is_attested(record, versions) -> None:
    ask_for_gates(record, versions[1])
    judge(record, versions[1], "pass")
    move_alias(record, versions[1], "champion", because="it passed")
    assert resolve(record, "model:delay@champion") == versions[1]
    require_versions(record, *versions)
    assert attested_run(record, versions[0].run).params["until"] == "2013-02-01"
    assert len(attested_ancestry(record, versions[0], 9)) == 3


PASSING = "UPDATE artifact SET summary = replace(summary, '\"fail\"', '\"pass\"')"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        (PASSING, "is not described as"),
        ("UPDATE artifact SET inline = replace(inline, '\"fail\"', '\"pass\"')", "digest of"),
        ("UPDATE artifact SET kind = 'note' WHERE kind = 'verdict'", "is not described as"),
        (f"DELETE FROM edge WHERE artifact = {ARTIFACT}", "is not what its seal says"),
    ],
)
def test_a_verdict_that_was_rewritten_moves_no_alias(
    record, versions, tamper, statement, told
) -> None:
    ask_for_gates(record, versions[0])
    verdict = judge(record, versions[0], "fail")
    with pytest.raises(NotAllowedError, match="says fail"):
        judge_move(record, versions[0], "champion", ())
    tamper(statement.format(verdict))
    with pytest.raises(CorruptError, match=told):
        judge_move(record, versions[0], "champion", ())


def test_a_passing_verdict_on_another_model_is_not_borrowed(record, versions, tamper) -> None:
    first, second = versions
    ask_for_gates(record, first)
    judge(record, second, "pass")
    this, other = (ARTIFACT.format(one.artifact) for one in versions)
    tamper(f"UPDATE edge SET artifact = {this} WHERE role = 'used' AND artifact = {other}")
    with pytest.raises(CorruptError, match="is not what its seal says"):
        judge_move(record, first, "champion", ())
    assert verdict_states(record, second.artifact) == {}


def test_a_policy_that_was_taken_away_is_missed(record, versions, tamper) -> None:
    ask_for_gates(record, versions[0])
    tamper("DELETE FROM version WHERE ref = (SELECT id FROM ref WHERE kind = 'policy')")
    with pytest.raises(CorruptError, match="the newest version of policy:"):
        judge_move(record, versions[0], "champion", ())


def test_a_number_with_another_artifact_is_not_promoted(record, versions, tamper) -> None:
    first, second = versions
    tamper(
        f"UPDATE version SET artifact = {ARTIFACT.format(first.artifact)} WHERE artifact ="
        f" {ARTIFACT.format(second.artifact)}"
    )
    with pytest.raises(CorruptError, match="model:delay@2 is not what the journal says"):
        move_alias(record, resolve(record, "model:delay@2"), "champion", because="forged")
    with pytest.raises(CorruptError, match="newest version of model:mill/delay"):
        attested_newest(record, first.ref)
    assert verify_journal(record).problems


def test_an_alias_that_was_moved_in_the_table_alone_is_not_followed(
    record, versions, tamper
) -> None:
    for version in versions:
        move_alias(record, version, "champion", because="why not")
    tamper("UPDATE ref SET aliases = '{\"champion\":1}' WHERE aliases LIKE '%champion%'")
    with pytest.raises(CorruptError, match="model:delay@champion is not where its last move"):
        resolve(record, "model:delay@champion")


def test_parameters_of_a_run_are_those_it_was_opened_with(record, versions, tamper) -> None:
    tamper("UPDATE run SET params = replace(params, '2013-02-01', '2013-01-01')")
    with pytest.raises(CorruptError, match="was not opened with what the record says"):
        attested_run(record, versions[0].run)


@pytest.mark.parametrize("role", ["made", "used"])
def test_what_a_model_was_made_from_is_followed_along_seals_alone(
    record, versions, tamper, role
) -> None:
    tamper(f"DELETE FROM edge WHERE role = '{role}'")
    with pytest.raises(CorruptError, match="is not what its seal says"):
        attested_ancestry(record, versions[0], 9)


def test_keys_that_were_taken_away_count_all_the_same_and_are_told(record, tamper) -> None:
    for number in (1, 2):
        with opened(record, kind="look", name="l") as run:
            run.add(Keyed(key=f"look:mill/w:{number}", run=run.id))
    before = keys_under(record, "look:mill/w:")
    assert len(before) == 2
    told = []
    record.tell.line = told.append
    tamper("DELETE FROM unique_key WHERE key LIKE 'look:%'")
    assert keys_under(record, "look:mill/w:") == before
    assert "look:mill/w:1 and 1 more are not what the journal says" in told[0]
