"""The audit finds whatever was changed in the database behind the ledger's back."""

import sqlite3
import threading

import psycopg
import pytest

from tidemill.adapters.local.clock import SystemClock
from tidemill.core.actor import Actor
from tidemill.core.errors import CorruptError
from tidemill.core.facts import ArtifactMade, Batch, Hidden, Keyed, Noted
from tidemill.core.query import Block, Query
from tidemill.core.ref import RefName
from tidemill.core.settings import resolve_settings
from tidemill.lineage.artifacts import put_bytes
from tidemill.lineage.journal import JournalReport, journal_report, verify_journal
from tidemill.lineage.record import Places, Ports, Record
from tidemill.lineage.refs import move_alias
from tidemill.lineage.writing import opened

REF = RefName(kind="model", project="mill", name="delay")
OTHER = RefName(kind="model", project="mill", name="fare")


@pytest.fixture
def record(place):
    """A record with two refs, three versions, moves, figures, notes, a run still open."""
    clock = SystemClock()
    absent = dict.fromkeys(
        (
            "objects",
            "sources",
            "stream",
            "online",
            "executor",
            "target",
            "workspace",
            "notifier",
            "environments",
            "signer",
        )
    )
    ports = Ports(Places(clock=lambda: clock, ledger=lambda: place.open(clock), **absent))
    record = Record(
        ports=ports, project="mill", actor=Actor(name="ada"), settings=resolve_settings({}, {}),
        kinds={},
    )  # fmt: skip
    for ref, text in ((REF, b"one"), (REF, b"two"), (OTHER, b"three")):
        with opened(record, kind="training", name="train", params={"rate": float("nan")}) as run:
            run.used(put_bytes(record, "data", b"rows").id, name="rows", source="ab" * 16)
            code = put_bytes(record, "code", b"def f(): ...")
            run.add(ArtifactMade(artifact=code))
            run.used(code.id, name="code")
            made = run.made(put_bytes(record, "model", text), name="model")
            run.figure("auc", 0.75)
            run.figure("loss", float("nan"), step=1)
            pending = run.version(ref, made)
        move_alias(record, pending.version, "champion", because="better")
    now = record.now()
    ledger = ports.ledger
    noted = Noted(subject=str(REF), key="card", text="use with care", actor=record.actor, at=now)
    hidden = Hidden(ref=OTHER, is_hidden=True, actor=record.actor, at=now, because="old")
    keyed = Keyed(key="memo:1", run=run.id)
    ledger.commit(Batch(facts=(noted, hidden, keyed), at=now))
    run = opened(record, kind="step", name="goes on", announce=True)
    run.__enter__().figure("auc", 0.5)
    yield record
    ports.close()


def tampered(record, place, *statements: str) -> JournalReport:
    place.execute(*statements)
    return verify_journal(record)


def test_a_record_as_it_was_written_is_intact_and_counted(record) -> None:
    report = verify_journal(record)
    assert report.problems == ()
    blocks = record.ports.ledger.find(Query(Block))
    assert report.blocks == len(blocks) == 8
    assert report.entries == sum(block.entries for block in blocks)
    assert report.head == blocks[-1].hash


def test_an_empty_record_is_intact(place) -> None:
    ledger = place.open(SystemClock())
    assert journal_report(ledger) == JournalReport(blocks=0, entries=0, head="0" * 64)
    ledger.close()


SWAP = (
    "UPDATE {0} SET {1} = -1 WHERE {1} = {2} {4}",
    "UPDATE {0} SET {1} = {2} WHERE {1} = {3} {4}",
    "UPDATE {0} SET {1} = {3} WHERE {1} = -1 {4}",
)


def swap(table: str, column: str, one: int, other: int, where: str = "") -> tuple[str, ...]:
    return tuple(statement.format(table, column, one, other, where) for statement in SWAP)


CONTENT = "edges, figures and artifacts of run "
RENUMBER = "UPDATE {0} SET {1} = {1} - 1 WHERE {1} > 3"


# ruff: noqa: ISC004 - statements longer than a line
@pytest.mark.parametrize(
    ("statements", "where"),
    [
        (["UPDATE entry SET payload = replace(payload, 'ada', 'bob') WHERE block = 2"], "block 2"),
        (["UPDATE entry SET salt = zeroblob(16) WHERE block = 2 AND position = 0"], "block 2"),
        (["UPDATE entry SET subject = 'x' WHERE block = 2 AND position = 1"], "block 2"),
        (["UPDATE entry SET kind = 'noted' WHERE block = 2 AND position = 0"], "block 2"),
        (["UPDATE entry SET digest = 'zz' WHERE block = 2 AND position = 0"], "block 2"),
        (["DELETE FROM entry WHERE block = 3 AND position = 0"], "block 3"),
        (["DELETE FROM entry WHERE block = 3 AND position = 1"], "block 3"),
        (["DELETE FROM entry WHERE block = 3"], "block 3"),
        (
            ["INSERT INTO entry SELECT block, 9, kind, subject, digest, salt, payload FROM entry"
             " WHERE block = 4 AND position = 0"],
            "block 4",
        ),
        (["INSERT INTO entry SELECT 99, 0, kind, subject, digest, salt, payload FROM entry"
          " WHERE block = 4 AND position = 0"], "block 99"),
        (["INSERT INTO entry SELECT 0, 0, kind, subject, digest, salt, payload FROM entry"
          " WHERE block = 4 AND position = 0"], "block 0"),
        (swap("entry", "position", 0, 1, "AND block = 1"), "block 1"),
        (swap("entry", "block", 3, 5), "block 3"),
        (["DELETE FROM block WHERE sequence = 3"], "block 4"),
        (["DELETE FROM block WHERE sequence = 1"], "block 2"),
        (["DELETE FROM block WHERE sequence = 3", "DELETE FROM entry WHERE block = 3"], "block 4"),
        (["DELETE FROM block WHERE sequence = 3", "DELETE FROM entry WHERE block = 3",
          RENUMBER.format("block", "sequence"), RENUMBER.format("entry", "block")], "block 3"),
        ((*swap("block", "sequence", 4, 5), *swap("entry", "block", 4, 5)), "block 4"),
        (["UPDATE block SET at_us = at_us + 1 WHERE sequence = 5"], "block 5"),
        (["UPDATE block SET hash = root WHERE sequence = 5"], "block 5"),
        (["UPDATE block SET entries = entries + 1 WHERE sequence = 5"], "block 5"),
        (["INSERT INTO block SELECT sequence + 1, hash, root, 1, at_us, hash FROM block"
          " WHERE sequence = 8"], "block 9"),
    ],
)  # fmt: skip
def test_a_changed_dropped_inserted_or_reordered_entry_or_block_is_found(
    record, place, statements, where
) -> None:
    report = tampered(record, place, *statements)
    assert where in [problem.where.split(",")[0] for problem in report.problems]


@pytest.mark.parametrize(
    ("statements", "where"),
    [
        (["UPDATE run SET status = 'failed' WHERE kind = 'training'"], "run "),
        (["UPDATE run SET actor_name = 'bob' WHERE kind = 'move'"], "run "),
        (["UPDATE run SET params = '{\"rate\":1}' WHERE kind = 'training'"], "run "),
        (["UPDATE run SET sealed_us = NULL, status = 'running' WHERE kind = 'move'"], "run "),
        (["DELETE FROM run WHERE kind = 'step'"], "run "),
        (["INSERT INTO node (id, name) VALUES (999, 'new')",
          "INSERT INTO run SELECT 999, kind, name, project, actor_name, actor_kind, actor_known_by,"
          " opened_us, at_us, parent, because, cause, code, environment, owner, params, status,"
          " sealed_us, error FROM run WHERE kind = 'step'"], "run new"),
        (["UPDATE ref SET owner = 'bob' WHERE name = 'delay'"], f"ref {REF}"),
        (["UPDATE ref SET aliases = '{\"champion\":1}' WHERE name = 'delay'"], f"ref {REF}"),
        (["UPDATE ref SET newest = 1 WHERE name = 'delay'"], f"ref {REF}"),
        (["UPDATE ref SET is_hidden = 0"], f"ref {OTHER}"),
        (["DELETE FROM ref WHERE name = 'fare'"], f"ref {OTHER}"),
        (["UPDATE version SET at_us = at_us - 1 WHERE number = 2"], f"version {REF} 2"),
        (["UPDATE version SET artifact = (SELECT artifact FROM version WHERE number = 2)"
          " WHERE number = 1 AND ref = 1"], f"version {REF} 1"),
        (["DELETE FROM version WHERE number = 2"], f"version {REF} 2"),
        (["INSERT INTO version SELECT ref, 3, artifact, run, actor_name, actor_kind,"
          " actor_known_by, at_us, recorded_us, summary FROM version WHERE number = 2"],
         f"version {REF} 3"),
        (swap("version", "number", 1, 2, "AND ref = 1"), f"version {REF} 1"),
        (["UPDATE move SET because = 'no reason' WHERE number = 2"], f"move {REF}"),
        (["DELETE FROM move WHERE number = 2"], f"move {REF}"),
        (["INSERT INTO move SELECT ref, recorded_us + 1, alias, run, number, previous, actor_name,"
          " actor_kind, actor_known_by, at_us, because, verdicts FROM move WHERE number = 2"],
         f"move {REF}"),
        (["UPDATE note SET text = 'carefree'"], f"note {REF} card"),
        (["DELETE FROM note"], f"note {REF} card"),
        (["UPDATE unique_key SET run = 1"], "unique key memo:1"),
        (["DELETE FROM unique_key"], "unique key memo:1"),
        (["INSERT INTO unique_key SELECT 'memo:2', run FROM unique_key"], "unique key memo:2"),
        (["UPDATE figure SET value = 0.99 WHERE key = 'auc'"], CONTENT),
        (["DELETE FROM figure"], CONTENT),
        (["DELETE FROM edge WHERE role = 'used'"], CONTENT),
        (["UPDATE edge SET source = 0 WHERE source > 0"], CONTENT),
        (["UPDATE artifact SET kind = 'data' WHERE kind = 'model'"],
         CONTENT),
        (["UPDATE artifact SET size_bytes = 1 WHERE kind = 'model'"],
         CONTENT),
        (["UPDATE artifact SET summary = '{\"state\":\"pass\"}' WHERE kind = 'model'"],
         CONTENT),
        (["DELETE FROM artifact WHERE kind = 'model'"], CONTENT),
        (["INSERT INTO edge SELECT run, role, artifact, 'other', source FROM edge"],
         CONTENT),
    ],
)  # fmt: skip
def test_a_fact_that_is_not_as_its_entry_says_is_found(record, place, statements, where) -> None:
    report = tampered(record, place, *statements)
    assert [p for p in report.problems if p.where.startswith(where)], report.problems
    assert not [p for p in report.problems if p.where.startswith("block")]


GONE = "its payload is gone, and no erasure is journaled"


def test_what_is_said_of_the_code_that_a_run_took_is_under_its_seal(record, place) -> None:
    found = tampered(
        record, place, "UPDATE artifact SET summary = '{}', size_bytes = 1 WHERE kind = 'code'"
    )
    assert {problem.where.split()[0] for problem in found.problems} == {"edges,"}


def test_a_ref_has_no_second_name_that_could_be_changed(record, place) -> None:
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.GeneratedAlways)):
        tampered(record, place, "UPDATE ref SET full_name = 'model:mill/other' WHERE id = 1")
    found = tampered(record, place, "UPDATE ref SET name = 'zz' WHERE id = 1")
    assert found.problems


def test_entries_without_their_payloads_are_told_one_by_one(record, place) -> None:
    report = tampered(record, place, "UPDATE entry SET payload = NULL")
    assert [p.what for p in report.problems].count(GONE) == report.entries


def test_a_payload_taken_away_does_not_hide_that_its_fact_was_edited(record, place) -> None:
    report = tampered(
        record, place, "UPDATE entry SET payload = NULL WHERE kind = 'noted'",
        "UPDATE note SET text = 'carefree'",
    )  # fmt: skip
    assert GONE in [p.what for p in report.problems]
    assert f"note {REF} card" in [p.where for p in report.problems]


@pytest.mark.parametrize("params", ["rubbish", "[1]"])
def test_a_row_that_no_ledger_writes_is_an_error_that_names_it(record, place, params) -> None:
    statement = f"UPDATE run SET params = '{params}'"
    if params == "rubbish" and "://" in place.address:
        with pytest.raises(psycopg.DataError):  # the table itself takes nothing but JSON
            place.execute(statement)
        return
    with pytest.raises(CorruptError, match="a Run in the record cannot be read"):
        tampered(record, place, statement)


def test_an_audit_of_a_record_that_is_being_written_finds_nothing_wrong(record) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            with opened(record, kind="step", name="busy") as run:
                run.version(REF, run.made(put_bytes(record, "model", run.id.encode())))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reports = [verify_journal(record) for _ in range(15)]
    finally:
        stop.set()
        writer.join()
    assert [problem for report in reports for problem in report.problems] == []
    assert verify_journal(record).blocks > reports[0].blocks
