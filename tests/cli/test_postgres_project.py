"""A project whose record is in PostgreSQL: one setting, and everything else is as it was."""

import json
import subprocess
import sys

import psycopg
import pytest

from postgres_server import GUARDED, PASSWORD

pytestmark = pytest.mark.postgres

FLOW = """
import polars as pl
import tidemill as tm
from sklearn.linear_model import LinearRegression

@tm.step
def rows(n: int) -> pl.DataFrame:
    return pl.DataFrame({"x": [float(i) for i in range(n)], "y": [2.0 * i for i in range(n)]})

@tm.step
def train(rows: pl.DataFrame) -> tm.Model:
    fitted = LinearRegression().fit(rows.select("x").to_numpy(), rows["y"].to_numpy())
    task = tm.Task(kind="regression", label="y")
    return tm.Model(fitted, signature=tm.infer_signature(rows.select("x")), task=task)

@tm.pipeline
def fit(n: int = 40):
    table = rows(n)
    model = train(table)
    tm.candidate("line", model, report=tm.evaluate(model, table))
"""


@pytest.fixture
def set_up(project, postgres_database, postgres_record, monkeypatch):
    """Write the project's files; its user needs a password, which the environment has."""
    schema = postgres_record.partition("schema=")[2]
    with psycopg.connect(postgres_database) as connection:
        connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {GUARDED}")
    url = postgres_record.replace("tidemill@", f"{GUARDED}@")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    (project / "flow.py").write_text(FLOW)
    file = project / "tidemill.toml"
    file.write_text(file.read_text() + f'\n[record]\nledger = "{url}"\n')
    return url


def done(tidemill, *arguments: str) -> str:
    found = tidemill(*arguments)
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.slow
def test_a_pipeline_runs_is_promoted_explained_and_audited(tidemill, project, set_up) -> None:
    done(tidemill, "run", "fit")
    assert "reused" in done(tidemill, "run", "fit")
    done(tidemill, "run", "fit", "--n", "60")
    done(tidemill, "promote", "model:line@2", "champion", "--because", "more of them")
    said = [
        done(tidemill, *arguments.split())
        for arguments in (
            "list", "show model:line@champion", "why model:line@champion", "log model:line",
            "impact model:line@1", "diff model:line@1 model:line@2", "search run",
            "config show", "status", "audit verify", "--json config show",
        )
    ]  # fmt: skip
    assert "more of them" in said[3]
    assert "intact" in said[9]
    settings = {one["name"]: one for one in json.loads(said[10])["settings"]}
    assert settings["record.ledger"]["value"] == set_up
    assert not (project / ".tidemill" / "ledger.db").exists()
    assert not any(PASSWORD in text for text in said)
    files = [path for path in project.rglob("*") if path.is_file()]
    assert not any(PASSWORD.encode() in path.read_bytes() for path in files)


def test_what_was_rewritten_in_its_tables_is_found(
    tidemill, set_up, postgres_database, postgres_record
) -> None:
    done(tidemill, "run", "fit")
    done(tidemill, "promote", "model:line@1", "champion", "--because", "first")
    with psycopg.connect(postgres_database) as connection:
        schema = postgres_record.partition("schema=")[2]
        changed = connection.execute(f"UPDATE {schema}.move SET because = 'another reason'")
        assert changed.rowcount == 1
    found = tidemill("audit", "verify")
    assert found.returncode == 3
    assert "model:mill/line" in found.stdout + found.stderr


def test_a_server_that_is_not_there_is_told_in_a_few_lines(tidemill, project) -> None:
    file = project / "tidemill.toml"
    file.write_text(file.read_text() + '\n[record]\nledger = "postgresql://127.0.0.1:1/mill"\n')
    found = tidemill("list")
    assert found.returncode == 8
    assert "database mill of PostgreSQL at 127.0.0.1:1 cannot be reached" in found.stderr
    assert len(found.stderr.splitlines()) <= 6


def test_a_password_in_the_file_is_refused_and_not_repeated(tidemill, project) -> None:
    file = project / "tidemill.toml"
    url = f"postgresql://ada:{PASSWORD}@127.0.0.1/mill"
    file.write_text(file.read_text() + f'\n[record]\nledger = "{url}"\n')
    found = tidemill("config", "show")
    assert found.returncode == 5
    assert "PGPASSWORD" in found.stderr
    assert PASSWORD not in found.stdout + found.stderr


def test_a_driver_that_is_not_installed_is_told_with_its_command(project) -> None:
    file = project / "tidemill.toml"
    file.write_text(file.read_text() + '\n[record]\nledger = "postgresql://127.0.0.1:1/mill"\n')
    code = (
        "import sys; sys.modules['psycopg'] = None; sys.argv[1:] = ['list']\n"
        "from tidemill.app.command_line import main; sys.exit(main())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False
    )
    assert found.returncode == 8
    assert "pip install 'tidemill[postgres]'" in found.stderr
