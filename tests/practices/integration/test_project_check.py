"""The whole check of a project: code, data and model, one answer, quick where nothing changed."""

import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest

from tidemill.core.errors import NotAllowedError
from tidemill.lineage.policies import verdict_states
from tidemill.lineage.refs import move_alias, resolve
from tidemill.practices.governance.operations import card, set_policy
from tidemill.practices.integration.operations import check
from tidemill.practices.pipelines.operations import run_pipeline
from tidemill.practices.validation.operations import add_data

APRIL = datetime(2013, 4, 1, tzinfo=UTC)

CODE = """
from datetime import datetime

import lightgbm
import numpy as np
import polars as pl

import tidemill as tm

TASK = tm.Task(kind="binary", label="late")


class Landings(tm.Contract):
    key = ("id",)
    id: int
    plane: str
    landed: datetime
    delay: float
    late: int


@tm.feature_view(source="landings", entity="plane", time="landed",
                 features={"delay_1d": tm.average("delay", "1d")})
def plane_history(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows  # HONEST


@tm.step
def train(rows: pl.DataFrame) -> tm.Model:
    signature = tm.infer_signature(rows.select("delay_1d"))
    settings = {"objective": "binary", "num_leaves": 4, "verbosity": -1, "num_threads": 1}
    data = lightgbm.Dataset(tm.matrix(signature, rows), rows["late"].to_numpy().astype(float))
    return tm.Model(lightgbm.train(settings, data, 10), signature=signature, task=TASK)


@tm.step
def asked(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("plane", "late", at=pl.col("landed"))


@tm.pipeline
def delay() -> None:
    rows = tm.training_set(asked(tm.data("landings")), views=[plane_history])
    model = train(rows)
    tm.candidate("delay", model, report=tm.evaluate(model, rows, time="at"), sample=rows)
""".replace(
    "import tidemill as tm", "import tidemill as tm\nfrom datetime import datetime as tm_datetime"
)


@pytest.fixture
def trained(record, project_folder):
    (project_folder / "delay_model.py").write_text(CODE)
    (project_folder / "test_delay.py").write_text(
        "from delay_model import TASK\n\n\ndef test_task():\n    assert TASK.kind == 'binary'\n"
    )
    file = project_folder / "tidemill.toml"
    file.write_text(
        file.read_text() + "\n[gates]\nmin_auc = 0.5\nmax_latency_ms = 1e6\n"
        "max_batch_latency_ms = 1e6\nmax_calibration_error = 0.2\n"
    )
    add_data(record, "landings", landings(), contract="Landings", at=APRIL)
    run_pipeline(record, "delay", at=APRIL)
    return resolve(record, "model:delay")


def landings():
    import numpy as np
    import polars as pl

    random = np.random.default_rng(0)
    delay = random.normal(10, 20, 1500).cumsum() % 60
    return pl.DataFrame(
        {"id": range(1500), "plane": random.choice(["a", "b"], 1500), "delay": delay,
         "late": (delay + random.normal(0, 10, 1500) > 30).astype(np.int64)}
    ).with_columns(
        landed=pl.datetime(2013, 1, 1, time_zone="UTC") + pl.duration(hours=pl.col("id"))
    )  # fmt: skip


def test_everything_is_asked_once_and_a_policy_can_rest_on_it(
    record, trained, project_folder
) -> None:
    set_policy(record, "model:delay", "champion", verdict=("gates",), because="only gated")
    with pytest.raises(NotAllowedError, match="'gates' says not run"):
        move_alias(record, trained, "champion", because="now")
    first = check(record, junit=str(project_folder / "check.xml"), at=APRIL)
    assert [gate.name for gate in first.gates] == ["code", "data", "model", "gates"]
    assert first.has_passed, str(first)
    rules = {f.rule: f.state for gate in first.gates for f in gate.findings}
    assert rules["leak:plane_history"] == "pass"
    assert rules["tests"] == "pass"
    assert int(ET.parse(project_folder / "check.xml").getroot().attrib["tests"]) > 10
    assert verdict_states(record, trained.artifact)["gates"] == first.state
    assert move_alias(record, trained, "champion", because="now").move.number == 1

    (project_folder / "check.xml").unlink()
    again = check(record, at=APRIL)
    assert all(gate.is_unchanged for gate in again.gates), str(again)
    assert [g.verdict for g in again.gates] == [g.verdict for g in first.gates]
    assert "unchanged" in str(again)

    text = str(card(record, "model:delay"))
    assert "data:landings@1" in text
    assert "auc" in text
    assert "| gates |" in text


def test_gates_of_the_code_alone_say_nothing_of_a_model(record, trained) -> None:
    report = check(record, only=("code,data",))
    assert [gate.name for gate in report.gates] == ["code", "data"]
    assert "gates" not in verdict_states(record, trained.artifact)


def test_a_project_that_cannot_be_imported_is_told_gate_by_gate(record, project_folder) -> None:
    (project_folder / "broken.py").write_text("import tidemill\n\nprint(undefined)\n")
    report = check(record)
    assert not report.has_passed
    told = {gate.name: gate for gate in report.gates}
    assert told["code"].findings[0].state == "fail"
    assert "broken.py:3" in told["code"].findings[0].what
    assert told["data"].state == "error"


def test_a_folder_of_files_is_held_to_its_contract_like_a_table(record, project_folder) -> None:
    (project_folder / "contracts.py").write_text(
        "import tidemill as tm\n\n\n"
        "class Pictures(tm.FolderContract):\n"
        "    data = 'pictures'\n    suffixes = ('.pgm',)\n"
    )
    (project_folder / "pictures").mkdir()
    (project_folder / "pictures" / "a.pgm").write_bytes(b"P5")
    add_data(record, "pictures", str(project_folder / "pictures"))
    (gate,) = check(record, only=("data",)).gates
    assert (gate.subject, gate.state) == ("data:pictures@1", "pass")
    assert "suffixes" in {finding.rule for finding in gate.findings}
