"""Whatever is typed in whatever folder, it is never answered with `tidemill itself failed`."""

import os
import shlex
import shutil

import lightgbm
import numpy as np
import pytest

from tidemill.app.command_line import main
from tidemill.dispatch.registry import all_operations

STAYS = {"up", "init"}
"""Commands that go on, or make a project of the folder."""

BARE = {
    "approve": ["model:x", "champion", "--because", "it is good"],
    "comment": ["model:x", "hello"],
    "card": ["model:x"],
    "show": ["data:x"],
    "why": ["data:x"],
    "impact": ["data:x"],
    "log": ["data:x"],
    "diff": ["data:x@1", "data:x@2"],
    "rm": ["data:x", "--because", "old"],
    "search": ["anything"],
}


def _typed():
    for operation in all_operations():
        if "cli" not in operation.faces or operation.command[0] in STAYS:
            continue
        for example in operation.examples:
            yield shlex.split(example)[1:]
        yield [*operation.command, *BARE.get(operation.command[0], [])]
        if operation.command[0] not in BARE:
            yield [*operation.command, "nothing"]


TYPED = {" ".join(one): one for one in _typed()}
MORE = [
    ["data", "get", "data:x"],
    ["data", "get", "data:x", "--out", "/nope/x.csv"],
    ["data", "add", "x", "no/such/file.csv"],
    ["data", "add", "x", "."],
    ["data", "add", "x", "empty.csv"],
    ["data", "add", "x", "noise.parquet"],
    ["data", "check", "no/such/file.csv"],
    ["contract", "infer", "rows.csv", "--out", "/nope/contracts.py"],
    ["contract", "infer", "empty.csv"],
    ["check", "--junit", "/nope/check.xml"],
    ["check", "--junit", "."],
    ["labels", "add", "x", "rows.csv", "--key", "a"],
    ["labels", "add", "x", "missing.csv", "--key", "a"],
    ["predictions", "add", "x", "missing.csv", "--key", "a", "--time", "at"],
    ["predictions", "add", "x", "empty.csv", "--key", "a", "--time", "at"],
    ["predictions", "add", "x", "noise.parquet", "--key", "a", "--time", "at"],
    ["model", "add", "x", "missing.txt", "--task", "binary", "--label", "y"],
    ["model", "add", "x", "rows.csv", "--task", "binary", "--label", "y"],
    ["model", "add", "x", "empty.txt", "--task", "binary", "--label", "y"],
    ["model", "add", "x", "noise.onnx", "--task", "binary", "--label", "y"],
    ["view", "get", "--entity", "x=1"],
    ["view", "get", "--entity", "x"],
    ["view", "get", "x", "--entity", "x=1"],
    ["view", "materialize"],
    ["view", "push", "x", "rows.csv"],
    ["view", "push", "x", "missing.csv"],
    ["drift", "compare", "missing.csv", "rows.csv"],
    ["drift", "compare", "rows.csv", "empty.csv"],
    ["drift", "compare", "rows.csv", "rows.csv"],
    ["monitor", "report", "x", "--window", "2013-04"],
    ["run", "x"],
    ["run", "x", "--at", "2013-01-01"],
    ["predict", "model:x", "data:x"],
    ["release", "pipeline:x"],
    ["release", "x", "--plan"],
    ["policy", "set", "model:x", "champion", "--verdict", "gates", "--because", "it has to be"],
    ["-C", "rows.csv", "list"],
    ["data", "get", "data:x", "--out", "rows.csv/x.csv"],
    ["data", "get", "data:x", "--out", "x.xlsx"],
    ["data", "get", "data:x", "--out", f"{'long' * 100}.csv"],
    ["view", "get", "--entity", "nobody=1"],
    ["view", "get", "--entity", "a=one"],
    ["view", "get", "--entity", "a=9"],
    ["run", "x", "--a", "many"],
    ["run", "x", "--b", "1"],
    ["diff", "data:x", "model:x"],
    ["diff", "model:x", "model:x"],
    ["show", "model:x"],
    ["why", "model:x"],
    ["impact", "data:x"],
    ["card", "model:x"],
    ["check", "model:x"],
    ["promote", "model:x", "champion"],
    ["promote", "model:x", "champion", "--because", "it is the first"],
    ["model", "compare", "model:x@1", "model:x@1", "--window", "2013-01"],
    ["model", "backtest", "model:x", "--window", "2013-01"],
    ["predict", "model:x", "data:x", "--out", "y"],
    ["drift", "test", "x", "--window", "2013-01"],
    ["drift", "compare", "data:x", "data:x"],
    ["monitor", "agreement", "x", "--window", "2013-01"],
    ["predictions", "collect", "x", "--window", "2013-01"],
    ["data", "add", "x", "/dev/null"],
    ["data", "add", "a b", "rows.csv"],
    ["data", "add", "x", "rows.csv", "--key", "nothing"],
    ["data", "add", "x", "--sql", "selec", "--from", "rows.csv"],
    ["data", "add", "x", "--sql", "select 1", "--from", "duckdb:///no/such.db"],
    ["data", "add", "x", "--sql", "select 1", "--from", "sqlite:///no/such.db"],
]


CODE = """
import tidemill as tm


@tm.feature_view(source="x", entity="a", time="at", features={"seen": tm.count("30d")})
def seen(rows):
    return rows


class X(tm.Contract):
    a: int
    at: str
    label: int


@tm.step
def doubled(a):
    return 2 * a


@tm.pipeline
def x(a: int = 1):
    return doubled(a)
"""


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """Return a project with data, a view, a contract, a pipeline that ran, and a model."""
    folder = tmp_path_factory.mktemp("filled")
    _put_files(folder)
    (folder / "tidemill.toml").write_text('[project]\nname = "mill"\n')
    (folder / "code_of_x.py").write_text(CODE)
    rows = np.arange(40.0).reshape(-1, 2)
    data = lightgbm.Dataset(rows, label=np.arange(20) % 2, feature_name=["a", "b"])
    booster = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, data, 1)
    booster.save_model(folder / "model.txt")
    for typed in (
        ["data", "add", "x", str(folder / "rows.csv")],
        ["model", "add", "x", str(folder / "model.txt"), "--task", "binary", "--label", "label"],
        ["view", "materialize"],
    ):
        assert main(["-C", str(folder), *typed]) == 0
    return folder


def _put_files(folder) -> None:
    (folder / "rows.csv").write_text("a,at,label\n1,2013-01-01,0\n2,2013-01-02,1\n")
    (folder / "empty.csv").write_text("")
    (folder / "empty.txt").write_text("")
    (folder / "noise.parquet").write_bytes(bytes(range(256)))
    (folder / "noise.onnx").write_bytes(bytes(range(256)))


@pytest.fixture(params=["no project", "an empty project", "a project with all of it"])
def folder(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEMILL_ACTOR", "ada")
    if request.param == "a project with all of it":
        kept = request.getfixturevalue("filled")
        shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
        return tmp_path
    _put_files(tmp_path)
    if request.param == "an empty project":
        (tmp_path / "tidemill.toml").write_text('[project]\nname = "mill"\n')
    return tmp_path


def faults(typed, capsys) -> list[str]:
    """Return what is wrong with how a command ended: our own fault, a traceback, no fix."""
    code = main(typed)
    told = capsys.readouterr()
    text = told.out + told.err
    wrong = [word for word in ("TM000", "Traceback") if word in text]
    if code == 1:
        wrong.append("it is our fault")
    if code not in (0, 3) and "fix:" not in text:
        wrong.append("no fix")
    return [f"{one}: {text}" for one in wrong]


@pytest.mark.parametrize("typed", TYPED.values(), ids=TYPED)
def test_a_command_that_finds_nothing_says_so(folder, capsys, typed) -> None:
    assert faults(typed, capsys) == []


@pytest.mark.parametrize("typed", MORE, ids=[" ".join(one) for one in MORE])
def test_a_file_or_name_that_cannot_be_is_told(folder, capsys, typed) -> None:
    assert faults(typed, capsys) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["data", "get", "data:x", "--out", "locked/x.csv"], 7),
        (["contract", "infer", "rows.csv", "--out", "locked/c.py"], 7),
        (["check", "--junit", "locked/check.xml"], 7),
    ],
)
def test_a_folder_that_may_not_be_written_is_told(
    tmp_path, monkeypatch, capsys, typed, code
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (tmp_path / "locked").mkdir(mode=0o500)
    assert main(["data", "add", "x", "rows.csv"]) == 0
    assert main(typed) == code
    assert "fix: give --" in capsys.readouterr().err
