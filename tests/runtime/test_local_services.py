"""Services as real processes: swaps, kills, adoption, crash loops."""

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.stream import MappedStream
from tidemill.adapters.local.target.local_target import LocalTarget, SupervisorFiles
from tidemill.adapters.local.target.services import LocalServices
from tidemill.ports.target import ServiceSpec
from tidemill.wire.prediction_block import decode_block, stream_names

TINY = (sys.executable, str(Path(__file__).with_name("tiny_server.py")))


class NoSupervisor(LocalTarget):
    """A target whose services the test itself steps."""

    def start(self) -> bool:
        return False


class House:
    """A folder with a target, stepped by hand or by a thread."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, SystemClock()
        folder.mkdir(exist_ok=True)
        self.held = SupervisorFiles(folder).take()
        self.target = NoSupervisor(folder, ("false",), self.clock)
        self.services = self.new_services()

    def new_services(self) -> LocalServices:
        return LocalServices(self.folder / "services", TINY, self.clock)

    def spec(self, factor: float, **tiny: object) -> ServiceSpec:
        model = self.folder / f"model-{factor}"
        model.mkdir(exist_ok=True)
        (model / "tiny.json").write_text(json.dumps({"factor": factor, **tiny}))
        return ServiceSpec(
            name="delay", deployment=f"b3:{factor}", model=f"tree1:{factor}", model_name="delay",
            model_version=str(factor), model_folder=str(model), host="127.0.0.1", port=0, threads=1,
            log="fast", max_rows=1024,
        )  # fmt: skip

    def until(self, is_so, *, within_s: float = 30.0) -> None:
        end = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < end, self.target.status("delay")
            self.services.step()
            time.sleep(0.01)

    def serve(self, spec: ServiceSpec) -> None:
        self.target.apply(spec)
        self.until(lambda: self.state() == ("ready", spec.deployment))

    def state(self):
        status = self.target.status("delay")
        return status and (status.state, status.deployment)

    def connect(self) -> http.client.HTTPConnection:
        port = int(self.target.status("delay").address.rpartition(":")[2])
        return http.client.HTTPConnection("127.0.0.1", port, timeout=20)


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / ".tidemill")
    yield house
    house.services.stop()
    os.close(house.held)


def body(x: float) -> bytes:
    return json.dumps(
        {
            "inputs": [
                {"name": "x", "shape": [1], "datatype": "FP64", "data": [x]},
                {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": ["AA"]},
                {"name": "at", "shape": [1], "datatype": "INT64", "data": [5]},
                {"name": "flight", "shape": [1], "datatype": "BYTES", "data": ["f"]},
            ]
        }
    ).encode()


def ask(connection: http.client.HTTPConnection, x: float) -> tuple[int, float]:
    connection.request(
        "POST", "/v2/models/delay/infer", body(x), {"Content-Type": "application/json"}
    )
    answer = connection.getresponse()
    data = answer.read()
    return answer.status, json.loads(data)["outputs"][0]["data"][0] if answer.status == 200 else 0.0


def test_no_request_fails_while_models_are_swapped_under_load(house) -> None:
    house.serve(house.spec(1.0))
    answered: list[float] = []
    wrong: list[object] = []
    is_over = threading.Event()

    def client() -> None:
        connection = house.connect()
        while not is_over.is_set():
            try:
                status, score = ask(connection, 1.0)
            except (OSError, http.client.HTTPException) as error:
                wrong.append(error)
                return
            if status != 200 or score not in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
                wrong.append((status, score))
            answered.append(score)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    idle = house.connect()
    assert ask(idle, 1.0) == (200, 1.0)
    for factor in (2.0, 3.0, 4.0, 5.0, 6.0):
        house.serve(house.spec(factor))
        assert ask(idle, 1.0)[0] == 200
    house.until(lambda: len(answered) > 200 and answered[-1] == 6.0)
    is_over.set()
    for thread in threads:
        thread.join()
    idle.close()
    assert not wrong
    stream = MappedStream(house.folder / "stream")
    logged = [
        decode_block(block).columns[-1].values[0]
        for name in stream_names(stream.names(), "delay")
        for _, block in stream.read(name)
    ]
    assert len(logged) == len(answered) + 6
    assert set(logged) == {1.0, 2.0, 3.0, 4.0, 5.0, 6.0}


def test_a_killed_server_comes_back_and_requests_wait_in_the_socket_meanwhile(house) -> None:
    house.serve(house.spec(1.0))
    first = house.target.status("delay").process
    os.kill(first, signal.SIGKILL)
    answers: list[tuple[int, float]] = []
    connection = house.connect()
    thread = threading.Thread(target=lambda: answers.append(ask(connection, 7.0)))
    thread.start()
    house.until(lambda: not thread.is_alive())
    connection.close()
    assert answers == [(200, 7.0)]
    house.until(lambda: house.state()[0] == "ready")
    status = house.target.status("delay")
    assert status.process != first
    assert status.restarts == 1


def test_a_model_that_does_not_start_fails_with_its_log_while_the_old_one_serves(house) -> None:
    house.serve(house.spec(1.0))
    house.target.apply(house.spec(2.0, dies="at start"))
    house.until(lambda: house.state()[0] == "failed")
    status = house.target.status("delay")
    assert status.deployment == "b3:1.0"
    assert status.wanted == "b3:2.0"
    assert "the tiny model cannot be loaded" in status.error
    assert "exit code 3" in status.error
    connection = house.connect()
    assert ask(connection, 1.0) == (200, 1.0)
    connection.close()
    house.serve(house.spec(1.0))


def test_a_server_that_dies_again_and_again_counts_as_failed(house) -> None:
    house.serve(house.spec(1.0, dies="at the first request"))

    def poke() -> bool:
        connection = house.connect()
        connection.timeout = 0.3
        try:
            ask(connection, 1.0)
        except OSError:
            pass
        finally:
            connection.close()
        return house.state()[0] == "failed"

    house.until(poke)
    assert "exit code 4" in house.target.status("delay").error


def test_undeploy_frees_the_port_and_leaves_no_process_and_no_file(house) -> None:
    house.serve(house.spec(1.0))
    status = house.target.status("delay")
    house.target.remove("delay")
    house.until(lambda: house.target.status("delay") is None)
    with pytest.raises(ProcessLookupError):
        os.kill(status.process, 0)
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", int(status.address.rpartition(":")[2])))
    assert not (house.folder / "services/delay").exists()


def test_a_port_that_somebody_else_has_is_named_with_what_to_do(house) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        (house.folder / "services/delay").mkdir(parents=True)
        (house.folder / "services/delay/port").write_text(str(port))
        house.target.apply(house.spec(1.0))
        house.until(lambda: house.state()[0] == "failed")
        assert str(port) in house.target.status("delay").error
        assert "fix:" in house.target.status("delay").error
