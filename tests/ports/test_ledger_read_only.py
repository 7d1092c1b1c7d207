"""A record that this process may not write can still be read: alone, beside a writer, after one."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.adapters.sqlite_read_only import ReadOnlyConnections, is_read_only
from tidemill.core.query import Query
from tidemill.core.ref import Ref

DROP = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner", "--inh-caps=-all"]
READ = """
import sys
from pathlib import Path
from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.core.errors import UnavailableError
from tidemill.core.query import Query
from tidemill.core.ref import Ref
ledger = SqliteLedger(Path(sys.argv[1]), SystemClock())
print(*(ref.ref for ref in ledger.find(Query(Ref))))
print(len(ledger.edges([], "back", 3)), ledger.keys([""]), ledger.cell("none"))
try:
    ledger.lease("key", "owner", 9.0)
except UnavailableError as error:
    print(error.what)
ledger.close()
"""


@pytest.fixture
def path(tmp_path):
    """A record's file in a folder of its own, writable again at the end."""
    folder = tmp_path / "kept"
    folder.mkdir()
    yield folder / "ledger.db"
    folder.chmod(0o755)


@pytest.fixture
def writer(path, turned_clock, facts):
    """Who writes the record: one ref is in it."""
    opened = SqliteLedger(path, turned_clock)
    opened.commit(facts.batch(facts.created()))
    yield opened
    opened.close()


def read(path: Path) -> list[str]:
    """Read a record as somebody who may not write, in a process of its own; returns its lines."""
    for file in path.parent.iterdir():
        file.chmod(0o444)
    path.parent.chmod(0o555)
    before = {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()}
    is_root = os.geteuid() == 0
    if is_root and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and setpriv is not installed")
    done = subprocess.run(
        [*(DROP if is_root else []), sys.executable, "-c", READ, str(path)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {file.name: file.stat().st_mtime_ns for file in path.parent.iterdir()} == before
    return done.stdout.splitlines()


def test_a_record_that_nobody_writes_is_read_and_a_change_is_refused(path, writer, facts) -> None:
    writer.close()
    assert not Path(f"{path}-wal").exists()
    lines = read(path)
    assert lines[0] == str(facts.ref)
    assert lines[-1].startswith("the record ledger.db can only be read by this user")


def test_a_record_is_read_beside_a_process_that_writes(path, writer, facts) -> None:
    assert Path(f"{path}-wal").stat().st_size
    assert read(path)[0] == str(facts.ref)


def test_a_copy_with_a_log_and_no_index_is_read_with_what_is_in_the_log(
    path, writer, facts, tmp_path
) -> None:
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", f"{copy}{end}")
    try:
        assert read(copy)[0] == str(facts.ref)
    finally:
        copy.parent.chmod(0o755)


def test_what_is_written_meanwhile_is_seen_by_the_next_question(path, writer, facts) -> None:
    def told(error: sqlite3.Error, _path: Path) -> Exception:
        return error

    writer.close()
    reader = ReadOnlyConnections(path, 5.0, told)

    def refs() -> int:
        with reader.reading() as connection:
            return connection.execute("SELECT count(*) FROM ref").fetchone()[0]

    assert refs() == 1
    again = sqlite3.connect(path)
    again.execute("DELETE FROM ref")
    again.commit()
    assert refs() == 0
    again.close()
    assert refs() == 0
    reader.close()


def test_only_a_record_that_is_there_and_protected_counts_as_read_only(path, writer) -> None:
    assert not is_read_only(path)
    assert not is_read_only(path.with_name("other.db"))
    assert writer.find(Query(Ref))
