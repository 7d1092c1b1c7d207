"""What all tests share: a record on embedded places, a project folder, a command line to run."""

import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

from tidemill.app.places import open_record
from tidemill.lineage.record import Record

# Machines are busy: how long an example takes is no fault. In CI every change is judged by the same
# examples; at a desk new ones are tried each time.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def _beside(name: str) -> ModuleType:
    """Load a module that lies beside this file, and let tests import it by its name."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


postgres_server, ledger_places = _beside("postgres_server"), _beside("ledger_places")
_SCHEMAS = itertools.count(1)

ENVIRONMENT = {"TIDEMILL_ACTOR": "ada", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project's folder, with a name and nothing else."""
    folder = tmp_path / "mill"
    folder.mkdir()
    (folder / "tidemill.toml").write_text(
        '[project]\nname = "mill"\n\n'
        "[supervisor]  # tests live at times of their own\n"
        'triggers = "off"\ncollect = "off"\n'
    )
    return folder


@pytest.fixture
def record(project: Path) -> Iterator[Record]:
    """An open record of the project, by ada."""
    opened = open_record(project, environment=ENVIRONMENT)
    yield opened
    opened.ports.close()


@pytest.fixture
def tidemill(project: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a process of its own, in the project's folder; returns how it ended."""

    def run(*arguments: str, cwd: Path = project, **variables: str):
        return subprocess.run(
            [sys.executable, "-m", "tidemill.app.command_line", *arguments],
            cwd=cwd,
            env={**os.environ, **ENVIRONMENT, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.fixture(scope="session")
def postgres(tmp_path_factory) -> Iterator[postgres_server.Server]:
    """A PostgreSQL that all workers of this session share; it never syncs."""
    base = tmp_path_factory.getbasetemp()
    is_shared = "PYTEST_XDIST_WORKER" in os.environ
    server = postgres_server.Server((base.parent if is_shared else base) / "postgres")
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres_database(postgres) -> str:
    """The URL of this worker's own database."""
    return postgres.database(f"tests-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}")


@pytest.fixture
def postgres_record(postgres_database) -> Iterator[str]:
    """The URL of a record in PostgreSQL that nobody has opened yet; gone at the end."""
    schema = f"t{next(_SCHEMAS)}"
    yield f"{postgres_database}?schema={schema}"
    postgres_server.drop(postgres_database, schema)


@pytest.fixture(params=ledger_places.PLACES)
def place(request, tmp_path) -> ledger_places.SqlitePlace | ledger_places.PostgresPlace:
    """Where a ledger is to be: in a file, in PostgreSQL."""
    if request.param == "sqlite":
        return ledger_places.SqlitePlace(tmp_path / "new" / "ledger.db")
    return ledger_places.PostgresPlace(request.getfixturevalue("postgres_record"))
