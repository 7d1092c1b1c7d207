"""A new project runs as it is, and nothing that was there is touched."""

import json
import re
import subprocess
import sys
import tomllib

import pytest

from tidemill.lineage.writing import opened
from tidemill.practices.infrastructure.operations import status
from tidemill.practices.infrastructure.template import OWN, SHARED, TEMPLATES, template_files


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_init_writes_eight_files_at_most_and_touches_none(tidemill, tmp_path, template) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    answer = tidemill("init", ".", "--template", template, cwd=folder)
    assert answer.returncode == 0, answer.stderr
    assert "README.md (was there, not touched)" in answer.stdout
    assert (folder / "README.md").read_text() == "mine"
    assert len([path for path in folder.rglob("*") if path.is_file()]) <= 8


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_a_template_is_the_same_project_everywhere_and_every_file_of_it_is_valid(template) -> None:
    texts = dict(template_files(template, "mine"))
    assert texts == dict(template_files(template, "mine"))
    assert set(texts) == {*OWN, *SHARED, TEMPLATES[template].data}
    for path, text in texts.items():
        assert text.strip()
        assert not re.search(r"PROJECT|REQUIREMENT|COMMAND", text), path
        if path.endswith(".py"):
            compile(text, path, "exec")
            assert max(map(len, text.splitlines())) <= 100
    assert tomllib.loads(texts["tidemill.toml"])["project"]["name"] == "mine"
    requirement = TEMPLATES[template].requirement
    assert requirement in texts["requirements.txt"]


def test_init_says_what_a_template_needs_and_what_to_do_next(tidemill, tmp_path) -> None:
    told = tidemill("init", "mine", cwd=tmp_path).stdout
    assert "it needs tidemill[sklearn]: pip install -r requirements.txt" in told
    assert "tidemill data add flats data/flats.csv" in told
    assert "pip install" not in tidemill("init", "x", "--template", "minimal", cwd=tmp_path).stdout


def test_a_template_that_is_not_there_is_told_with_those_that_are(tidemill, tmp_path) -> None:
    answer = tidemill("init", "mine", "--template", "tabula", cwd=tmp_path)
    assert answer.returncode == 2
    assert "tabular" in answer.stderr


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
    tidemill("init", "fresh", "--template", "minimal", cwd=tmp_path)
    fresh = tmp_path / "fresh"

    def done(*arguments: str) -> str:
        answer = tidemill(*arguments, cwd=fresh)
        assert answer.returncode == 0, f"{arguments}: {answer.stdout}{answer.stderr}"
        return answer.stdout

    done("data", "add", "machines", "data/machines.csv")
    assert "model:failure@1" in done("run", "failure")
    assert "unchanged" in done("run", "failure")
    done("promote", "model:failure@1", "champion", "--because", "the first one")
    text = done("why", "model:failure@champion")
    assert "data:machines@1" in text
    assert "step train" in text
    assert "model:failure@1" in done("impact", "data:machines")
    assert "@champion to 1" in done("log", "model:failure")
    done("run", "failure", "--penalty", "3")
    assert "penalty" in done("diff", "model:failure@1", "model:failure@2")
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
