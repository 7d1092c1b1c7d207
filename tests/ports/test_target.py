"""The target port on real processes: a supervisor that is started, killed, and started again."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.target.local_target import LocalTarget, SupervisorFiles
from tidemill.core.errors import NotAllowedError, UnavailableError
from tidemill.ports.target import ServiceSpec

SUPERVISOR = Path(__file__).parents[1] / "runtime" / "tiny_supervisor.py"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / ".tidemill"
    folder.mkdir()
    yield folder
    make_target(folder).stop()


def make_target(folder: Path) -> LocalTarget:
    return LocalTarget(folder, (sys.executable, str(SUPERVISOR), str(folder)), SystemClock())


def spec(folder: Path, factor: float, *, name: str = "delay", host: str = "127.0.0.1"):
    model = folder / f"model-{factor}"
    model.mkdir(exist_ok=True)
    (model / "tiny.json").write_text(json.dumps({"factor": factor}))
    return ServiceSpec(
        name=name, deployment=f"b3:{factor}", model=f"tree1:{factor}", model_name=name,
        model_version=str(factor), model_folder=str(model), host=host, port=0, threads=1,
        log="fast", max_rows=1024,
    )  # fmt: skip


def until(is_so, within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def lives(process: int) -> bool:
    """An orphan that has ended may stay a zombie where nothing reaps it."""
    told = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], check=False, capture_output=True, text=True
    )
    return told.stdout.strip()[:1] not in ("", "Z")


def serve(target: LocalTarget, wanted: ServiceSpec):
    target.apply(wanted)

    def is_ready() -> bool:
        status = target.status(wanted.name)
        return (status.state, status.deployment) == ("ready", wanted.deployment)

    until(is_ready)
    return target.status(wanted.name)


def version_that_answers(address: str) -> str:
    with urllib.request.urlopen(f"{address}/v2/models/delay", timeout=20) as answer:
        return json.loads(answer.read())["versions"][0]


def test_apply_starts_the_supervisor_and_is_idempotent(folder) -> None:
    target = make_target(folder)
    status = serve(target, spec(folder, 1.0))
    assert version_that_answers(status.address) == "1.0"
    assert serve(make_target(folder), spec(folder, 1.0)) == status
    assert [s.name for s in target.services()] == ["delay"]


def test_servers_outlive_a_killed_supervisor_and_the_next_one_adopts_and_swaps_them(folder) -> None:
    target = make_target(folder)
    before = serve(target, spec(folder, 1.0))
    os.kill(SupervisorFiles(folder).process(), signal.SIGKILL)
    until(lambda: not SupervisorFiles(folder).is_held())
    assert version_that_answers(before.address) == "1.0"
    orphan = target.status("delay")
    assert (orphan.state, orphan.process) == ("ready", before.process)
    assert "no supervisor" in orphan.error
    assert target.start()
    until(lambda: not target.status("delay").error)
    assert target.status("delay").process == before.process
    after = serve(target, spec(folder, 2.0))
    assert after.address == before.address
    assert version_that_answers(after.address) == "2.0"


def test_requests_wait_while_an_adopted_server_is_killed_and_replaced(folder) -> None:
    target = make_target(folder)
    before = serve(target, spec(folder, 1.0))
    os.kill(SupervisorFiles(folder).process(), signal.SIGKILL)
    until(lambda: not SupervisorFiles(folder).is_held())
    target.start()
    until(lambda: target.status("delay").process == before.process)
    os.kill(before.process, signal.SIGKILL)
    until(lambda: not lives(before.process))  # what it had accepted dies with it
    assert version_that_answers(before.address) == "1.0"
    until(lambda: target.status("delay").process not in (0, before.process))


def test_stop_ends_every_process_and_start_serves_the_same_again_at_the_same_address(
    folder,
) -> None:
    target = make_target(folder)
    before = serve(target, spec(folder, 1.0))
    target.stop()
    assert not lives(before.process)
    assert target.status("delay").state == "stopped"
    assert target.start()
    until(lambda: target.status("delay").state == "ready")
    assert target.status("delay").address == before.address


def test_stop_ends_servers_whose_supervisor_was_killed(folder) -> None:
    target = make_target(folder)
    before = serve(target, spec(folder, 1.0))
    os.kill(SupervisorFiles(folder).process(), signal.SIGKILL)
    until(lambda: not SupervisorFiles(folder).is_held())
    target.stop()
    assert not lives(before.process)


def test_several_applies_at_once_leave_one_supervisor_and_serve_everything(folder) -> None:
    names = ["a", "b", "c"]
    targets = [make_target(folder) for _ in names]
    threads = [
        threading.Thread(target=t.apply, args=(spec(folder, 1.0, name=name),))
        for t, name in zip(targets, names, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    target = targets[0]
    until(lambda: [s.state for s in target.services()] == ["ready"] * 3)
    assert len({s.address for s in target.services()}) == 3


def test_removing_frees_and_removing_again_or_the_unknown_is_nothing(folder) -> None:
    target = make_target(folder)
    serve(target, spec(folder, 1.0))
    target.remove("delay")
    until(lambda: target.status("delay") is None)
    target.remove("delay")
    target.remove("never was")
    assert target.services() == []


def test_an_address_that_others_can_reach_is_refused(folder) -> None:
    target = make_target(folder)
    with pytest.raises(NotAllowedError, match=r"0\.0\.0\.0"):
        target.apply(spec(folder, 1.0, host="0.0.0.0"))
    assert target.status("delay") is None


def test_a_supervisor_that_cannot_start_says_why(folder) -> None:
    target = LocalTarget(
        folder, (sys.executable, "-c", "raise SystemExit('no such thing')"), SystemClock()
    )
    with pytest.raises(UnavailableError, match="no such thing"):
        target.apply(spec(folder, 1.0))
    make_target(folder).remove("delay")
