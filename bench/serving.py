"""What a served LightGBM model costs over HTTP: start, one row, many rows, JSON and binary, memory.

python bench/serving.py [TREES]      (log and figures on; the client's own cost is in every number)
"""

import http.client
import json
import re
import sys
import tempfile
import time
from pathlib import Path

import lightgbm
import numpy as np

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.target.local_target import LocalTarget, SupervisorFiles
from tidemill.adapters.local.target.services import LocalServices
from tidemill.app.process_commands import SERVER_COMMAND
from tidemill.core.digest import ArtifactId
from tidemill.core.signature import Field, Signature
from tidemill.core.task import Task
from tidemill.ports.target import ServiceSpec
from tidemill.practices.versioning.model import Model

INPUTS = 24
NAMES = [f"x{number}" for number in range(INPUTS)]
RANDOM = np.random.default_rng(0)


class Stepped(LocalTarget):
    """A target whose services this script steps itself."""

    def start(self) -> bool:
        return False


def fitted(folder: Path, trees: int) -> Path:
    rows = RANDOM.random((5000, INPUTS))
    label = rows[:, 0] + RANDOM.random(5000) > 1
    parameters = {"objective": "binary", "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, label), trees)
    signature = Signature(
        inputs=tuple(Field(name=name, datatype="FP64") for name in NAMES),
        outputs=(Field(name="score", datatype="FP64"),),
        context=(Field(name="at", datatype="INT64"),),
        time="at",
    )
    folder.mkdir()
    Model(booster, signature=signature, task=Task(kind="binary", label="late")).save(folder)
    return folder


def request(rows: int, *, binary: bool) -> tuple[bytes, dict[str, str]]:
    tensors = [(name, "FP64", RANDOM.random(rows)) for name in NAMES]
    tensors.append(("at", "INT64", np.arange(rows)))
    heads, pieces = [], []
    for name, datatype, values in tensors:
        head = {"name": name, "shape": [rows], "datatype": datatype}
        if binary:
            pieces.append(values.tobytes())
            head["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            head["data"] = values.tolist()
        heads.append(head)
    text = json.dumps({"inputs": heads, "parameters": {"binary_data_output": binary}}).encode()
    headers = {"Content-Type": "application/octet-stream" if binary else "application/json"}
    if binary:
        headers["Inference-Header-Content-Length"] = str(len(text))
    return text + b"".join(pieces), headers


def durations_us(
    connection: http.client.HTTPConnection, rows: int, times: int, *, binary: bool
) -> np.ndarray:
    body, headers = request(rows, binary=binary)
    taken = np.empty(times)
    for turn in range(times):
        start = time.perf_counter()
        connection.request("POST", "/v2/models/bench/infer", body, headers)
        answer = connection.getresponse()
        answer.read()
        taken[turn] = time.perf_counter() - start
        assert answer.status == 200
    return taken[times // 10 :] * 1e6


def served(folder: Path, model: Path) -> tuple[LocalServices, http.client.HTTPConnection, float]:
    clock = SystemClock()
    assert SupervisorFiles(folder).take() is not None  # this process is the supervisor
    target = Stepped(folder, ("false",), clock)
    services = LocalServices(folder / "services", SERVER_COMMAND, clock)
    start = time.perf_counter()
    target.apply(
        ServiceSpec(
            name="bench", deployment=ArtifactId("b3:bench"), model=ArtifactId("tree1:bench"),
            model_name="bench", model_version="1", model_folder=str(model), host="127.0.0.1",
            port=0, threads=1, log="fast", max_rows=1024,
        )
    )  # fmt: skip
    status = None
    while status is None or status.state != "ready":
        services.step()
        time.sleep(0.01)
        status = target.status("bench")
        assert status is None or status.state != "failed", status.error
    took = time.perf_counter() - start
    port = int(status.address.rpartition(":")[2])
    return services, http.client.HTTPConnection("127.0.0.1", port), took


def main(folder: Path, trees: int) -> None:
    services, connection, start_s = served(folder, fitted(folder / "model", trees))
    print(f"LightGBM, {trees} trees, {INPUTS} inputs and one context column")
    print(f"start until ready          {start_s:8.2f} s")
    for rows, times in ((1, 3000), (64, 500), (1024, 200)):
        for binary in (False, True):
            taken = durations_us(connection, rows, times, binary=binary)
            print(
                f"{rows:5} rows, {'binary' if binary else 'JSON  '}"
                f"   p50 {np.median(taken):8.0f} us   p99 {np.quantile(taken, 0.99):8.0f} us"
                f"   {rows / taken.mean() * 1e6:10,.0f} rows/s"
            )
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    resident = int(re.search(r"process_resident_memory_bytes (\d+)", text)[1])
    dropped = re.search(r"log_dropped_total{.*} (\d+)", text)[1]
    print(f"resident memory            {resident / 1e6:8.0f} MB, {dropped} blocks dropped")
    connection.close()
    services.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        main(Path(place), int(sys.argv[1]) if len(sys.argv) > 1 else 200)
