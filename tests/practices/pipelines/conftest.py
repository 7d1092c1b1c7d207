"""Small projects with pipelines, run here or in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tidemill.practices.pipelines.operations import run_pipeline

RUN = """
import json, sys
from pathlib import Path
import msgspec
from tidemill.app.places import open_record
from tidemill.core.errors import TidemillError
from tidemill.practices.pipelines.operations import run_pipeline

record = open_record(Path(sys.argv[1]))
try:
    params, options = json.loads(sys.argv[3]), json.loads(sys.argv[4])
    result = run_pipeline(record, sys.argv[2], params=params, **options)
    print(msgspec.json.encode(result).decode())
except TidemillError as error:
    print(json.dumps({"error": error.code, "what": error.what}))
finally:
    record.ports.close()
"""


class Mill:
    """A project folder and its record."""

    def __init__(self, folder: Path, record) -> None:
        self.folder, self.record = folder, record
        (folder / ".gitignore").write_text(".tidemill/\nbodies\n")

    def write(self, text: str, name: str = "flow.py") -> None:
        head = "import tidemill\nfrom tidemill.practices.pipelines.declare import pipeline, step\n"
        (self.folder / name).write_text(head + dedent(text))

    def run(self, name: str = "flow", **options):
        params = options.pop("params", {})
        return run_pipeline(self.record, name, params=params, **options)

    def command(self, name: str = "flow", params=None, **options) -> list[str]:
        return [
            sys.executable, "-c", RUN, str(self.folder), name, json.dumps(params or {}),
            json.dumps(options),
        ]  # fmt: skip

    def run_elsewhere(self, name: str = "flow", params=None, **options):
        """Run in a process of its own, which loads the code as it is now."""
        done = subprocess.run(
            self.command(name, params, **options), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    @property
    def bodies(self) -> list[str]:
        """What steps noted when their bodies ran."""
        path = self.folder / "bodies"
        return path.read_text().split() if path.exists() else []


@pytest.fixture
def mill(project: Path, record) -> Mill:
    return Mill(project, record)
