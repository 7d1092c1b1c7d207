"""Teams, roles, owners and comments."""

import dataclasses

import pytest

from tidemill.core.actor import Actor
from tidemill.core.errors import InvalidInputError, NotAllowedError, NotFoundError, UsageError
from tidemill.core.ref import RefName
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.journal import verify_journal
from tidemill.lineage.writing import opened
from tidemill.practices.collaboration.comments import comments
from tidemill.practices.collaboration.operations import (
    add_team,
    comment,
    list_roles,
    list_teams,
    set_owner,
    set_role,
)
from tidemill.practices.collaboration.ownership import owner_of
from tidemill.practices.collaboration.roles import role_of


def as_(record, name, kind="person"):
    return dataclasses.replace(record, actor=Actor(name=name, kind=kind))


@pytest.fixture
def ref(record):
    name = RefName(kind="model", project=record.project, name="delay")
    with opened(record, kind="training", name="delay") as run:
        run.version(name, run.made(put_value(record, "model", "weights")))
    return name


def test_until_a_role_is_set_everybody_is_a_maintainer(record) -> None:
    assert role_of(record, Actor(name="anybody")) == "maintainer"
    assert "everybody is a maintainer" in str(list_roles(record))


def test_who_sets_the_first_role_stays_a_maintainer_and_others_may_read(record) -> None:
    set_role(record, "grace", "contributor")
    assert role_of(record, Actor(name="ada")) == "maintainer"
    assert role_of(record, Actor(name="grace")) == "contributor"
    assert role_of(record, Actor(name="eve")) == "reader"
    assert role_of(record, Actor(name="monthly", kind="trigger")) == "contributor"


def test_a_team_gives_its_role_to_its_members_and_the_higher_one_counts(record) -> None:
    add_team(record, "ops", ("grace", "eve"))
    set_role(record, "team:ops", "contributor")
    set_role(record, "eve", "maintainer")
    set_role(record, "grace", "reader")
    assert role_of(record, Actor(name="grace")) == "contributor"
    assert role_of(record, Actor(name="eve")) == "maintainer"
    assert role_of(record, Actor(name="zoe")) == "reader"


def test_the_last_maintainer_stays(record) -> None:
    set_role(record, "grace", "reader")
    with pytest.raises(NotAllowedError, match="last maintainer"):
        set_role(record, "ada", "reader")
    set_role(record, "grace", "maintainer")
    set_role(record, "ada", "reader")
    assert role_of(record, Actor(name="ada")) == "reader"


@pytest.mark.parametrize("name", ["Ada Lovelace", "ada@mill.org", "Ада", "a/b", "team:ops"])
def test_any_name_can_have_a_role(record, name) -> None:
    set_role(record, name, "contributor")
    assert ("contributor", name) in [(g.role, g.actor) for g in list_roles(record).roles]


def test_an_unknown_role_is_a_wrong_call(record) -> None:
    with pytest.raises(UsageError, match="reader, contributor, maintainer"):
        set_role(record, "ada", "king")


def test_a_team_grows_and_the_same_again_adds_nothing(record) -> None:
    add_team(record, "ops", ("ada",))
    add_team(record, "ops", ("grace", "ada"))
    assert add_team(record, "ops", ("grace",)).members == ("ada", "grace")
    assert [t.name for t in list_teams(record).teams] == ["ops"]
    with pytest.raises(InvalidInputError, match="needs a member"):
        add_team(record, "empty", ())


def test_a_ref_changes_hands_by_its_owner_its_team_or_a_maintainer(record, ref) -> None:
    assert owner_of(record, ref) == "ada"
    add_team(record, "ops", ("grace",))
    set_role(record, "grace", "contributor")
    set_owner(record, "model:delay", "team:ops", because="they run it")
    assert owner_of(record, ref) == "team:ops"
    with pytest.raises(NotAllowedError, match="belongs to team:ops"):
        set_owner(as_(record, "eve"), "model:delay", "eve", because="mine")
    set_owner(as_(record, "grace"), "model:delay", "grace", because="of the team")
    assert owner_of(record, ref) == "grace"
    with pytest.raises(NotFoundError, match="team:nobody"):
        set_owner(record, "model:delay", "team:nobody", because="x")
    with pytest.raises(NotFoundError):
        set_owner(record, "model:dela", "ada", because="x")


def test_comments_are_kept_in_order_and_in_the_journal(record, ref) -> None:
    comment(record, "model:delay", "a first word")
    comment(as_(record, "grace"), "model:delay@1", "on this version")
    said = comments(record, str(ref))
    assert [(c.actor, c.text) for c in said] == [
        ("ada", "a first word"), ("grace", "on this version"),
    ]  # fmt: skip
    assert verify_journal(record).is_intact
    with pytest.raises(NotFoundError):
        comment(record, "model:delay@9", "x")
    with pytest.raises(InvalidInputError, match="empty"):
        comment(record, "model:delay", " ")
