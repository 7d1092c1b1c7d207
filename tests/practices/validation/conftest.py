"""A real project in a folder: its contracts in a file, its record beside them."""

import pytest

from tidemill.app.places import open_record

CONTRACTS = '''
from datetime import datetime

import tidemill as tm


class Flights(tm.Contract):
    """One departure a row."""

    key = ("flight_id",)
    min_rows = 2
    max_quarantined_share = 0.5

    flight_id: str
    at: datetime
    origin: str = tm.column(one_of=["EWR", "JFK", "LGA"])
    dep_delay: int | None = tm.column(between=(-120, 2000), max_null_share=0.5)
    landed_at: datetime | None

    lands_later = tm.rule("landed_at is None or landed_at > at")
'''


@pytest.fixture
def project(tmp_path):
    """Return a function that opens the project with a text of contracts."""
    records = []

    def opened(contracts=CONTRACTS):
        (tmp_path / "tidemill.toml").write_text('[project]\nname = "flights"\n')
        (tmp_path / "contracts.py").write_text(contracts)
        record = open_record(tmp_path, environment={"TIDEMILL_ACTOR": "ada"})
        records.append(record)
        return record

    yield opened
    for record in records:
        record.ports.close()


@pytest.fixture
def record(project):
    return project()
