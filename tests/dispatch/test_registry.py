"""Every operation can be found, described, spelled by every face, and is authorised once."""

import dataclasses
import inspect
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from tidemill.core.errors import InvalidInputError, NotAllowedError, UsageError
from tidemill.core.operation import Operation
from tidemill.dispatch.call import call
from tidemill.dispatch.parameters import bind, parameters, summary, with_times
from tidemill.dispatch.registry import (
    Kinds,
    all_operations,
    kinds_of,
    operation_at,
    operation_named,
    rooms,
)

ROOT = Path(__file__).parents[2]
OPERATIONS = all_operations()


def named(operation: Operation) -> str:
    return " ".join(operation.command)


def test_the_written_index_is_what_the_rooms_offer() -> None:
    answer = subprocess.run(
        [sys.executable, ROOT / ".ci" / "faces.py", "--check"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_no_two_operations_share_a_command_or_a_python_name() -> None:
    commands = [operation.command for operation in OPERATIONS]
    names = [operation.name for operation in OPERATIONS]
    assert len(set(commands)) == len(commands)
    assert len(set(names)) == len(names)


def test_no_noun_is_also_a_verb() -> None:
    nouns = {one.command[0] for one in OPERATIONS if len(one.command) > 1}
    assert not nouns & {one.command[0] for one in OPERATIONS if len(one.command) == 1}


def test_no_two_rooms_know_one_kind() -> None:
    names = [kind.name for room in rooms() for kind in kinds_of(room)]
    assert len(set(names)) == len(names), sorted(names)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_an_operation_says_what_it_does_and_what_each_parameter_is(operation: Operation) -> None:
    assert summary(operation).endswith(".")
    assert [one.name for one in parameters(operation) if not one.help] == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_an_operation_has_an_example_that_is_its_own_command(operation: Operation) -> None:
    if "cli" in operation.faces:
        assert operation.examples or not any(one.is_required for one in parameters(operation))
        typed = f"tidemill {named(operation)}"
        assert all(typed in example for example in operation.examples)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_an_operation_that_asks_why_or_when_writes(operation: Operation) -> None:
    """Readers only read: whoever must give a reason changes something."""
    if "because" in inspect.signature(operation.function).parameters:
        assert operation.role != "reader"


def test_an_operation_is_found_by_command_and_by_name() -> None:
    found = operation_at(("why",))
    assert found is not None
    assert found is operation_named("why")
    assert operation_at(("there", "is", "none")) is None
    with pytest.raises(UsageError, match="did you mean impact"):
        operation_named("impct")


def test_kinds_are_found_by_name_and_a_stranger_is_not() -> None:
    kinds = Kinds()
    assert kinds["policy"].name == "policy"
    assert kinds.get("no-such-kind") is None
    assert len(kinds) == len(set(kinds))


def sample(record, ref: str, count: int = 1, *names: str, at: datetime | None = None,
           because: str = "", tags: tuple[str, ...] = (), force: bool = True) -> tuple:  # fmt: skip
    """Say what it was given.

    Args:
        ref: a ref,
            on two lines.
        count: how many.
        names: more.
        at: when.
        because: why.
        tags: any.
        force: really.

    Returns:
        Everything.
    """
    return ref, count, names, at, because, tags, force


SAMPLE = Operation(function=sample, command=("sample",), role="maintainer")


def test_parameters_are_read_from_signature_and_docstring() -> None:
    found = {one.name: one for one in parameters(SAMPLE)}
    assert [(one.name, one.form, one.is_positional) for one in found.values()] == [
        ("ref", "text", True), ("count", "whole", True), ("names", "text", True),
        ("at", "time", False), ("because", "text", False), ("tags", "text", False),
        ("force", "flag", False),
    ]  # fmt: skip
    assert found["ref"].is_required
    assert found["ref"].help == "a ref, on two lines."
    assert found["names"].is_spread
    assert found["names"].is_many
    assert found["tags"].is_many
    assert found["force"].default is True


def test_values_by_name_become_a_call() -> None:
    arguments, options = bind(SAMPLE, {"ref": "a", "count": 2, "names": ("x", "y"), "force": False})
    assert arguments == ("a", 2, "x", "y")
    assert options == {"force": False}
    assert bind(SAMPLE, {"count": 3}) == ((), {"count": 3})


def test_a_date_is_a_time_where_an_effective_time_is_meant(record) -> None:
    given = with_times(SAMPLE, {"at": "2013-04-01", "because": "2013-04-01"})
    assert given["at"].isoformat() == "2013-04-01T00:00:00+00:00"
    assert given["because"] == "2013-04-01"


@pytest.mark.parametrize(
    ("role", "is_allowed"),
    [("reader", False), ("contributor", False), ("maintainer", True), ("owner", True)],
)
def test_a_call_needs_the_operation_s_role(record, role: str, is_allowed: bool) -> None:
    if is_allowed:
        assert call(record, SAMPLE, ("a",), role_of=lambda _: role)[0] == "a"
        return
    with pytest.raises(NotAllowedError, match=f"ada is a {role} here") as caught:
        call(record, SAMPLE, ("a",), role_of=lambda _: role)
    assert caught.value.exit_code == 7


def test_reading_asks_for_no_role(record) -> None:
    def refuse(_):
        raise AssertionError

    reading = Operation(function=lambda record: record.project, command=("x",))
    assert call(dataclasses.replace(record), reading, role_of=refuse) == "mill"


@pytest.mark.parametrize("as_option", [True, False])
def test_a_text_with_a_secret_is_refused_before_it_is_recorded_and_not_shown(as_option) -> None:
    done = []
    writes = Operation(
        function=lambda _record, text="", because="": done.append((text, because)),
        command=("move",), role="contributor",
    )  # fmt: skip
    secret = "it is host=db user=ada pass" + "word=hunter22 now"
    given = ((), {"because": secret}) if as_option else (([secret],), {})
    with pytest.raises(InvalidInputError, match="`tidemill move` looks like a secret") as caught:
        call(None, writes, *given)
    assert "hunter22" not in str(caught.value)
    call(None, writes, ("the password was changed",))
    assert done == [("the password was changed", "")]
