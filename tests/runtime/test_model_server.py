"""The model server's routes, rules, log and figures, asked in process."""

import asyncio
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.stream import MappedStream
from tidemill.core.task import Task
from tidemill.kernels.row_rules import between, encode_request_rules, one_of
from tidemill.ports.target import ServiceSpec
from tidemill.runtime.model_server import ModelServer, ServerIdentity
from tidemill.runtime.model_server_inference import Inference, open_log
from tidemill.runtime.model_server_rules import served_rules
from tidemill.runtime.server_figures import Labels, ServerFigures
from tidemill.wire.open_inference_answer import model_metadata
from tidemill.wire.prediction_block import decode_block

INFER = "/v2/models/delay/infer"


def tiny_model(folder: Path):
    spec = importlib.util.spec_from_file_location(
        "tiny_server", Path(__file__).with_name("tiny_server.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (folder / "tiny.json").write_text('{"factor": 2.0}')
    return module.TinyModel(folder)


START_US = 1_365_811_200_000_000
TIMES_US = [START_US + 10, START_US + 20, START_US + 30]
RULES = served_rules(
    encode_request_rules(
        [
            between("x", "float", None, 100),
            one_of("carrier", "str", ["AA", "UA"], is_refusing=True),
        ]
    )
)


class Server:
    """A model server with its log, asked through the ASGI interface."""

    def __init__(self, folder: Path, **limits: int) -> None:
        self.stream = MappedStream(folder / "stream", **({"backlog_bytes": 1 << 26} | limits))
        self.log = open_log(self.stream, "prod", durable=False)
        spec = ServiceSpec(
            name="prod", deployment="b3:d", model="tree1:m", model_name="delay", model_version="7",
            model_folder=str(folder), host="127.0.0.1", port=0, threads=1, log="fast", max_rows=4,
        )  # fmt: skip
        clock, model = SystemClock(), tiny_model(folder)
        self.model = model
        self.figures = ServerFigures(
            Labels(deployment="prod", model="delay", version="7"), [rule.name for rule in RULES]
        )
        self.inference = Inference(
            spec, model, rules=RULES, log=self.log, figures=self.figures, clock=clock
        )
        identity = ServerIdentity(
            names=frozenset({"prod", "delay"}), version="7", release="1",
            metadata=model_metadata("delay", "7", "tiny", model.signature), max_body_bytes=2000,
            body_timeout_s=0.5,
        )  # fmt: skip
        self.app = ModelServer(identity, self.inference, self.figures, clock)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str):
        sent = []

        async def receive():
            return {"type": "http.request", "body": body}

        async def send(message):
            sent.append(message)

        scope = {
            "path": path, "method": method,
            "headers": [
                (k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()
            ],
        }  # fmt: skip
        asyncio.run(self.app(scope, receive, send))
        return sent[0]["status"], sent[1]["body"], dict(sent[0]["headers"])

    def infer(self, *tensors: dict, **rest: object):
        body = json.dumps({"inputs": list(tensors)} | rest).encode()
        status, answer, _ = self.ask("POST", INFER, body)
        return status, json.loads(answer)

    def blocks(self):
        return [decode_block(block) for _, block in self.stream.read("prod")]


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.log.close()


def tensor(name: str, datatype: str, *data: object) -> dict:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": list(data)}


def row(**changes: object) -> list[dict]:
    values = {"x": 1.0, "carrier": "AA", "at": START_US + 5, "flight": "f"} | changes
    types = {"x": "FP64", "carrier": "BYTES", "at": "INT64", "flight": "BYTES"}
    return [tensor(name, types[name], value) for name, value in values.items()]


def test_a_prediction_is_answered_with_its_ids_and_logged_with_everything(server) -> None:
    status, answer = server.infer(
        tensor("x", "FP64", 1.0, None, 300.0), tensor("carrier", "BYTES", "AA", "UA", None),
        tensor("at", "INT64", *TIMES_US), tensor("flight", "BYTES", "a", "b", None), id="r1",
    )  # fmt: skip
    assert status == 200
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("delay", "7", "r1")
    score, ids = answer["outputs"]
    assert score["data"] == [2.0, None, 600.0]
    assert ids["name"] == "prediction_id"
    (block,) = server.blocks()
    assert [row.tobytes().hex() for row in block.ids] == ids["data"] == sorted(ids["data"])
    assert all(re.fullmatch(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", i) for i in ids["data"])
    assert (block.deployment, block.model, block.status) == ("b3:d", "tree1:m", "ok")
    assert block.at_us.tolist() == TIMES_US
    assert block.contract_bits.tolist() == [0, 0, 1]
    logged = {(c.name, c.role): c for c in block.columns}
    assert list(logged) == [
        ("at", "context"), ("flight", "context"), ("x", "input"), ("carrier", "input"),
        ("score", "output"),
    ]  # fmt: skip
    assert logged["x", "input"].valid.tolist() == [True, False, True]
    assert logged["carrier", "input"].values.tolist() == ["AA", "UA", None]
    assert server.figures.failed_rows == {"x.between": 1, "carrier.one_of": 0}


def test_both_names_and_the_version_path_reach_the_model(server) -> None:
    body = json.dumps({"inputs": row()}).encode()
    for path in (INFER, "/v2/models/prod/infer", "/v2/models/prod/versions/7/infer"):
        assert server.ask("POST", path, body)[0] == 200


def test_a_rule_that_refuses_answers_422_with_column_row_and_rule_and_predicts_nothing(
    server,
) -> None:
    status, answer = server.infer(*row(carrier="ZZ"))
    assert status == 422
    for part in ("'carrier'", "row 1", "ZZ", "'carrier.one_of'"):
        assert part in answer["error"]
    (block,) = server.blocks()
    assert (block.status, block.contract_bits.tolist()) == ("rejected", [2])
    assert not [c for c in block.columns if c.role == "output"]
    assert server.figures.rows == {"ok": 0, "rejected": 1, "failed": 0}
    assert server.figures.failed_rows["carrier.one_of"] == 1


WRONG = {
    "missing input": (400, "'carrier' .BYTES. is missing", [row()[0], *row()[2:]]),
    "missing context": (400, "'at' .INT64. is missing", [row()[0], row()[1], row()[3]]),
    "missing key": (400, "'flight' .BYTES. is missing", row()[:3]),
    "unknown": (
        400,
        "no input 'carier'; did you mean 'carrier'",
        [*row(), tensor("carier", "BYTES", "")],
    ),
    "unlike any": (400, "it takes x, carrier", [*row(), tensor("zzz", "FP64", 1)]),
    "text for a number": (
        400,
        "'x' is BYTES, the model takes FP64",
        [tensor("x", "BYTES", "1"), *row()[1:]],
    ),
    "fraction for an integer": (
        400,
        "'at' is FP64",
        [*row()[:2], tensor("at", "FP64", 1.5), row()[3]],
    ),
    "null that may not be": (400, "'at', row 1: null", row(at=None)),
    "milliseconds": (
        400,
        "'at': 1365811200000 microseconds since 1970 would be no time of our days",
        row(at=1_365_811_200_000),
    ),
    "no time": (
        400,
        "'at', row 1: 'noon' is no ISO date or time",
        [*row()[:2], tensor("at", "BYTES", "noon"), row()[3]],
    ),
    "too large": (
        400,
        "'at', row 1: 9223372036854775808",
        [*row()[:2], tensor("at", "UINT64", 2**63), row()[3]],
    ),
    "too many rows": (413, "5 rows, at most 4", [tensor("x", "FP64", 1, 1, 1, 1, 1)]),
    "not JSON": (400, "V2", ["x"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_a_4xx_that_names_the_tensor_and_is_not_logged(server, name) -> None:
    status, pattern, tensors = WRONG[name]
    got, answer = server.infer(*tensors)
    assert got == status
    assert re.search(pattern, answer["error"])
    assert server.blocks() == []


def test_an_unknown_output_is_named(server) -> None:
    status, answer = server.infer(*row(), outputs=[{"name": "scores"}])
    assert status == 400
    assert "'scores'; it gives score, prediction_id" in answer["error"]


def test_only_the_wanted_outputs_are_answered(server) -> None:
    _, answer = server.infer(*row(), outputs=[{"name": "prediction_id"}])
    assert [output["name"] for output in answer["outputs"]] == ["prediction_id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "pattern"),
    [
        (
            "POST",
            "/v2/models/other/infer",
            404,
            "no model 'other' here; this server has delay, prod",
        ),
        ("POST", "/v2/models/delay/versions/8/infer", 404, "no version '8' here, '7' is"),
        ("POST", "/v2/models/delay/versions", 404, "no version ''"),
        ("GET", INFER, 405, "POST is"),
        ("HEAD", "/metrics", 405, "GET is"),
        ("GET", "/v3", 404, "no /v3"),
        ("GET", "/v2/models", 404, "no /v2/models"),
        ("GET", "/v2/models/delay/explain", 404, "/ready and /infer"),
    ],
)
def test_wrong_paths_and_methods(server, method, path, status, pattern) -> None:
    got, body, headers = server.ask(method, path)
    assert got == status
    assert pattern in json.loads(body)["error"]
    assert (b"allow" in headers) == (status == 405)


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content_type": "application/x-www-form-urlencoded"}, b"{}", 415),
        ({"content_encoding": "gzip"}, b"{}", 415),
        ({"inference_header_content_length": "x"}, b"{}", 400),
        ({"inference_header_content_length": "9"}, b"{}", 400),
        ({"content_type": "application/json; charset=utf-8"}, b"{}", 400),
        ({}, b" " * 2001, 413),
    ],
)
def test_wrong_headers_and_sizes(server, headers, body, status) -> None:
    got, answer, _ = server.ask("POST", INFER, body, **headers)
    assert got == status
    assert json.loads(answer)["error"]


def test_health_metadata_and_figures(server) -> None:
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/delay/ready", "/v2", "/"):
        assert server.ask("GET", path)[0] == 200
    about = json.loads(server.ask("GET", "/v2/models/delay")[1])
    assert [i["name"] for i in about["inputs"]] == ["x", "carrier", "at", "flight"]
    assert [o["name"] for o in about["outputs"]] == ["score", "prediction_id"]
    server.infer(*row())
    server.infer("x")
    text = server.ask("GET", "/metrics")[1].decode()
    mine = 'deployment="prod",model="delay",version="7"'
    assert f'tidemill_predictions_total{{{mine},status="ok"}} 1' in text
    assert f'tidemill_requests_total{{{mine},code="400"}} 1' in text
    for stage in ("queue", "model", "total"):
        pattern = rf'duration_seconds_bucket{{{mine},stage="{stage}",le="\+Inf"}} [12]'
        assert re.search(pattern, text)
    assert re.search(r"process_resident_memory_bytes \d{7,}", text)
    for line in text.splitlines():
        assert re.fullmatch(
            r'# .*|[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [\d.e+-]+', line
        )


def test_a_model_that_raises_is_a_500_that_says_so_and_is_logged_as_failed(server) -> None:
    status, answer = server.infer(*row(x=666.0))
    assert (status, answer["error"]) == (500, "the model failed: ValueError: the beast")
    assert [block.status for block in server.blocks()] == ["failed"]
    assert server.infer(*row())[0] == 200


def test_a_full_log_drops_and_counts_and_answers_all_the_same(tmp_path) -> None:
    server = Server(tmp_path, segment_bytes=4096, backlog_bytes=8192)
    for _ in range(60):
        assert server.infer(*row())[0] == 200
    text = server.ask("GET", "/metrics")[1].decode()
    dropped = int(re.search(r"tidemill_prediction_log_dropped_total{.*} (\d+)", text)[1])
    assert dropped > 0
    assert dropped + len(server.blocks()) == 60
    server.log.close()


def test_while_another_server_writes_the_log_goes_to_a_stream_beside_it(server) -> None:
    beside = open_log(server.stream, "prod", durable=False)
    assert server.stream.names() == ["prod", "prod~1"]
    beside.close()


def test_senders_that_never_finish_hold_no_place_and_are_told(server) -> None:
    head = {"path": INFER, "method": "POST", "headers": []}
    whole = json.dumps({"inputs": row()}).encode()

    async def answered(*messages: dict) -> int:
        left, sent = list(messages), []

        async def receive():
            return left.pop(0) if left else await asyncio.Event().wait()

        async def send(message):
            sent.append(message)

        await server.app(dict(head), receive, send)
        return sent[0]["status"]

    async def everybody() -> tuple[int, list[int]]:
        begun = {"type": "http.request", "body": b"{", "more_body": True}
        slow = [asyncio.ensure_future(answered(begun)) for _ in range(300)]
        await asyncio.sleep(0)
        good = await answered({"type": "http.request", "body": whole})
        return good, list(await asyncio.gather(*slow))

    good, slow = asyncio.run(everybody())
    assert good == 200
    assert set(slow) == {408}


def test_a_draining_server_closes_each_connection_with_its_answer(server) -> None:
    server.app.is_draining = True
    assert server.ask("GET", "/v2")[2][b"connection"] == b"close"


def test_binary_in_binary_out(server) -> None:
    inputs = row()
    inputs[0] = {
        "name": "x", "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}
    }  # fmt: skip
    head = json.dumps({"inputs": inputs, "parameters": {"binary_data_output": True}}).encode()
    status, body, headers = server.ask(
        "POST", INFER, head + np.array([3.0]).tobytes(),
        inference_header_content_length=str(len(head)), content_type="application/octet-stream",
    )  # fmt: skip
    assert status == 200
    size = int(headers[b"inference-header-content-length"])
    assert [o["parameters"]["binary_data_size"] for o in json.loads(body[:size])["outputs"]] == [
        8, 36,
    ]  # fmt: skip
    assert np.frombuffer(body[size : size + 8])[0] == 6.0


def test_a_score_a_class_is_flat_in_the_answer_and_a_column_a_class_in_the_log(server) -> None:
    server.model.task = Task(kind="multiclass", label="y", classes=("early", "late"))
    _, answer = server.infer(
        tensor("x", "FP64", 0.125, 0.25), tensor("carrier", "BYTES", "AA", "UA"),
        tensor("at", "INT64", *TIMES_US[:2]), tensor("flight", "BYTES", "a", "b"),
    )  # fmt: skip
    assert answer["outputs"][0]["shape"] == [2, 2]
    assert answer["outputs"][0]["data"] == [0.75, 0.25, 0.5, 0.5]
    (block,) = server.blocks()
    logged = {c.name: c.values.tolist() for c in block.columns if c.role == "output"}
    assert logged == {"score.early": [0.75, 0.5], "score.late": [0.25, 0.5]}


def test_the_effective_time_may_be_iso_text(server) -> None:
    status, _ = server.infer(*row()[:2], tensor("at", "BYTES", "2013-04-13T00:00:00Z"), row()[3])
    assert status == 200
    (block,) = server.blocks()
    assert block.at_us.tolist() == [START_US]
