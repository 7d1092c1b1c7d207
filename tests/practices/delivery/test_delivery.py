"""Deployments on a real record and real server processes (of a tiny model)."""

import json
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import msgspec
import pytest

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.adapters.local.object_store import LocalObjectStore
from tidemill.adapters.local.stream import MappedStream
from tidemill.adapters.local.target.local_target import LocalTarget
from tidemill.core.actor import Actor
from tidemill.core.artifact import Artifact
from tidemill.core.errors import ConflictError, InvalidInputError, NotFoundError
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.core.settings import resolve_settings
from tidemill.core.signature import Field, Signature
from tidemill.lineage.artifacts import put_bytes, put_files, put_value
from tidemill.lineage.record import Places, Ports, Record, Tell
from tidemill.lineage.refs import ref_name, resolve, versions
from tidemill.lineage.writing import opened
from tidemill.practices.delivery.deployment import RolloutFailedError
from tidemill.practices.delivery.operations import (
    deploy,
    down,
    rollback,
    serving_status,
    undeploy,
    up,
)
from tidemill.practices.validation.spec import ColumnSpec, ContractSpec
from tidemill.wire.prediction_block import decode_block

SUPERVISOR = Path(__file__).parents[2] / "runtime" / "tiny_supervisor.py"
SIGNATURE = Signature(
    inputs=(Field(name="x", datatype="FP64"), Field(name="carrier", datatype="BYTES")),
    outputs=(Field(name="score", datatype="FP64"),),
    context=(Field(name="at", datatype="INT64"), Field(name="flight", datatype="BYTES")),
    time="at",
    row_key="flight",
)


class Workspace:
    """The project's folder, for what this room asks of it."""

    def __init__(self, root: Path) -> None:
        self.root = root


def make_record(root: Path, **file: object) -> Record:
    folder, clock = root / ".tidemill", SystemClock()
    folder.mkdir(exist_ok=True)

    def absent() -> None:
        raise AssertionError

    places = Places(
        clock=lambda: clock,
        ledger=lambda: SqliteLedger(folder / "ledger.db", clock),
        objects=lambda: LocalObjectStore(folder / "objects"),
        stream=lambda: MappedStream(folder / "stream"),
        target=lambda: LocalTarget(folder, (sys.executable, str(SUPERVISOR), str(folder)), clock),
        workspace=lambda: Workspace(root),
        sources=absent, online=absent, executor=absent, notifier=absent,
        environments=absent, signer=absent,
    )  # fmt: skip
    return Record(
        ports=Ports(places), project="p", actor=Actor(name="ada"),
        settings=resolve_settings(file, {}), kinds={},
    )  # fmt: skip


@pytest.fixture
def record(tmp_path):
    record = make_record(tmp_path)
    yield record
    record.ports.target.stop()
    record.ports.close()


def add_model(
    record: Record, factor: float, *, data: Artifact | None = None, **tiny: object
) -> str:
    """Register a tiny model, made from some data, and return its pointer."""
    folder = record.ports.workspace.root / f"made-{factor}"
    folder.mkdir()
    (folder / "tiny.json").write_text(json.dumps({"factor": factor, **tiny}))
    head = {
        "format": "tiny", "signature": msgspec.to_builtins(SIGNATURE),
        "task": {"kind": "regression", "label": "y"},
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(head))
    files = [(path.name, path) for path in sorted(folder.iterdir())]
    with opened(record, kind="train", name="tiny") as run:
        if data is not None:
            run.used(data.id, name="data")
        model = put_files(record, "model", files)
        run.made(model)
        pending = run.version(ref_name(record, "model", "delay"), model, always=True)
    return str(pending.version)


def add_data(record: Record, *columns: ColumnSpec) -> Artifact:
    """Put a contract into the record, and data that were held to it."""
    spec = ContractSpec(name="Flights", data="flights", columns=columns)
    with opened(record, kind="contract", name="Flights") as run:
        contract = run.made(put_value(record, "contract", spec))
        run.version(ref_name(record, "contract", "Flights"), contract)
    with opened(record, kind="ingest", name="flights") as run:
        run.used(contract.id, name="contract")
        return run.made(put_bytes(record, "table", str(columns).encode()))


def score(address: str, x: float, name: str = "delay", carrier: str = "AA") -> float:
    types = {"x": "FP64", "carrier": "BYTES", "at": "INT64", "flight": "BYTES"}
    row = {"x": x, "carrier": carrier, "at": 7, "flight": "f"}
    inputs = [
        {"name": k, "shape": [1], "datatype": types[k], "data": [v]} for k, v in row.items()
    ]  # fmt: skip
    asked = urllib.request.Request(
        f"{address}/v2/models/{name}/infer",
        json.dumps({"inputs": inputs}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.loads(answer.read())["outputs"][0]["data"][0]


def rollouts(record: Record) -> list[Run]:
    return record.ports.ledger.find(Query(Run, where=(Where("kind", "=", "rollout"),)))


def test_a_deployed_model_answers_and_every_prediction_leads_back_to_its_rollout(record) -> None:
    model = add_model(record, 2.0)
    done = deploy(record, model, because="first")
    assert (done.name, done.deployment, done.model) == ("delay", "deployment:delay@1", model)
    assert done.is_new
    assert "note: gates (never ran) of model:delay@1 did not pass" in str(done)
    assert score(done.address, 3.0) == 6.0
    ((_, block),) = record.ports.stream.read("delay")
    logged = decode_block(block)
    version = resolve(record, "deployment:delay")
    assert logged.deployment == version.artifact
    edges = record.ports.ledger.edges([version.artifact], "up", 2)
    assert {(edge.role, edge.name) for edge in edges} == {
        ("made", "deployment"), ("used", "model")
    }  # fmt: skip
    (rollout,) = rollouts(record)
    assert (rollout.id, rollout.status, rollout.because) == (version.run, "done", "first")
    assert next(e for e in edges if e.role == "used").source == resolve(record, model).run


def test_deploying_what_serves_already_writes_nothing(record) -> None:
    model = add_model(record, 2.0)
    deploy(record, model)
    again = deploy(record, model)
    assert not again.is_new
    assert "already" in str(again)
    assert len(rollouts(record)) == 1


def test_a_swap_keeps_the_address_and_rollback_serves_what_served_before(record) -> None:
    first, second = add_model(record, 2.0), add_model(record, 3.0)
    one, two = deploy(record, first), deploy(record, second)
    assert one.address == two.address
    assert score(two.address, 1.0) == 3.0
    back = rollback(record, "delay")
    assert (back.model, back.deployment) == (first, "deployment:delay@3")
    assert score(back.address, 1.0) == 2.0
    assert resolve(record, "deployment:delay").artifact == versions(
        record, ref_name(record, "deployment", "delay")
    )[-1].artifact  # fmt: skip


def test_a_model_that_does_not_start_fails_the_run_and_the_old_one_serves_on(record) -> None:
    done = deploy(record, add_model(record, 2.0))
    bad = add_model(record, 3.0, dies="at start")
    with pytest.raises(RolloutFailedError, match="the tiny model cannot be loaded"):
        deploy(record, bad)
    assert score(done.address, 1.0) == 2.0
    assert resolve(record, "deployment:delay").number == 1
    assert sorted(run.status for run in rollouts(record)) == ["done", "failed"]
    assert not deploy(record, "model:delay@1").is_new


def test_a_first_deployment_that_fails_leaves_nothing_behind(record) -> None:
    with pytest.raises(RolloutFailedError):
        deploy(record, add_model(record, 3.0, dies="at start"))
    with pytest.raises(NotFoundError):
        resolve(record, "deployment:delay")
    clock, target = record.ports.clock, record.ports.target
    end = clock.monotonic_s() + 60
    while (status := target.status("delay")) is not None:
        assert clock.monotonic_s() < end, status
        clock.sleep(0.02)


def test_undeploy_then_deploy_serves_again_with_the_same_version(record) -> None:
    model = add_model(record, 2.0)
    deploy(record, model)
    gone = undeploy(record, "delay")
    assert gone.was == "deployment:delay@1"
    assert serving_status(record).services == ()
    with pytest.raises(NotFoundError, match="nothing serves as dealy"):
        undeploy(record, "dealy")
    again = deploy(record, model)
    assert (again.is_new, again.deployment) == (True, "deployment:delay@1")
    assert score(again.address, 1.0) == 2.0


def test_down_stops_everything_and_up_serves_the_same_again(record) -> None:
    done = deploy(record, add_model(record, 2.0))
    assert [s.state for s in down(record).services] == ["stopped"]

    class Once(Tell):
        lines: list[str] = []  # noqa: RUF012

        def line(self, text: str) -> None:
            self.lines.append(text)

        @property
        def is_cancelled(self) -> bool:
            return any("ready" in line for line in self.lines)

    following = msgspec_free_copy(record, Once())
    assert [s.state for s in up(following).services] == ["stopped"]
    assert any(f"ready model:delay@1 {done.address}" in line for line in Once.lines)
    assert up(record, detach=True).services[0].deployment == "deployment:delay@1"


def msgspec_free_copy(record: Record, tell: Tell) -> Record:
    return Record(
        ports=record.ports, project=record.project, actor=record.actor, settings=record.settings,
        kinds={}, tell=tell,
    )  # fmt: skip


def test_two_deployments_of_one_model_have_their_own_names_and_addresses(record) -> None:
    model = add_model(record, 2.0)
    one, two = deploy(record, model), deploy(record, model, name="second")
    assert one.address != two.address
    assert score(two.address, 1.0, name="second") == score(two.address, 1.0, name="delay") == 2.0
    names = [(s.name, s.model, s.deployment) for s in serving_status(record).services]
    assert names == [
        ("delay", model, "deployment:delay@1"), ("second", model, "deployment:second@1")
    ]  # fmt: skip


def test_only_one_rollout_of_a_name_at_a_time_and_the_loser_is_told(record, tmp_path) -> None:
    models = [add_model(record, 2.0), add_model(record, 3.0)]
    other = make_record(tmp_path)
    outcomes: list[object] = []

    def go(who: Record, model: str) -> None:
        try:
            outcomes.append(deploy(who, model).deployment)
        except ConflictError as error:
            outcomes.append(error)

    threads = [
        threading.Thread(target=go, args=pair) for pair in zip((record, other), models, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.ports.close()
    made = [o for o in outcomes if isinstance(o, str)]
    assert made
    assert len(versions(record, ref_name(record, "deployment", "delay"))) == len(made)
    serves = serving_status(record).services[0]
    assert serves.deployment == f"deployment:delay@{len(made)}"


def test_an_address_that_others_can_reach_is_refused_before_anything_is_written(tmp_path) -> None:
    with pytest.raises(InvalidInputError, match=r"serving\.host"):
        make_record(tmp_path, serving={"host": "0.0.0.0"})


def test_rollback_with_nothing_before_says_so(record) -> None:
    deploy(record, add_model(record, 2.0))
    with pytest.raises(NotFoundError, match="before deployment:delay@1"):
        rollback(record, "delay")


def test_the_rules_of_the_contract_that_the_data_were_held_to_hold_for_requests_too(record) -> None:
    carrier = ColumnSpec(name="carrier", type="str", one_of=("UA",), is_refusing=True)
    add_data(record, carrier)
    newer = msgspec.structs.replace(carrier, one_of=("AA", "UA"))
    unsent = ColumnSpec(name="gate", type="str", is_refusing=True)
    data = add_data(record, newer, ColumnSpec(name="x", type="float", between=(0, 9)), unsent)
    address = deploy(record, add_model(record, 2.0, data=data)).address
    assert score(address, 10.0) == 20.0
    ((_, block),) = record.ports.stream.read("delay")
    assert decode_block(block).contract_bits.tolist() == [1 << 3]
    with urllib.request.urlopen(f"{address}/metrics", timeout=20) as answer:
        assert b'rule="x.between"} 1' in answer.read()
    with pytest.raises(urllib.error.HTTPError, match="422") as caught:
        score(address, 1.0, carrier="ZZ")
    assert "'carrier.one_of'" in json.loads(caught.value.read())["error"]
    caught.value.close()
    edges = record.ports.ledger.edges([resolve(record, "deployment:delay").run], "up", 1)
    assert sorted(edge.name for edge in edges) == ["contract", "model"]
