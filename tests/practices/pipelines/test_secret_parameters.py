"""Parameters are kept in the record, and so none of them may be a secret."""

import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.query import Query
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
