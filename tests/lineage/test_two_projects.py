"""Two projects in one record: nothing collides, each sees the other by its full name."""

import dataclasses
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill.app.places import open_record, role_of
from tidemill.client.project import Project
from tidemill.core.actor import Actor
from tidemill.core.errors import NotAllowedError, NotFoundError
from tidemill.lineage.journal import verify_journal
from tidemill.lineage.operations import diff, impact, listing, log, search, show, why

ENVIRONMENT = {"TIDEMILL_ACTOR": "ada", "PYTHONDONTWRITEBYTECODE": "1"}
FLOW = """
import polars as pl
import tidemill as tm
from sklearn.linear_model import LinearRegression

@tm.step
def rows(n: int) -> pl.DataFrame:
    return pl.DataFrame({"x": [float(i) for i in range(n)], "y": [2.0 * i for i in range(n)]})

@tm.step
def train(rows: pl.DataFrame, slope: float) -> tm.Model:
    fitted = LinearRegression().fit(rows.select("x").to_numpy(), rows["y"].to_numpy() * slope)
    task = tm.Task(kind="regression", label="y")
    return tm.Model(fitted, signature=tm.infer_signature(rows.select("x")), task=task)

@tm.pipeline
def fit(slope: float):
    table = rows(40)
    model = train(table, slope)
    tm.candidate("line", model, report=tm.evaluate(model, table))
"""
SLOPES = {"north": 1.0, "south": 3.0}


def command(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tidemill.app.command_line", *arguments],
        cwd=folder, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(folder: Path) -> dict:
    """Ask the project's model server for x = 1 and x = 2."""
    status = json.loads(command(folder, "--json", "status"))
    (service,) = status["services"]
    tensor = {"name": "x", "datatype": "FP64", "shape": [2], "data": [1.0, 2.0]}
    request = urllib.request.Request(
        f"{service['address']}/v2/models/line/infer",
        data=json.dumps({"inputs": [tensor]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        outputs = json.load(response)["outputs"]
    return {output["name"]: output["data"] for output in outputs}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Iterator[dict[str, Path]]:
    """Two projects that name one record; each trains and deploys its own model:line."""
    place = tmp_path_factory.mktemp("two")
    (place / "shared").mkdir()
    found = {}
    for name, slope in SLOPES.items():
        folder = found[name] = place / name
        folder.mkdir()
        (folder / "flow.py").write_text(FLOW)
        (folder / "tidemill.toml").write_text(
            f'[project]\nname = "{name}"\n\n[record]\nledger = "../shared/ledger.db"\n'
            'objects = "../shared/objects"\n\n[supervisor]\ntriggers = "off"\ncollect = "off"\n'
        )
        command(folder, "run", "fit", "--slope", str(slope))
        command(folder, "promote", "model:line@1", "champion", "--because", f"first of {name}")
        command(folder, "deploy", "model:line@champion")
    yield found
    for folder in found.values():
        command(folder, "down")


@pytest.fixture
def north(folders):
    record = open_record(folders["north"], environment=ENVIRONMENT)
    yield record
    record.ports.close()


@pytest.fixture
def south(folders):
    record = open_record(folders["south"], environment=ENVIRONMENT)
    yield record
    record.ports.close()


@pytest.fixture(scope="module")
def answers(folders) -> dict[str, dict]:
    return {name: ask(folder) for name, folder in folders.items()}


def test_models_of_one_name_are_two_and_each_server_answers_for_its_own(answers) -> None:
    assert answers["north"]["score"] == pytest.approx([2.0, 4.0])
    assert answers["south"]["score"] == pytest.approx([6.0, 12.0])


def test_list_and_search_tell_the_projects_apart(north, south) -> None:
    assert "model:line@1" in [item.name for item in listing(south, "model").items]
    assert [i.name for i in listing(south, "model", project="north").items] == [
        "model:north/line@1"
    ]
    names = [item.name for item in listing(south, "model", all_projects=True).items]
    assert names == ["model:north/line@1", "model:line@1"]
    assert {item.project for item in listing(north, all_projects=True).items} == {"north", "south"}
    found = search(south, "line")
    assert {"model:north/line@1", "model:line@1"} <= {item.name for item in found.items}
    only = search(south, "first of", project="north").items
    assert [item.what for item in only] == ['move north/line@champion "first of north"']


def test_every_verb_takes_a_full_name(south) -> None:
    full = "model:north/line@champion"
    assert "model:north/line" in str(show(south, full))
    assert "slope=1" in str(why(south, full))
    assert "deployment:north/line@1" in str(impact(south, full))
    assert "first of north" in str(log(south, full))
    assert "slope" in str(diff(south, "model:line@1", full))
    with pytest.raises(NotFoundError, match="no model:lime in project north"):
        show(south, "model:north/lime")


def test_predictions_are_sealed_apart_and_explained_from_both_projects(
    folders, answers, south
) -> None:
    for folder in folders.values():
        window = south.now().date().isoformat()
        command(folder, "predictions", "collect", "line", "--window", window, "--at", "2100-01-01")
    whole = answers["north"]["prediction_id"][0]
    for pointer in (f"prediction:{whole}", f"prediction:north/{whole}"):
        told = str(why(south, pointer))
        assert "of project north" in told
        assert "score = 2.0" in told
        assert "deployment:north/line@1" in told
        assert "slope=1" in told
    assert "of project" not in str(why(south, f"prediction:{answers['south']['prediction_id'][0]}"))
    with pytest.raises(NotFoundError, match="project south"):
        why(south, "prediction:" + "0" * 32)


def test_roles_are_those_of_the_project_whose_things_are_changed(north, south) -> None:
    Project(north, role_of).set_role("ada", "maintainer")
    eve = Project(dataclasses.replace(south, actor=Actor(name="eve")), role_of)
    eve.comment("model:line", "mine to comment")
    for change in (
        lambda: eve.comment("model:north/line", "not mine"),
        lambda: eve.promote("model:north/line@1", "prod", because="I want it"),
        lambda: eve.hide(ref="model:north/line", because="I do not want it"),
        lambda: eve.set_owner("model:north/line", "eve", because="I want it"),
    ):
        with pytest.raises(NotAllowedError, match="eve is a reader here"):
            change()
    assert eve.show("model:north/line").kind == "model"
    ada = Project(south, role_of)
    handed = ada.set_owner("model:north/line", "grace", because="hers")
    assert handed.ref == "model:north/line"
    assert [item.name for item in listing(north, owner="grace").items] == ["model:line@1"]


def test_what_one_project_has_computed_is_known_in_the_other(folders) -> None:
    told = command(folders["south"], "run", "fit", "--slope", "1.0")
    assert "3 reused" in told
    assert "made model:line@2" in told


def test_the_journal_of_both_is_one_and_whole(north, south) -> None:
    assert verify_journal(north).problems == ()
    assert verify_journal(north) == verify_journal(south)
