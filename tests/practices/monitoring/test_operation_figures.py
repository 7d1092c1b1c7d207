"""What the log and the server tell of operation."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from tidemill.core.times import Window
from tidemill.practices.monitoring.operation_figures import operation_figures, server_figures
from tidemill.practices.monitoring.seals import Seal, ServerUse

T0 = datetime(2013, 4, 1, tzinfo=UTC)


def seal(number, cpu_s, *, process=1):
    server = None if cpu_s is None else ServerUse(cpu_s=cpu_s, resident_bytes=7, process=process)
    return Seal(
        number=number, artifact="td1:a", run="r", rows=1, is_late=False, first_id="", last_id="",
        window=Window(start=T0, end=T0 + timedelta(days=number)), positions={}, server=server,
    )  # fmt: skip


def test_latency_is_that_of_requests_and_rules_are_counted_by_row() -> None:
    rows = pl.DataFrame(
        {
            "received_at": [T0, T0, T0 + timedelta(seconds=2)],
            "status": ["ok", "ok", "rejected"],
            "contract_bits": pl.Series([0, 2, 3], dtype=pl.UInt64),
            "is_first_of_request": [True, False, True],
            "queue_us": [0, 0, 1000],
            "model_us": [1000, 1000, 9000],
        }
    )
    found = {figure.name: figure.value for figure in operation_figures(rows, ("first", "second"))}
    assert found["requests"] == 2
    assert found["latency_p99"] == 10
    assert found["rows_per_second"] == 1.5
    assert (found["rule.first"], found["rule.second"]) == (1, 2)
    assert found["rows_rejected"] == 1


@pytest.mark.parametrize(
    ("earlier", "now", "used"),
    [
        ([seal(1, 5.0)], seal(2, 8.0), 3.0),
        ([], seal(2, 8.0), 8.0),
        ([seal(1, 5.0, process=9)], seal(2, 8.0), 8.0),
        ([seal(1, None)], seal(2, 8.0), 8.0),
    ],
)
def test_cpu_time_is_what_was_used_since_the_seal_before(earlier, now, used) -> None:
    found = {figure.name: figure.value for figure in server_figures([now], [*earlier, now])}
    assert found == {"cpu_s": used, "resident_bytes": 7.0}


def test_a_silent_server_has_no_figures() -> None:
    assert not list(server_figures([seal(1, None)], [seal(1, None)]))
