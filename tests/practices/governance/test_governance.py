"""Policies, approvals, the audit, the model card."""

import sqlite3

import pytest

from tidemill.core.errors import CorruptError, InvalidInputError, NotAllowedError, NotFoundError
from tidemill.core.ref import RefName
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.refs import move_alias, resolve
from tidemill.lineage.writing import opened
from tidemill.practices.collaboration.operations import comment, set_owner
from tidemill.practices.governance.operations import (
    approve,
    card,
    set_policy,
    show_policy,
    verify_audit,
)


@pytest.fixture
def version(record):
    ref = RefName(kind="model", project=record.project, name="delay.one")
    with opened(
        record, kind="pipeline", name="delay", because="a start", params={"until": "2013-04-01"}
    ) as run:
        pending = run.version(ref, run.made(put_value(record, "model", "weights")))
    return pending.version


def test_a_policy_is_set_shown_and_judged(record, version) -> None:
    set_policy(
        record, "model:delay.one", "champion", verdict=("gates",), approvals=2, because="safety"
    )
    row = show_policy(record, "model:delay.one").policies[0]
    assert (row.ref, row.alias, row.number) == ("model:delay.one", "champion", 1)
    assert "gates" in str(show_policy(record))
    with pytest.raises(NotAllowedError, match="gates"):
        move_alias(record, version, "champion", because="now")
    set_policy(record, "model:delay.one", "champion", because="a free for all")
    assert show_policy(record).policies[0].number == 2
    assert move_alias(record, version, "champion", because="now").move.number == 1


def test_a_policy_needs_a_ref_an_alias_and_a_reason(record, version) -> None:
    with pytest.raises(NotFoundError):
        set_policy(record, "model:nothing", "champion", because="x")
    with pytest.raises(InvalidInputError, match="needs a reason"):
        set_policy(record, "model:delay.one", "champion", because=" ")
    with pytest.raises(InvalidInputError, match="approvals"):
        set_policy(record, "model:delay.one", "champion", approvals=-1, because="x")
    with pytest.raises(InvalidInputError, match="cannot be an alias"):
        set_policy(record, "model:delay.one", "2013-01-01", because="x")
    assert "no policy was set" in str(show_policy(record))


def test_a_policy_edited_in_the_database_lets_nothing_through(record, version) -> None:
    set_policy(record, "model:delay.one", "champion", approvals=2, because="safety")
    file = record.ports.workspace.root / ".tidemill" / "ledger.db"
    with sqlite3.connect(file) as connection:
        changed = connection.execute(
            "UPDATE artifact SET inline = replace(inline, '\"approvals\":2', '\"approvals\":0')"
            " WHERE kind = 'policy'"
        ).rowcount
    connection.close()
    assert changed == 1
    with pytest.raises(CorruptError, match="the bytes of policy"):
        move_alias(record, version, "champion", because="now")
    assert [p.where.split(" b3:")[0] for p in verify_audit(record).problems] == [
        "policy:model.delay.one.champion@1 (artifact policy"
    ]


def test_an_approval_needs_a_version_and_a_reason(record, version) -> None:
    with pytest.raises(NotAllowedError, match="needs a reason"):
        approve(record, "model:delay.one@1", "champion", because="")
    with pytest.raises(NotFoundError):
        approve(record, "model:delay.one@4", "champion", because="x")
    assert "approves model:delay.one@1" in str(
        approve(record, "model:delay.one@1", "champion", because="read it")
    )


def test_the_audit_says_intact_and_finds_what_was_rewritten(record, version) -> None:
    move_alias(record, version, "champion", because="first")
    before = verify_audit(record)
    assert not before.problems
    assert "intact" in str(before)
    file = record.ports.workspace.root / ".tidemill" / "ledger.db"
    with sqlite3.connect(file) as connection:
        changed = connection.execute(
            "UPDATE move SET because = 'another reason' WHERE because = 'first'"
        ).rowcount
    connection.close()
    assert changed == 1
    assert verify_audit(record).problems


def test_a_card_is_written_from_the_record_alone(record, version) -> None:
    move_alias(record, version, "champion", because="the first | of many")
    comment(record, "model:delay.one@1", "watch it in winter")
    set_owner(record, "model:delay.one", "grace", because="hers")
    text = str(card(record, "model:delay.one@champion"))
    assert text.startswith("# model:delay.one@1\n")
    for told in (
        "owner: grace", "until = 2013-04-01", "a start", "@champion", "the first \\| of many",
        "watch it in winter", "without an evaluation report", "tidemill check model:delay.one@1",
    ):  # fmt: skip
        assert told in text
    assert resolve(record, "model:delay.one").number == 1
