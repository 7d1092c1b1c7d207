"""Policies are judged where the alias moves, whoever asks."""

import copy
import dataclasses
from datetime import UTC, datetime

import pytest

from tidemill.core.actor import Actor
from tidemill.core.check import Finding, Verdict
from tidemill.core.errors import InvalidInputError, NotAllowedError
from tidemill.core.policy import Policy
from tidemill.core.ref import RefName
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.policies import judge_move, policy_ref, verdict_states
from tidemill.lineage.refs import move_alias, resolve
from tidemill.lineage.teams import Team, team_ref
from tidemill.lineage.writing import opened
from tidemill.ports.ledger import ConditionFailedError

AT = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.fixture
def version(record):
    return add_version(record, "weights")


def add_version(record, content: str):
    ref = RefName(kind="model", project=record.project, name="delay")
    with opened(record, kind="training", name="delay") as run:
        artifact = run.made(put_value(record, "model", content))
        pending = run.version(ref, artifact, always=True)
    return pending.version


def set_policy(record, version, **given):
    policy = Policy(alias="champion", **given)
    with opened(record, kind="policy", name="p") as run:
        kept = run.made(put_value(record, "policy", policy))
        run.version(policy_ref(version.ref, "champion"), kept)


def add_verdict(record, artifacts, state="pass", check="gates", *, subject=None, used=True):
    finding = Finding(rule="r", state=state, what="said")
    verdict = Verdict(
        check=check, subjects=tuple(artifacts), state=state, findings=(finding,), at=AT
    )
    summary = {"check": check, "state": state} | ({"subject": subject} if subject else {})
    with opened(record, kind="check", name=check) as run:
        for artifact in artifacts if used else ():
            run.used(artifact)
        return run.made(put_value(record, "verdict", verdict, summary=summary)).id


def as_(record, name, kind="person"):
    return dataclasses.replace(record, actor=Actor(name=name, kind=kind))


def test_without_a_policy_a_reason_is_enough(record, version) -> None:
    assert move_alias(record, version, "champion", because="it is the first").move.number == 1


@pytest.mark.parametrize(
    ("name", "kind", "may"),
    [("ada", "person", True), ("eve", "person", False), ("grace", "person", True),
     ("ada", "trigger", False), ("monthly", "trigger", True)],
)  # fmt: skip
def test_only_named_actors_and_members_of_named_teams_may_move(
    record, version, name, kind, may
) -> None:
    with opened(record, kind="team", name="ops") as run:
        team = run.made(put_value(record, "team", Team(name="ops", members=("grace",))))
        run.version(team_ref(record, "ops"), team)
    set_policy(record, version, actors=("ada", "team:ops", "trigger:monthly"))
    if may:
        judge_move(as_(record, name, kind), version, "champion", ())
    else:
        with pytest.raises(NotAllowedError, match=f"{name} may not move"):
            judge_move(as_(record, name, kind), version, "champion", ())


@pytest.mark.parametrize("state", ["fail", "not_run", "error"])
def test_a_check_that_did_not_pass_stops_the_move_and_names_the_command(
    record, version, state
) -> None:
    set_policy(record, version, verdicts=("gates",))
    with pytest.raises(NotAllowedError, match="not run"):
        judge_move(record, version, "champion", ())
    add_verdict(record, [version.artifact], state)
    with pytest.raises(NotAllowedError, match="tidemill check model:delay@1"):
        judge_move(record, version, "champion", ())
    add_verdict(record, [version.artifact], "pass")
    judge_move(record, version, "champion", ())


def test_the_newest_verdict_of_a_check_counts(record, version) -> None:
    add_verdict(record, [version.artifact], "pass")
    add_verdict(record, [version.artifact], "fail")
    assert verdict_states(record, version.artifact) == {"gates": "fail"}


def test_a_comparison_speaks_of_the_challenger_alone(record, version) -> None:
    other = add_version(record, "other weights")
    both = [other.artifact, version.artifact]
    add_verdict(record, both, check="comparison", subject=other.artifact)
    assert verdict_states(record, other.artifact) == {"comparison": "pass"}
    assert verdict_states(record, version.artifact) == {}


def test_a_verdict_brought_along_must_name_what_it_judged(record, version) -> None:
    other = add_version(record, "other weights")
    foreign = add_verdict(record, [other.artifact], used=False)
    own = add_verdict(record, [version.artifact], check="mine", used=False)
    assert verdict_states(record, version.artifact, [foreign, own]) == {"mine": "pass"}


def test_approvals_are_by_others_and_by_people(record, version) -> None:
    from tidemill.practices.governance.policies import put_approval

    set_policy(record, version, approvals=1)
    put_approval(record, "model:delay@1", "champion", "my own work is fine")
    with pytest.raises(NotAllowedError, match="needs 1 approvals"):
        judge_move(record, version, "champion", ())
    with pytest.raises(NotAllowedError, match="trigger cannot approve"):
        put_approval(as_(record, "t", "trigger"), "model:delay@1", "champion", "yes")
    put_approval(as_(record, "grace"), "model:delay@1", "champion", "read it")
    assert move_alias(record, version, "champion", because="approved").move.number == 1


def test_an_approval_of_one_alias_or_version_is_none_of_another(record, version) -> None:
    from tidemill.practices.governance.policies import put_approval

    second = add_version(record, "second")
    set_policy(record, version, approvals=1)
    put_approval(as_(record, "grace"), "model:delay@1", "shadow", "only there")
    put_approval(as_(record, "grace"), "model:delay@2", "champion", "only this one")
    with pytest.raises(NotAllowedError):
        judge_move(record, version, "champion", ())
    judge_move(record, second, "champion", ())


def test_a_policy_that_changes_meanwhile_stops_the_move(record, version) -> None:
    unchanged = judge_move(record, version, "champion", ())
    set_policy(record, version, actors=("grace",))
    with opened(record, kind="note", name="x") as probe:
        pass
    with pytest.raises(ConditionFailedError), opened(record, kind="move", name="x") as run:
        run.require(unchanged)
    assert probe.id
    assert resolve(record, "model:delay").number == 1


def test_a_move_to_where_the_alias_is_already_changes_nothing_and_says_so(record, version) -> None:
    first = move_alias(record, version, "champion", because="it is the first")
    again = move_alias(record, version, "champion", because="another reason")
    assert first.is_new
    assert not again.is_new
    assert again.move == first.move


@pytest.mark.parametrize(
    "alias", ["2013-01-01", "2013-99-99", "7", "deadbeef", "123abc", "a b", ""]
)
def test_an_alias_that_would_not_be_found_by_its_name_is_refused(record, version, alias) -> None:
    with pytest.raises(InvalidInputError, match="cannot be an alias") as refused:
        move_alias(record, version, alias, because="why not")
    assert "like champion" in refused.value.fix


@pytest.mark.parametrize("alias", ["champion", "v-2013-01-01", "cafe", "y2013", "deadbeef-1"])
def test_an_alias_that_is_set_is_reached_by_its_name(record, version, alias) -> None:
    move_alias(record, version, alias, because="why not")
    assert resolve(record, f"model:{version.ref.name}@{alias}") == version


class Interrupted:
    """A ledger before whose next commit somebody else is faster."""

    def __init__(self, ledger, act) -> None:
        self._ledger, self._act = ledger, act

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    def commit(self, batch):
        act, self._act = self._act, lambda: None
        act()
        return self._ledger.commit(batch)


def test_a_lost_race_says_who_won_and_how_to_go_on(record, version) -> None:
    second = add_version(record, "other weights")
    move_alias(record, version, "champion", because="the first")
    third = add_version(record, "more weights")

    def faster() -> None:
        move_alias(record, third, "champion", because="was here before")

    ports = copy.copy(record.ports)
    ports.ledger = Interrupted(record.ports.ledger, faster)
    slower = dataclasses.replace(record, ports=ports)
    with pytest.raises(ConditionFailedError, match="model:delay@champion meanwhile: it is") as told:
        move_alias(slower, second, "champion", because="slow")
    assert "model:delay@3 now, by" in told.value.what
    assert 'tidemill promote model:delay@2 champion --because "..."' in told.value.fix
