"""Parameters are kept in the record, and so none of them may be a secret."""

import pytest

from tidemill.core.errors import InvalidInputError, TidemillError
from tidemill.core.query import Note, Query
from tidemill.core.run import Run

FLOW = """
@step
def numbers(n: int, options: dict) -> int:
    return n

@pipeline
def flow(n: int = 2, db_password: str = "", token: str | None = None, url: str = "",
         user: str = "", max_tokens: str = "20"):
    options = {"user": user} if user != "nested" else {"login": {"api_key": "abc"}}
    numbers(n, options)
"""
RANDOM = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3gH6"


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"db_password": "hunter2"}, "db_password of pipeline flow"),
        ({"token": "abc"}, "token of pipeline flow"),
        ({"url": "postgresql://me:" + "hunter2hunter@db/prod"}, "a URL with a password"),
        ({"user": f"ghp{'_'}{RANDOM}"}, "a GitHub token"),
        ({"user": "nested"}, "options of step numbers"),
    ],
)
def test_a_parameter_that_looks_like_a_secret_is_refused_and_not_shown(mill, params, names) -> None:
    mill.write(FLOW)
    with pytest.raises(InvalidInputError, match="looks like a secret") as caught:
        mill.run(params=params)
    assert names in caught.value.what
    assert "from the environment inside the step" in caught.value.fix
    assert next(iter(params.values())) not in str(caught.value).replace("nested", "")
    assert mill.record.ports.ledger.find(Query(Run)) == []


def test_parameters_without_secrets_are_taken(mill) -> None:
    mill.write(FLOW)
    taken = {"url": "https://example.org/data?day=3", "user": "anna", "max_tokens": "4096"}
    assert mill.run(params=taken).status == "done"


FAILING = """
@step
def connects(n: int) -> int:
    print("Server=db;User=ada;Pass" + "word=hunter22;")
    raise ValueError("no answer from postgresql://ada:hunter" + "22@db/prod")

@pipeline
def flow():
    connects(2)
"""


def test_what_a_failed_step_said_is_recorded_without_its_secrets(mill) -> None:
    mill.write(FAILING)
    with pytest.raises(TidemillError):
        mill.run()
    ledger = mill.record.ports.ledger
    errors = [run.error for run in ledger.find(Query(Run))]
    notes = [note.text for note in ledger.find(Query(Note)) if note.key == "output"]
    assert any("ada:[redacted]@db/prod" in error for error in errors)
    assert any("User=ada;Password=[redacted];" in text for text in notes)
    assert "hunter22" not in "".join([*errors, *notes])
