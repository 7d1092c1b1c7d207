"""A new project runs as it is, and nothing that was there is touched."""

import json
import subprocess
import sys

import pytest

from tidemill.lineage.writing import opened
from tidemill.practices.infrastructure.operations import status


def test_init_writes_eight_files_at_most_and_touches_none(tidemill, tmp_path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    answer = tidemill("init", ".", cwd=folder)
    assert answer.returncode == 0, answer.stderr
    assert "README.md (was there, not touched)" in answer.stdout
    assert (folder / "README.md").read_text() == "mine"
    assert len([path for path in folder.rglob("*") if path.is_file()]) <= 8


def test_init_makes_the_same_project_everywhere(tidemill, tmp_path) -> None:
    for parent in ("one", "two"):
        (tmp_path / parent).mkdir()
        tidemill("init", "late", cwd=tmp_path / parent)
    texts = [
        {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.*")
         if path.is_file()}
        for root in (tmp_path / "one" / "late", tmp_path / "two" / "late")
    ]  # fmt: skip
    assert texts[0] == texts[1]


def test_config_show_names_the_origin_of_every_setting(tidemill) -> None:
    answer = json.loads(tidemill("config", "show", "--json", TIDEMILL_RUN_WORKERS="5").stdout)
    settings = {one["name"]: one for one in answer["settings"]}
    assert settings["project.name"]["origin"] == "tidemill.toml:2"
    assert settings["serving.log"]["takes"] == "fast or durable"
    assert settings["run.workers"]["value"] == 5
    assert settings["run.workers"]["origin"] == "environment variable TIDEMILL_RUN_WORKERS"
    assert settings["serving.host"]["origin"] == "default"


@pytest.mark.parametrize("command", [("config", "show"), ("check",), ("list",), ("status",)])
def test_a_misspelt_bound_of_the_gates_is_told_by_whatever_reads_the_file(
    tidemill, project, command
) -> None:
    file = project / "tidemill.toml"
    text = file.read_text() + "[gates]\nmin_acu = 0.6\n"
    file.write_text(text)
    answer = tidemill(*command)
    assert answer.returncode == 5
    assert (
        f"min_acu = 0.6, which is no bound (tidemill.toml:{text.count(chr(10))})" in answer.stderr
    )
    assert "did you mean min_auc?" in answer.stderr


def test_a_misspelt_variable_is_told_by_every_command(tidemill) -> None:
    answer = tidemill("list", TIDEMILL_RUN_WORKER="5")
    assert answer.returncode == 5
    assert "did you mean TIDEMILL_RUN_WORKERS?" in answer.stderr


def test_status_of_a_new_project_says_that_there_is_nothing(tidemill) -> None:
    answer = tidemill("status")
    assert answer.returncode == 0, answer.stderr
    assert "project mill, ada" in answer.stdout
    assert "nothing serves" in answer.stdout


@pytest.mark.slow
def test_a_new_project_goes_from_data_to_a_promoted_model(tidemill, tmp_path) -> None:
    tidemill("init", "fresh", cwd=tmp_path)
    fresh = tmp_path / "fresh"

    def done(*arguments: str) -> str:
        answer = tidemill(*arguments, cwd=fresh)
        assert answer.returncode == 0, f"{arguments}: {answer.stdout}{answer.stderr}"
        return answer.stdout

    done("data", "add", "orders", "data/orders.csv", "--contract", "Orders")
    assert "model:late@1" in done("run", "late")
    assert "unchanged" in done("run", "late")
    done("promote", "model:late@1", "champion", "--because", "the first one")
    text = done("why", "model:late@champion")
    assert "data:orders@1" in text
    assert "step train" in text
    assert "model:late@1" in done("impact", "data:orders")
    assert "@champion to 1" in done("log", "model:late")
    done("run", "late", "--trees", "70")
    assert "trees" in done("diff", "model:late@1", "model:late@2")
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=fresh,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert tests.returncode == 0, tests.stdout


def test_status_tells_runs_of_dead_processes_from_those_that_go_on(tidemill, project) -> None:
    code = """
import os, sys
from tidemill.app.places import open_record
from tidemill.lineage.writing import opened
with opened(open_record(), kind="training", name="lost") as run:
    run.announce()
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], cwd=project, check=True)
    told = json.loads(tidemill("status", "--json").stdout)
    assert told["open_runs"] == []
    assert [run["name"] for run in told["lost_runs"]] == ["lost"]
    assert "processes that have died" in tidemill("status").stdout


def test_a_run_that_goes_on_is_open(record) -> None:
    with opened(record, kind="training", name="long") as run:
        run.announce()
        assert [one.name for one in status(record).open_runs] == ["long"]
        assert not status(record).lost_runs
    assert not status(record).open_runs


def test_what_other_code_gives_to_a_command_is_not_told_to_people(tidemill) -> None:
    page = tidemill("run", "--help").stdout
    assert "--because" in page
    assert "--cause" not in page
    assert "--parent" not in page
