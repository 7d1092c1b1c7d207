"""Code, data and models of one project are used by another in the same record, by full name."""

import json

import pytest

from tidemill.core.query import Query, Where
from tidemill.core.run import Run

OTHER = """
import polars as pl

import tidemill as tm
from labels import limit

import labels.more


@tm.step
def clean(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col("n") < limit() + labels.more.EXTRA)


@tm.feature_view(source="planes", entity="id", time="at", features={"last": tm.latest("n")})
def history(planes: pl.LazyFrame) -> pl.LazyFrame:
    return planes


@tm.pipeline
def prepare() -> None:
    clean(tm.data("planes"))
"""
MINE = """
import polars as pl

import labels
import tidemill as tm


@tm.step
def asked(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("id", at=pl.lit("2013-02-01").str.to_datetime(time_zone="UTC"))


@tm.step
def count(rows: pl.DataFrame, table: pl.DataFrame) -> int:
    return rows.height * 100 + int(table["last"].sum())


@tm.pipeline
def use() -> None:
    other = tm.released("pipeline:other/prepare@prod")
    rows = other.clean(tm.data("other/planes"))
    table = tm.training_set(asked(rows), views=[other.history])
    tm.figure("counted", tm.load(count(rows, table)) + labels.BIAS)
"""


@pytest.fixture
def two(project, tidemill, tmp_path):
    """A project `mill` that uses what `other` has released; one record for both."""
    other = tmp_path / "other"
    (other / "labels").mkdir(parents=True)
    (other / "labels" / "__init__.py").write_text("def limit():\n    return 3\n")
    (other / "labels" / "more.py").write_text("EXTRA = 1\n")
    (other / "flow.py").write_text(OTHER)
    places = (
        f'\n[record]\nledger = "{project}/.tidemill/ledger.db"\n'
        f'objects = "{project}/.tidemill/objects"\n'
    )
    (other / "tidemill.toml").write_text('[project]\nname = "other"\n' + places)
    (project / "labels.py").write_text("BIAS = 0.5\n")
    (project / "mine.py").write_text(MINE)
    (other / "planes.csv").write_text(
        "id,n,at\n" + "".join(f"p{n},{n},2013-01-0{n}T00:00:00Z\n" for n in range(1, 7))
    )
    for command in (
        ("data", "add", "planes", "planes.csv"),
        ("release", "prepare"),
        ("promote", "pipeline:prepare@1", "prod", "--because", "good"),
    ):
        done = tidemill(*command, cwd=other)
        assert done.returncode == 0, done.stderr
    return project, other


def counted(tidemill) -> tuple[float, dict]:
    done = tidemill("run", "use", "--json")
    assert done.returncode == 0, done.stderr
    ran = json.loads(done.stdout)
    shown = json.loads(tidemill("show", f"run:{ran['run']}", "--json").stdout)
    return next(f["value"] for f in shown["figures"] if f["key"] == "counted"), ran


def test_steps_views_and_data_of_another_project(two, tidemill) -> None:
    _, other = two
    figure, ran = counted(tidemill)
    assert figure == 300 + (1 + 2 + 3) + 0.5, "each has modules of its own, of one name"
    why = tidemill("why", f"run:{ran['run']}").stdout
    assert "pipeline:other/prepare" in why
    (other / "flow.py").write_text("this is no Python")
    figure, again = counted(tidemill)
    assert {line["state"] for line in again["steps"]} == {"reused"}
    (other / "labels" / "more.py").write_text("EXTRA = 2\n")
    (other / "flow.py").write_text(OTHER)
    tidemill("release", "prepare", cwd=other)
    assert counted(tidemill)[0] == figure, "until the alias moves"
    tidemill("promote", "pipeline:prepare@2", "prod", "--because", "more", cwd=other)
    assert counted(tidemill)[0] == 400 + (1 + 2 + 3 + 4) + 0.5


def test_a_release_that_uses_the_release_of_another(two, tidemill) -> None:
    project, _ = two
    assert tidemill("release", "use").returncode == 0
    (project / "mine.py").unlink()
    done = tidemill("run", "use@1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done"


def test_a_pipeline_of_another_project_runs_as_its_own(two, tidemill, record) -> None:
    done = tidemill("run", "pipeline:other/prepare@prod", "--json")
    assert done.returncode == 0, done.stderr
    where = (Where("id", "=", json.loads(done.stdout)["run"]),)
    (run,) = record.ports.ledger.find(Query(Run, where=where))
    assert run.project == "other"


def test_a_name_that_the_release_does_not_have_names_the_closest(two, tidemill) -> None:
    project, _ = two
    (project / "mine.py").write_text(MINE.replace("other.clean(", "other.cleen("))
    done = tidemill("run", "use")
    assert done.returncode == 4, done.stderr
    assert "did you mean clean?" in done.stderr
