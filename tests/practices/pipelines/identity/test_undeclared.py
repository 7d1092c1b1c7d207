"""What a step reads, changes and does besides what it is given."""

import socket
import threading

import pytest

from tidemill.core.query import Note, Query, Where
from tidemill.practices.integration.bounds import Bounds
from tidemill.practices.integration.code_gate import code_findings
from tidemill.practices.pipelines.operations import explain_memo

INPUTS = """
import numpy as np
import pandas as pd

@step
def made() -> dict:
    return {"a": [1, 2]}

@step
def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": [1, 2]})

@step
def array() -> np.ndarray:
    return np.array([1, 2])

@step
def spoil(d: dict, f: pd.DataFrame, a: np.ndarray) -> int:
    d["a"].append(100)
    f["a"] = 100
    f.loc[0, "a"] = 200
    try:
        a[0] = 100
    except ValueError:
        pass
    return int(sum(d["a"]) + f["a"].sum())

@step(version={version})
def total(d: dict, f: pd.DataFrame, a: np.ndarray, after: int) -> int:
    return int(sum(d["a"]) + f["a"].sum() + a.sum())

@pipeline
def flow():
    given = made(), frame(), array()
    return total(*given, spoil(*given))
"""


@pytest.mark.parametrize("in_process", [False, True])
def test_nobody_sees_what_a_step_does_to_its_input(mill, in_process) -> None:
    pytest.importorskip("pandas")
    for version in (1, 2):  # the second reads what the first has stored
        mill.write(INPUTS.replace("{version}", str(version)))
        found = mill.run_elsewhere("flow", in_process=in_process)
        assert found["returned"] == {"result of step total": "9"}
        states = [line["state"] for line in found["steps"]]
        assert states == ["done"] * 5 if version == 1 else ["reused"] * 4 + ["done"]


GLOBALS = """
SEEN = []
COUNT = 0

class Kept:
    values = {}

@step
def noting(x: int) -> int:
    global COUNT
    COUNT += 1
    SEEN.append(x)
    Kept.values[x] = x
    return len(SEEN) + COUNT + len(Kept.values)

@pipeline
def flow():
    return [noting(n).load() for n in range(3)]
"""


def test_what_a_step_leaves_in_a_module_reaches_no_other_step(mill) -> None:
    mill.write(GLOBALS)
    found = mill.run_elsewhere("flow")
    assert list(found["returned"].values()) == ["[3,3,3]"]
    assert mill.run_elsewhere("flow")["is_reused"]


def test_in_this_process_nobody_can_clean_up_so_nothing_of_it_is_memoized(mill) -> None:
    mill.write(GLOBALS)
    found = mill.run_elsewhere("flow", in_process=True)
    assert all("not memoized: it changed flow.COUNT" in line["because"] for line in found["steps"])
    assert list(mill.run_elsewhere("flow")["returned"].values()) == ["[3,3,3]"]


def test_a_constant_that_this_process_set_anew_is_another_identity_here(mill) -> None:
    mill.write("""
N = 2

def shift(x):
    return x

@step
def scaled(x: int) -> int:
    return shift(x) * N

@pipeline
def flow(n: int = 0):
    if n:
        globals()["N"] = n
        globals()["shift"] = lambda x: x + 1
    return scaled(3)
""")
    assert mill.run_elsewhere("flow", in_process=True)["returned"] == {"result of step scaled": "6"}
    changed = mill.run_elsewhere("flow", {"n": "5"}, in_process=True)
    assert changed["returned"] == {"result of step scaled": "20"}
    assert mill.run_elsewhere("flow", {"n": "5"})["returned"] == {"result of step scaled": "6"}
    assert mill.run_elsewhere("flow", in_process=True)["steps"][0]["state"] == "reused"


READS = """
import json, os
from pathlib import Path

CONF = json.loads((Path(__file__).parent / "conf.json").read_text())

@step
def configured(x: int) -> int:
    return x * CONF["k"]

@step
def listed() -> list[str]:
    return sorted(os.listdir("parts"))

@step
def apart(x: int) -> int:
    return x

@step
def keyed() -> int:
    return len(os.environ.get("MILL_API_TOKEN", "")) + len(os.environ.get("MILL_REGION", ""))

@pipeline
def flow():
    return configured(2), listed(), apart(1), keyed()
"""


def ran(found: dict) -> set[str]:
    return {line["name"] for line in found["steps"] if line["state"] == "done"}


def test_files_read_at_import_folders_and_variables_are_looked_at_before_a_result_is_reused(
    mill, monkeypatch
) -> None:
    mill.write(READS)
    (mill.folder / "conf.json").write_text('{"k": 2}')
    (mill.folder / "parts").mkdir()
    (mill.folder / "parts" / "a.txt").write_text("")
    mill.run_elsewhere("flow")
    assert mill.run_elsewhere("flow")["is_reused"]
    (mill.folder / "conf.json").write_text('{"k": 3}')
    changed = mill.run_elsewhere("flow")
    assert ran(changed) == {"configured"}
    assert changed["returned"]["result of step configured"] == "6"
    (mill.folder / "parts" / "b.txt").write_text("")
    assert ran(mill.run_elsewhere("flow")) == {"listed"}
    monkeypatch.setenv("MILL_REGION", "north")
    assert ran(mill.run_elsewhere("flow")) == {"keyed"}
    monkeypatch.setenv("MILL_REGION", "")
    monkeypatch.delenv("MILL_REGION")
    assert ran(mill.run_elsewhere("flow")) == set(), "what held once holds again"
    notes = Query(Note, where=(Where("key", "=", "observed"),))
    assert not any("TOKEN" in note.text for note in mill.record.ports.ledger.find(notes))


def test_connections_and_programs_are_told_on_the_run_and_by_the_gate_of_the_code(mill) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        server.accept()[0].close()

    threading.Thread(target=answer, daemon=True).start()
    port = server.getsockname()[1]
    mill.write(f"""
import socket, subprocess

@step
def asking() -> int:
    socket.create_connection(("127.0.0.1", {port})).close()
    return len(subprocess.run(["true"], check=True).args)

@pipeline
def flow():
    return asking()
""")
    (line,) = mill.run_elsewhere("flow")["steps"]
    server.close()
    assert line["because"] == f"undeclared: connects to 127.0.0.1:{port}, starts true"
    (finding,) = [f for f in code_findings(mill.record, Bounds()) if f.rule == "undeclared"]
    assert finding.state == "warn"
    assert "step asking: connects to 127.0.0.1" in finding.what


def test_what_a_step_writes_and_reads_again_is_its_own_affair(mill, tmp_path) -> None:
    mill.write("""
import tempfile
from pathlib import Path

@step
def scratch() -> str:
    Path("out.txt").write_text("a")
    with tempfile.NamedTemporaryFile("w+") as file:
        file.write("b")
        file.seek(0)
        return Path("out.txt").read_text() + file.read()

@step
def emptied() -> int:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "code" / "deep").mkdir(parents=True)
        (Path(folder) / "code" / "deep" / "one.py").write_text("1")
    return 1

@pipeline
def flow():
    return scratch(), emptied()
""")
    assert [one["because"] for one in mill.run_elsewhere("flow")["steps"]] == ["", ""]
    (mill.folder / "out.txt").unlink()
    assert mill.run_elsewhere("flow")["is_reused"]


EXPLAINED = """
from helpers import K, clean

@step
def first(n: int = 2) -> int:
    return clean(n) * K

@step
def second(x: int) -> str:
    with open("conf.txt") as file:
        return file.read() * x

@pipeline
def flow(n: int = 2):
    return second(first(n))
"""


def test_a_plan_and_memo_explain_name_what_differs_and_run_nothing(mill) -> None:
    mill.write(EXPLAINED)
    helpers = mill.folder / "helpers.py"
    helpers.write_text("K = 3\n\ndef clean(x):\n    return x\n")
    (mill.folder / "conf.txt").write_text("a")
    told = [line["because"] for line in mill.run_elsewhere("flow", plan=True)["steps"]]
    assert told == ["it has not run before", "it takes what first will give"]
    assert mill.record.ports.ledger.find(Query(Note)) == []
    mill.run_elsewhere("flow")
    assert "no earlier run" in str(explain_memo(mill.record, "first"))
    helpers.write_text("K = 4\n\ndef clean(x):\n    return x + 1\n")
    planned = mill.run_elsewhere("flow", plan=True)["steps"]
    assert planned[0]["because"] == "helpers.K 3 -> 4, helpers.clean changed"
    now = explain_memo(mill.record, "first")
    assert now.is_now
    assert [change.name for change in now.changes] == ["helpers.K", "helpers.clean"]
    mill.run_elsewhere("flow", {"n": "5"})
    ended = explain_memo(mill.record, "first")
    assert {change.what for change in ended.changes} == {"parameter", "constant", "code"}
    assert "parameter n 2 -> 5" in str(ended)
    assert str(explain_memo(mill.record, f"run:{ended.run}")) == str(ended)
    (mill.folder / "conf.txt").write_text("b")
    assert "file conf.txt changed" in str(explain_memo(mill.record, "second"))
    planned = mill.run_elsewhere("flow", {"n": "5"}, plan=True)["steps"]
    assert [line["state"] for line in planned] == ["reused", "run"]
    assert planned[1]["because"] == "file conf.txt changed"


def test_a_step_that_never_ran_is_an_error_that_names_those_that_did(mill) -> None:
    mill.write(EXPLAINED)
    (mill.folder / "helpers.py").write_text("K = 3\n\ndef clean(x):\n    return x\n")
    (mill.folder / "conf.txt").write_text("a")
    mill.run_elsewhere("flow")
    with pytest.raises(Exception, match="no run of a step 'secnd'") as caught:
        explain_memo(mill.record, "secnd")
    assert "second" in caught.value.fix
