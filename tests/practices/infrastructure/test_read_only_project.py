"""A project in a folder without the right to write: everything can be looked at."""

import os
import shutil
import subprocess
import sys

import pytest

from tidemill.practices.validation.operations import add_data

DROP = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]
COMMANDS = (
    ("list",), ("show", "data:orders"), ("why", "data:orders"), ("log", "data:orders"),
    ("diff", "data:orders@1", "data:orders@2"), ("impact", "data:orders"), ("search", "orders"),
    ("status",), ("audit", "verify"), ("config", "show"),
)  # fmt: skip


@pytest.fixture
def protected(record, project):
    """A project with two versions of data that nobody may write any more."""
    for rows in ("x\n1\n2\n", "x\n1\n2\n3\n"):
        (project / "orders.csv").write_text(rows)
        add_data(record, "orders", str(project / "orders.csv"))
    (project / "flow.py").write_text(
        "import tidemill as tm\n\n\n@tm.step\ndef half(x: int) -> int:\n    return x // 2\n\n\n"
        "@tm.pipeline\ndef flow() -> None:\n    half(8)\n"
    )
    record.ports.close()
    folders = [project, *(path for path in project.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield project
    for folder in folders:
        folder.chmod(0o755)


def test_every_look_at_a_protected_project_works_and_a_change_says_why_not(protected) -> None:
    is_root = os.geteuid() == 0
    if is_root and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and setpriv is not installed")

    def run(*words: str):
        return subprocess.run(
            [*(DROP if is_root else []), sys.executable, "-m", "tidemill.app.command_line", *words],
            cwd=protected, capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "TIDEMILL_ACTOR": "bob"},
        )  # fmt: skip

    for words in COMMANDS:
        done = run(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    for words in (("rm", "data:orders", "--because", "old"), ("run", "flow")):
        refused = run(*words)
        assert refused.returncode == 8, (refused.stdout, refused.stderr)
        assert "read" in refused.stderr
        assert "by this user" in refused.stderr
        assert "work on a copy of the project" in refused.stderr
