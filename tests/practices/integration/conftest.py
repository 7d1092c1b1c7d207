import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "monitoring" / "served_world.py"


def served_world():
    """The module of the tiny deployment, loaded once whichever suite asks first."""
    if "served_world" not in sys.modules:
        spec = importlib.util.spec_from_file_location("served_world", PATH)
        module = importlib.util.module_from_spec(spec)
        sys.modules["served_world"] = module
        spec.loader.exec_module(module)
    return sys.modules["served_world"]


@pytest.fixture
def world(tmp_path):
    made = served_world().World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def days_of_rows():
    return served_world().days_of_rows


@pytest.fixture
def project_folder(record):
    return record.ports.workspace.root
