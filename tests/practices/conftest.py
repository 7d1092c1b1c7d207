"""What several practices need: a tiny deployment with predictions and labels."""

import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parent / "monitoring" / "served_world.py"
spec = importlib.util.spec_from_file_location("served_world", PATH)
served_world = importlib.util.module_from_spec(spec)
sys.modules["served_world"] = served_world
spec.loader.exec_module(served_world)


@pytest.fixture
def world(tmp_path):
    """A deployment that answers without a server: its predictions are appended to the stream."""
    made = served_world.World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def days_of_rows():
    """Makes rows of several days, as the tiny model takes them."""
    return served_world.days_of_rows


@pytest.fixture
def project_folder(record):
    """The folder of the record's project."""
    return record.ports.workspace.root
