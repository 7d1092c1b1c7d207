"""Releases: what was released runs, whatever becomes of the folder; the same again adds nothing."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.lineage.refs import resolve

FLOW = """
import tidemill as tm


@tm.step
def double(n: int) -> int:
    return 2 * n


@tm.pipeline
def flow(n: int = 3) -> None:
    tm.figure("doubled", tm.load(double(n)))
"""

TRIGGER = """
[[trigger]]
name = "monthly"
kind = "schedule"
every = "month"
pipeline = "flow@prod"
model = "flow"
params = { n = 5 }
"""


@pytest.fixture
def mill(project: Path) -> Path:
    (project / "flow.py").write_text(FLOW)
    return project


@pytest.fixture
def said(tidemill):
    """Run a command that must go well; returns what it answers."""

    def run(*arguments: str):
        done = tidemill(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def figure(said, run: str) -> float:
    return next(f["value"] for f in said("show", f"run:{run}")["figures"] if f["key"] == "doubled")


def runs(record, kind: str) -> list[Run]:
    return record.ports.ledger.find(Query(Run, where=(Where("kind", "=", kind),)))


def test_the_same_again_adds_nothing_and_says_so(mill, tidemill, said, record) -> None:
    first = said("release", "pipeline:flow", "--because", "first")
    assert (first["version"], first["is_new"]) == ("pipeline:flow@1", True)
    again = tidemill("release", "flow")
    assert again.stdout.startswith("nothing to release: pipeline:flow@1 has all of it already")
    assert resolve(record, "pipeline:flow").number == 1


def test_what_was_released_runs_whatever_becomes_of_the_folder(mill, tidemill, said) -> None:
    said("release", "flow")
    said("promote", "pipeline:flow@1", "prod", "--because", "good")
    (mill / "flow.py").write_text(FLOW.replace("2 * n", "3 * n"))
    said("release", "flow")
    (mill / "flow.py").write_text("this is no Python")

    ran = said("run", "flow@prod", "--n", "5")
    assert figure(said, ran["run"]) == 10
    assert figure(said, said("run", "flow@2", "--n", "5")["run"]) == 15
    assert "pipeline:flow@1" in tidemill("why", f"run:{ran['run']}").stdout

    said("promote", "pipeline:flow@2", "prod", "--because", "better")
    assert figure(said, said("run", "flow@prod", "--n", "6")["run"]) == 18
    said("promote", "pipeline:flow@1", "prod", "--because", "worse: back again")
    assert figure(said, said("run", "flow@prod", "--n", "7")["run"]) == 14


def test_a_plan_says_what_a_release_would_change(mill, said, record) -> None:
    said("release", "flow")
    (mill / "flow.py").write_text(
        FLOW.replace("2 * n", "3 * n").replace("n: int = 3", "n: int = 4, deep: bool = False")
    )
    file = mill / "tidemill.toml"
    file.write_text(file.read_text() + "\n[run]\nworkers = 1\n" + TRIGGER)
    plan = said("release", "flow@1", "--plan")
    assert (plan["version"], plan["is_new"]) == ("pipeline:flow@1", True)
    (code,) = [f for f in plan["difference"]["files"] if f["path"] == "flow.py"]
    assert (code["state"], code["added"], code["removed"]) == ("changed", 2, 2)
    assert "+    return 3 * n" in code["diff"]
    parts = {part["name"]: part["changes"] for part in plan["difference"]["parts"]}
    assert parts["parameter"] == [
        {"name": "n", "old": "int = 3", "new": "int = 4"},
        {"name": "deep", "old": None, "new": "bool = False"},
    ]
    assert {"name": "run.workers", "old": None, "new": "1"} in parts["setting"]
    assert any(one["name"].startswith("monthly") for one in parts["trigger"])
    assert resolve(record, "pipeline:flow").number == 1, "a plan keeps nothing"


def test_a_secret_in_the_code_is_not_released(mill, tidemill) -> None:
    (mill / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n")
    done = tidemill("release", "flow")
    assert (done.returncode, "key.pem" in done.stderr) == (5, True)


def test_restored_code_that_was_changed_is_made_again(mill, tidemill, said) -> None:
    said("release", "flow")
    said("run", "flow@1", "--n", "1")
    (tree,) = (mill / ".tidemill" / "cache" / "releases").iterdir()
    assert not (tree / "flow.py").stat().st_mode & 0o222, "it is read only"
    for damage in ("changed", "added", "gone"):
        tree.chmod(0o755)
        (tree / "flow.py").chmod(0o644)
        if damage == "changed":
            (tree / "flow.py").write_text(FLOW.replace("2 * n", "9 * n"))
        elif damage == "added":
            (tree / "sitecustomize.py").write_text("raise SystemExit(9)")
        else:
            (tree / "flow.py").unlink()
        done = tidemill("run", "flow@1", "--n", "4")
        assert done.returncode == 0, done.stderr
        assert "was changed; it is made again" in done.stdout + done.stderr
        assert figure(said, said("run", "flow@1", "--n", "4")["run"]) == 8
    assert [path.name for path in tree.parent.iterdir()] == [tree.name], "nothing is left over"


def test_two_at_once_make_one_version_and_one_tree(mill, said, record) -> None:
    command = [sys.executable, "-m", "tidemill.app.command_line", "-C", str(mill)]

    def at_once(*arguments: str) -> list[int]:
        started = [subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL)
                   for _ in range(2)]  # fmt: skip
        return [process.wait(60) for process in started]

    assert at_once("release", "flow") == [0, 0]
    assert resolve(record, "pipeline:flow").number == 1
    assert at_once("run", "flow@1") == [0, 0]
    assert len(list((mill / ".tidemill" / "cache" / "releases").iterdir())) == 1


def test_a_run_ends_with_the_process_that_asked_for_it(mill, said, record) -> None:
    began = mill / "began"
    (mill / "flow.py").write_text(
        FLOW.replace("    return 2 * n", f"    open({str(began)!r}, 'w').write(str(n))\n"
                     "    import os, time\n"
                     f"    while os.path.exists({str(began)!r}):\n        time.sleep(0.01)\n"
                     "    return 2 * n")
    )  # fmt: skip
    said("release", "flow")
    command = [sys.executable, "-m", "tidemill.app.command_line", "-C", str(mill), "run", "flow@1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(began.exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: [run.status for run in runs(record, "pipeline")] == ["cancelled"])
    began.unlink()
    command += ["--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wait_until(began.exists)
    began.unlink()
    assert figure(said, json.loads(process.communicate(timeout=60)[0])["run"]) == 6


def test_a_trigger_trains_what_was_released_and_says_which(mill, tidemill, said, record) -> None:
    file = mill / "tidemill.toml"
    plain = file.read_text()
    file.write_text(plain + TRIGGER.replace("flow@prod", "flow"))
    said("trigger", "tick", "--at", "2013-04-01")
    (decision,) = said("trigger", "tick", "--at", "2013-05-01")["decisions"]
    assert decision["ran"] == "working copy"
    assert "`tidemill release`" in tidemill("trigger", "decisions").stdout

    file.write_text(plain + TRIGGER)
    missing = tidemill("trigger", "tick", "--at", "2013-05-02")
    assert missing.returncode == 5
    assert "runs flow@prod" in missing.stderr
    said("release", "flow")
    said("promote", "pipeline:flow@1", "prod", "--because", "good")
    said("trigger", "tick", "--at", "2013-05-03")
    (mill / "flow.py").write_text("this is no Python")
    file.write_text(plain + TRIGGER.replace("n = 5", "n = 6"))
    (decision,) = said("trigger", "tick", "--at", "2013-06-01")["decisions"]
    assert (decision["action"], decision["ran"]) == ("fired", "pipeline:flow@1"), decision
    assert decision["outcome"].startswith("the pipeline gave no new candidate")
    assert {run.params["n"] for run in runs(record, "pipeline")} == {5}, "the released rule"
    assert said("trigger", "list")["triggers"][0]["runs"] == "flow@prod (1)"


def test_a_lock_that_cannot_be_built_is_a_clear_error_and_a_failed_training(
    mill, tidemill, said, record
) -> None:
    (mill / "pyproject.toml").write_text(
        '[project]\nname = "mill"\nversion = "0"\nrequires-python = ">=3.11"\n'
        'dependencies = ["nowhere"]\n[tool.uv]\nno-index = true\n'
    )
    (mill / "uv.lock").write_text(
        'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n\n'
        '[[package]]\nname = "mill"\nversion = "0"\nsource = { virtual = "." }\n'
        'dependencies = [{ name = "nowhere" }]\n\n'
        '[package.metadata]\nrequires-dist = [{ name = "nowhere" }]\n\n'
        '[[package]]\nname = "nowhere"\nversion = "1.0"\n'
        'source = { path = "nowhere-1.0-py3-none-any.whl" }\n'
        'wheels = [{ filename = "nowhere-1.0-py3-none-any.whl", hash = "sha256:'
        + "0" * 64 + '" }]\n'
    )  # fmt: skip
    file = mill / "tidemill.toml"
    file.write_text(file.read_text() + TRIGGER)
    released = said("release", "flow")
    assert "is not what uv.lock says" in released["notes"][0]
    said("promote", "pipeline:flow@1", "prod", "--because", "good")
    done = tidemill("run", "flow@prod")
    assert done.returncode == 8, done.stderr
    assert "cannot be built from its lock" in done.stderr
    assert not [p for p in (mill / ".tidemill/cache/environments").iterdir() if p.is_dir()]
    said("trigger", "tick", "--at", "2013-04-01")
    (decision,) = said("trigger", "tick", "--at", "2013-05-01")["decisions"]
    assert decision["action"] == "failed"
    (training,) = runs(record, "retraining")
    assert (training.status, training.params["ran"]) == ("failed", "pipeline:flow@1")
    (again,) = said("trigger", "tick", "--at", "2013-05-01T00:10")["decisions"]
    assert again["action"] == "held", "a failed training waits"


def test_the_gates_judge_a_release_and_its_policy_asks_for_them(mill, tidemill, said) -> None:
    (mill / "test_flow.py").write_text(
        "from flow import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
    )
    said("release", "flow")
    said("policy", "set", "pipeline:flow", "prod", "--verdict", "gates", "--because", "strict")
    assert tidemill("promote", "pipeline:flow@1", "prod", "--because", "x").returncode == 7
    (mill / "test_flow.py").write_text("def test_wrong():\n    assert False\n")
    report = said("check", "pipeline:flow@1")
    assert [gate["name"] for gate in report["gates"]] == ["code", "data", "plan", "gates"]
    assert report["gates"][0]["state"] == "pass", "its own tests, not those of the folder"
    said("promote", "pipeline:flow@1", "prod", "--because", "gates say yes")
    said("release", "flow")
    assert tidemill("check", "pipeline:flow@2").returncode == 3
    assert tidemill("promote", "pipeline:flow@2", "prod", "--because", "x").returncode == 7


def wait_until(is_so, within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_data_in_the_folder_are_in_no_release_and_what_is_left_out_is_told(mill, said) -> None:
    (mill / "pics").mkdir()
    for number in range(3):
        (mill / "pics" / f"{number}.png").write_bytes(b"%d" % number)
    (mill / "raw").mkdir()
    for name in ("more.csv", "raw/rows.csv", "other.csv"):
        (mill / name).write_text("a,b\n1,2\n")
    said("data", "add", "pics", "pics")
    said("data", "add", "more", str(mill / "more.csv"))
    said("data", "add", "rows", "raw/rows.csv")
    run = said("run", "flow")["run"]
    shown = said("show", f"run:{run}")
    told = {note["key"]: note["text"] for note in shown["notes"]}
    assert told["left out"] == "not captured as code: more.csv, pics/ (3 files), raw/rows.csv"
    (code,) = [row["text"] for row in shown["rows"] if row["name"] == "code"]
    held = said("show", code)["detail"]
    assert [name for name in held if name.endswith((".csv", ".png"))] == ["other.csv"]
    said("release", "pipeline:flow")
    released = said("show", f"run:{said('run', 'flow@1', '--n', '4')['run']}")
    assert {"name": "code", "text": code} in released["rows"]
