import importlib.util
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[1] / "monitoring" / "served_world.py"
spec = importlib.util.spec_from_file_location("served_world", PATH)
served_world = importlib.util.module_from_spec(spec)
sys.modules.setdefault("served_world", served_world)
spec.loader.exec_module(served_world)


@pytest.fixture
def world(tmp_path):
    made = served_world.World(tmp_path)
    yield made
    made.close()
