"""Every place that a ledger can be in, as tests use one: not opened yet, its tables in reach."""

import sqlite3
from pathlib import Path

import psycopg
import pytest

from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.adapters.postgres.ledger import PostgresLedger

PLACES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
"""A new adapter is one more parameter."""

_SPELLED = {
    "?": "%s",
    "zeroblob(16)": "decode(repeat('00', 16), 'hex')",
    "replace(payload, 'ada', 'bob')": (
        "convert_to(replace(convert_from(payload, 'UTF8'), 'ada', 'bob'), 'UTF8')"
    ),
}
"""What PostgreSQL spells otherwise in statements of tests."""


class SqlitePlace:
    """A record in a file."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)

    def open(self, clock, **given) -> SqliteLedger:
        return SqliteLedger(Path(self.address), clock, **given)

    def execute(self, *statements: str, given: tuple = ()) -> None:
        """Change the tables as somebody with the database in his hands would."""
        connection = sqlite3.connect(self.address)
        try:
            with connection:
                for statement in statements:
                    assert connection.execute(statement, given).rowcount, statement
        finally:
            connection.close()


class PostgresPlace:
    """A record in a schema of a database."""

    def __init__(self, url: str) -> None:
        self.address = url

    def open(self, clock, **given) -> PostgresLedger:
        return PostgresLedger(self.address, clock, **given)

    def execute(self, *statements: str, given: tuple = ()) -> None:
        """Change the tables as somebody with the database in his hands would."""
        url, _, schema = self.address.partition("?schema=")
        with psycopg.connect(url, options=f"-c search_path={schema}") as connection:
            for statement in statements:
                spelled = statement
                for here, there in _SPELLED.items():
                    spelled = spelled.replace(here, there)
                assert connection.execute(spelled, given or None).rowcount, statement
