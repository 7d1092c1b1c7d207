"""From the data behind a model to the rules that its server holds requests to."""

import subprocess
import sys

import numpy as np
import polars as pl

from tidemill.core.signature import Field, Signature
from tidemill.lineage.artifacts import put_bytes
from tidemill.lineage.refs import ref_name
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.request_contract import request_contract
from tidemill.practices.validation.operations import add_data
from tidemill.practices.versioning.data import open_data
from tidemill.runtime.model_server_rules import served_rules

SIGNATURE = Signature(
    inputs=(Field(name="dep_delay", datatype="FP64"), Field(name="origin", datatype="BYTES")),
    outputs=(Field(name="score", datatype="FP64"),),
)


def model_of(record, *pointers):
    """Register a model whose run used a step's output, which came from data."""
    with opened(record, kind="step", name="prepare") as step:
        for pointer in pointers:
            data = open_data(record, pointer)
            step.used(data.artifact.id, source=data.version.run)
        prepared = step.made(put_bytes(record, "value", b"prepared"))
    with opened(record, kind="pipeline", name="delay") as run:
        run.used(prepared.id, source=step.id)
        model = run.made(put_bytes(record, "model", b"model"))
        pending = run.version(ref_name(record, "model", "delay"), model, always=True)
    return pending.version


def rows(**changes):
    from tidemill.core.times import parse_time

    given = {
        "flight_id": ["a", "b"], "at": [parse_time("2013-01-01")] * 2, "origin": ["EWR", "JFK"],
        "dep_delay": [1, None], "landed_at": [None, None],
    }  # fmt: skip
    return pl.DataFrame(
        given | changes, schema_overrides={"landed_at": pl.Datetime("us", "UTC")}
    )  # fmt: skip


def test_a_deployment_carries_the_rules_of_the_data_behind_its_model(record) -> None:
    add_data(record, "flights", rows())
    add_data(record, "flights", rows(flight_id=["c", "d"]), append=True)
    contracts, text = request_contract(record, model_of(record, "data:flights"), SIGNATURE)
    assert len(contracts) == 1
    served = served_rules(text)
    assert [rule.name for rule in served] == [
        "origin.not_null", "origin.one_of", "dep_delay.between",
    ]  # fmt: skip
    columns = {
        "dep_delay": np.array([0.0, 3000.0, np.nan, 0.0]),
        "origin": np.array(["EWR", "EWR", "XXX", None], dtype=object),
    }
    valid = {"dep_delay": np.array([True] * 3 + [False]), "origin": np.array([True] * 3 + [False])}
    bits = [rule.failed(columns, valid).tolist() for rule in served]
    assert bits == [
        [False, False, False, True], [False, False, True, False], [False, True, True, False],
    ]  # fmt: skip


def test_a_model_of_data_without_a_contract_has_no_rules(record) -> None:
    add_data(record, "planes", pl.DataFrame({"origin": ["EWR"]}))
    assert request_contract(record, model_of(record, "data:planes"), SIGNATURE) == ((), "")
    assert served_rules("") == []


def test_a_model_server_judges_requests_without_a_table_engine() -> None:
    code = (
        "import sys; from tidemill.runtime import model_server_rules;"
        "from tidemill.practices.validation import operations, contract;"
        "sys.exit('polars' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
