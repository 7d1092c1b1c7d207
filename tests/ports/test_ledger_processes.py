"""Ledgers among real processes: races, kills, forks, other schemas; a full disk."""

import gc
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.adapters.sql_schema import MIGRATIONS
from tidemill.core.errors import ConflictError, CorruptError, UnavailableError
from tidemill.core.query import Block, Order, Query, Where
from tidemill.core.ref import Version
from tidemill.core.run import Run
from tidemill.lineage.journal import journal_report

PROLOGUE = """
import sys
from pathlib import Path
from datetime import UTC, datetime
from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.adapters.postgres.ledger import PostgresLedger
from tidemill.core.actor import Actor
from tidemill.core.artifact import Artifact
from tidemill.core.digest import ArtifactId, digest_of
from tidemill.core.facts import *
from tidemill.core.query import Query, Where
from tidemill.core.ref import Ref, RefName
from tidemill.core.run import Run
from tidemill.ports.ledger import ConditionFailedError

clock, now, actor = SystemClock(), datetime(2013, 1, 1, tzinfo=UTC), Actor(name="ada")
address = sys.argv[1]
ledger = (PostgresLedger(address, clock) if "://" in address else
          SqliteLedger(Path(address), clock))
ref = RefName(kind="model", project="mill", name="delay")

def run(*facts, conditions=()):
    opened = RunOpened(run=clock.new_id(), kind="step", name="n", project="mill", actor=actor,
                       opened_at=now, at=now, because="x" * 200)
    made = Artifact(id=ArtifactId(digest_of(opened.run.encode())), kind="value", size_bytes=32)
    facts = [fact(opened.run, made.id) for fact in facts]
    ledger.commit(Batch(facts=(opened, ArtifactMade(artifact=made), *facts), at=now,
                        conditions=conditions))
    return opened.run
"""

VERSIONS = (
    PROLOGUE
    + """
done = 0
while done < int(sys.argv[2]):
    found = ledger.find(Query(Ref, where=(Where("ref", "=", str(ref)),)))
    newest = found[0].newest if found else None
    facts = [] if found else [
        lambda r, a: RefCreated(ref=ref, owner="ada", actor=actor, at=now)]
    facts.append(lambda r, a: Versioned(ref=ref, number=(newest or 0) + 1, artifact=a, run=r,
                                        actor=actor, at=now, recorded_at=now))
    try:
        run(*facts, conditions=(RefAt(ref=ref, number=newest),))
        done += 1
    except ConditionFailedError:
        pass
ledger.close()
"""
)

ACKNOWLEDGED = (
    PROLOGUE
    + """
while True:
    print(run(), flush=True)
"""
)


def started(script: str, place: object, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-c", script, str(place), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_eight_processes_that_number_one_ref_lose_no_version_and_repeat_none(place) -> None:
    count = 12
    processes = [started(VERSIONS, place.address, str(count)) for _ in range(8)]
    for process in processes:
        finished(process)
    ledger = place.open(SystemClock())
    versions = ledger.find(Query(Version, order=(Order("number"),)))
    assert [version.number for version in versions] == list(range(1, 8 * count + 1))
    assert len({version.run for version in versions}) == 8 * count
    report = journal_report(ledger)
    assert (report.is_intact, report.blocks) == (True, 8 * count)
    ledger.close()


def test_what_was_acknowledged_is_there_after_a_kill(place) -> None:
    processes = [started(ACKNOWLEDGED, place.address) for _ in range(2)]
    acknowledged = set()
    for process in processes:
        acknowledged |= {process.stdout.readline().strip() for _ in range(40)}
    for process in processes:
        process.send_signal(signal.SIGKILL)
        acknowledged |= {line for line in process.stdout.read().split() if len(line) == 32}
        process.stderr.read()
        process.wait()
        process.stdout.close()
        process.stderr.close()
    ledger = place.open(SystemClock())
    found = {run.id for run in ledger.find(Query(Run, limit=1_000_000))}
    assert acknowledged <= found
    assert len(found) <= len(acknowledged) + 2  # at most one each was written and not yet told
    assert journal_report(ledger).is_intact
    ledger.close()


def test_a_forked_child_and_its_parent_both_go_on(place) -> None:
    script = (
        PROLOGUE
        + """
import os
run()
pids = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        for _ in range(10):
            run()
        assert ledger.find(Query(Run))
        sys.exit(0)
    pids.append(pid)
for _ in range(10):
    run()
for pid in pids:
    assert os.waitpid(pid, 0)[1] == 0
print(len(ledger.find(Query(Run))))
"""
    )
    assert finished(started(script, place.address)) == "41\n"


def test_a_full_disk_refuses_the_commit_keeps_the_rest_and_says_how_much_is_free(tmp_path) -> None:
    script = (
        PROLOGUE
        + """
import resource
from tidemill.core.errors import UnavailableError
done = [run()]
size = Path(sys.argv[1] + "-wal").stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100_000, -1))
try:
    while True:
        done.append(run())
except UnavailableError as error:
    assert sys.argv[1] in error.what and "bytes free" in error.what, error
assert len(done) > 1
resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
assert {r.id for r in ledger.find(Query(Run, limit=100000))} == set(done)
done.append(run())
assert {r.id for r in ledger.find(Query(Run, limit=100000))} == set(done)
print("kept and went on")
"""
    )
    assert finished(started(script, tmp_path / "ledger.db")) == "kept and went on\n"


def test_a_reader_neither_waits_for_a_writer_nor_sees_half_a_batch(place, facts) -> None:
    ledger = place.open(SystemClock())
    stop, torn = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            runs = len(ledger.find(Query(Run, limit=100_000)))
            torn.append(runs % 3)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(30):
        ledger.commit(facts.batch(*(facts.opened() for _ in range(3))))
    stop.set()
    reader.join()
    assert set(torn) <= {0}
    ledger.close()


def test_an_open_ledger_that_is_dropped_warns_of_nothing(place) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ledger = place.open(SystemClock())
        assert ledger.find(Query(Run)) == []
        del ledger
        gc.collect()


def test_a_closed_ledger_says_so(place, facts) -> None:
    ledger = place.open(SystemClock())
    ledger.close()
    ledger.close()
    with pytest.raises(UnavailableError, match="was closed"):
        ledger.find(Query(Run))
    with pytest.raises(UnavailableError, match="was closed"):
        ledger.commit(facts.batch(facts.opened()))


def test_an_older_schema_is_migrated_and_a_newer_one_refused(place, facts) -> None:
    clock = SystemClock()
    ledger = place.open(clock)
    ledger.commit(facts.batch(facts.opened()))
    ledger.close()
    later = (*MIGRATIONS, "CREATE TABLE novelty (id {serial}); INSERT INTO novelty VALUES (7)")
    migrated = place.open(clock, migrations=later)
    assert len(migrated.find(Query(Run))) == 1
    migrated.close()
    with pytest.raises(UnavailableError, match="its schema is 2, this one knows up to 1") as caught:
        place.open(clock)
    assert "pip install --upgrade" in caught.value.fix


def test_a_file_that_is_no_database_is_named(tmp_path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("not a database" * 100)
    with pytest.raises(CorruptError, match=r"ledger\.db"):
        SqliteLedger(path, SystemClock())


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_is_named(tmp_path) -> None:
    (tmp_path / "shut").mkdir(mode=0o500)
    with pytest.raises(UnavailableError, match="shut"):
        SqliteLedger(tmp_path / "shut" / "ledger.db", SystemClock())


def test_a_condemned_object_refuses_the_batch_that_needs_it(place, facts) -> None:
    ledger = place.open(SystemClock())
    digest, other = facts.artifact("one").id, facts.artifact("two").id
    ledger.commit(facts.batch(facts.opened(), objects=[digest, other]))
    place.execute("INSERT INTO condemned VALUES (?)", given=(digest,))
    with pytest.raises(ConflictError, match="garbage"):
        ledger.commit(facts.batch(facts.opened(), objects=[other, digest]))
    ledger.commit(facts.batch(facts.opened(), objects=[other]))
    assert len(ledger.find(Query(Run))) == 2
    assert ledger.find(Query(Block, where=(Where("entries", ">", 1),))) == []
    ledger.close()
