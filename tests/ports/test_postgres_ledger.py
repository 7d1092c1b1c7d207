"""What only a server can do to a ledger: go away, lose an answer, refuse, be shared."""

import contextlib
import math
import os
import random
import socket
import subprocess
import sys
import threading
import time

import psycopg
import pytest

from postgres_server import GUARDED, PASSWORD, Server
from tidemill.adapters import postgres_connections
from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.ledger import SqliteLedger
from tidemill.adapters.postgres.ledger import PostgresLedger
from tidemill.core.errors import CorruptError, InvalidInputError, TidemillError, UnavailableError
from tidemill.core.facts import (
    ArtifactMade,
    Figured,
    Keyed,
    KeyIs,
    LeaseIs,
    Noted,
    RunIsOpen,
)
from tidemill.core.query import Block, Figure, Order, Query, Where
from tidemill.core.ref import RefName, Version
from tidemill.core.run import Run
from tidemill.lineage.journal import journal_report

pytestmark = pytest.mark.postgres


class Wire:
    """A way to a server that is cut at commits: before it is asked, while it answers, after that.

    `cuts` says for each commit which of these happens, or nothing.
    """

    def __init__(self, port: int, cuts) -> None:
        self._port, self._cuts = port, cuts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.done: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                ours, _ = self._listener.accept()
                theirs = socket.create_connection(("127.0.0.1", self._port))
                is_cut = threading.Event()
                for act, one, other in (
                    (self._ask, ours, theirs), (self._answer, theirs, ours)
                ):  # fmt: skip
                    threading.Thread(target=act, args=(one, other, is_cut), daemon=True).start()

    def _ask(self, client, server, is_cut) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as ends:
            for one in (client, server):  # a mere close waits for who reads from it
                ends.callback(one.shutdown, socket.SHUT_RDWR)
            while data := client.recv(1 << 16):
                cut = next(self._cuts, "") if b"COMMIT\0" in data else ""
                if cut:
                    self.done.append(cut)
                    is_cut.set()
                if cut != "before":
                    server.sendall(data)
                if cut == "after":
                    time.sleep(0.05)  # the answer comes and is thrown away
                if cut:
                    return

    def _answer(self, server, client, is_cut) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 16):
                if not is_cut.is_set():
                    client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
        client.close()
        server.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # a mere close waits for who accepts
        self._listener.close()


def through(url: str, port: int) -> str:
    """Return the URL of the same record by another port."""
    head, _, rest = url.partition("127.0.0.1:")
    return f"{head}127.0.0.1:{port}/{rest.partition('/')[2]}"


def newest_runs(ledger) -> list[Run]:
    return ledger.find(Query(Run, limit=100_000))


def test_a_commit_whose_answer_was_lost_is_found_out_and_never_written_twice(
    postgres, postgres_record, facts, ledger_clock
) -> None:
    seed = random.randrange(1 << 30)
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    PostgresLedger(postgres_record, ledger_clock).close()
    wire = Wire(
        postgres.port,
        iter(lambda: chance.choice([*[""] * 4, "before", "asked", "after"]), None),
    )
    ledger = PostgresLedger(through(postgres_record, wire.port), ledger_clock)
    receipts = {}
    for number in range(25):
        run, key = facts.opened(), f"memo/{number}"
        lease = ledger.lease(key, ledger.owner(), 60)
        receipts[run.run] = ledger.commit(
            facts.batch(
                run, Keyed(key=key, run=run.run),
                conditions=[KeyIs(key=key), LeaseIs(key=key, token=lease.token, release=True)],
            )
        )  # fmt: skip
    wire.close()
    assert wire.done
    plain = PostgresLedger(postgres_record, ledger_clock)
    blocks = {block.sequence: block.root for block in plain.find(Query(Block))}
    assert {receipt.block: receipt.root for receipt in receipts.values()} == blocks
    assert {run.id for run in newest_runs(plain)} == set(receipts)
    assert journal_report(plain).is_intact
    plain.close()


def test_a_cell_that_was_set_says_so_though_the_answer_was_lost(
    postgres, postgres_record, ledger_clock
) -> None:
    PostgresLedger(postgres_record, ledger_clock).close()
    cuts = iter(["after", "", "before", "after", "", "asked", *[""] * 1000])
    wire = Wire(postgres.port, cuts)
    ledger = PostgresLedger(through(postgres_record, wire.port), ledger_clock)
    version = None
    for value in (b"1", b"2", b"3"):
        assert ledger.swap("cell", value, version=version, ttl_s=60)
        cell = ledger.cell("cell")
        assert cell.value == value
        version = cell.version
    assert not ledger.swap("cell", b"4", version=version - 1, ttl_s=60)
    ledger.close()
    wire.close()
    assert wire.done == ["after", "before", "after"]


WRITER = """
import sys
from datetime import UTC, datetime
from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.postgres.ledger import PostgresLedger
from tidemill.core.actor import Actor
from tidemill.core.facts import *
clock, now = SystemClock(), datetime(2013, 1, 1, tzinfo=UTC)
ledger = PostgresLedger(sys.argv[1], clock)
while True:
    run = clock.new_id()
    lease = ledger.lease(f"lease/{run}", ledger.owner(), 60)
    ledger.commit(Batch(facts=(
        RunOpened(run=run, kind="step", name="n", project="mill", actor=Actor(name="ada"),
                  opened_at=now, at=now),
        Keyed(key=f"memo/{run}", run=run)), conditions=(KeyIs(key=f"memo/{run}"),), at=now))
    print(run, lease.token, flush=True)
"""


@pytest.mark.slow
def test_a_server_killed_in_the_middle_of_commits_loses_nothing_that_was_acknowledged(
    tmp_path, ledger_clock, request
) -> None:
    server = Server(tmp_path / "server", durable=True)
    request.addfinalizer(server.close)
    url = server.database("kills")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    said: list[list[str]] = [[] for _ in writers]

    def hear(writer, lines) -> None:
        lines.extend(writer.stdout)

    readers = [threading.Thread(target=hear, args=pair) for pair in zip(writers, said, strict=True)]
    for reader in readers:
        reader.start()
    until = time.monotonic() + 60
    for kills in range(1, 4):
        before = [len(lines) for lines in said]
        while any(len(n) < b + 10 for n, b in zip(said, before, strict=True)):
            assert time.monotonic() < until, [w.poll() and w.stderr.read() for w in writers]
            time.sleep(0.01)
        if kills < 3:
            server.kill()
    for writer, reader in zip(writers, readers, strict=True):
        writer.kill()
        reader.join()
        assert writer.stderr.read() == ""
        writer.wait()
        writer.stdout.close()
        writer.stderr.close()
    rows = [line.split() for lines in said for line in lines if line.endswith("\n")]
    ledger = PostgresLedger(url, ledger_clock)
    found = {run.id for run in newest_runs(ledger)}
    assert {run for run, _ in rows} <= found
    assert len(found) <= len(rows) + len(writers)
    assert len({token for _, token in rows}) == len(rows)
    assert set(ledger.keys(["memo/"]).values()) == found
    report = journal_report(ledger)
    assert (report.is_intact, report.entries) == (True, 2 * len(found))
    ledger.close()


def test_writers_that_want_the_same_things_in_another_order_never_stand_in_a_circle(
    postgres_database, postgres_record, facts, ledger_clock
) -> None:
    def deadlocks() -> int:
        with psycopg.connect(postgres_database) as connection:
            sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            return connection.execute(sql).fetchone()[0]

    before, failures = deadlocks(), []
    ledgers = [PostgresLedger(postgres_record, ledger_clock) for _ in range(4)]

    def work(ledger, chance) -> None:
        for number in range(25):
            names = [f"{number}/{i}" for i in range(6)]
            chance.shuffle(names)
            made = [ArtifactMade(artifact=facts.artifact(name)) for name in names]
            refs = [facts.created(ref=RefName(kind="m", project="p", name=n)) for n in "abcdef"]
            notes = [
                Noted(subject=name, key="k", text="", actor=facts.actor, at=facts.start)
                for name in names
            ]
            mixed = [*made, *refs, *notes]
            chance.shuffle(mixed)
            try:
                ledger.commit(facts.batch(*mixed))
            except TidemillError as error:
                failures.append(error)

    threads = [
        threading.Thread(target=work, args=(ledger, random.Random(i)))
        for i, ledger in enumerate(ledgers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert deadlocks() == before
    assert journal_report(ledgers[0]).is_intact
    for ledger in ledgers:
        ledger.close()


def test_a_batch_of_more_things_than_the_server_has_locks_for_is_written(
    postgres_record, facts, ledger_clock
) -> None:
    ledger = PostgresLedger(postgres_record, ledger_clock)
    runs = [facts.opened() for _ in range(3000)]
    ledger.commit(facts.batch(*runs, *(Keyed(key=f"k/{r.run}", run=r.run) for r in runs)))
    assert len(newest_runs(ledger)) == 3000
    ledger.close()


def test_gaps_in_sequences_break_nothing(postgres_record, facts, ledger_clock) -> None:
    ledger = PostgresLedger(postgres_record, ledger_clock)
    schema = postgres_record.partition("schema=")[2]
    url = postgres_record.partition("?")[0]
    for number in range(1, 6):
        ledger.commit(facts.batch(*facts.version_of(f"v{number}", number)))
        with pytest.raises(TidemillError):
            ledger.commit(facts.batch(*facts.version_of("refused", number)))
        with psycopg.connect(url) as connection:
            for table in ("node", "ref"):
                connection.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)",
                    (f"{schema}.{table}", 10**number * 1000),
                )
    numbers = ledger.find(Query(Version, order=(Order("number"),)))
    assert [version.number for version in numbers] == [1, 2, 3, 4, 5]
    report = journal_report(ledger)
    assert (report.is_intact, report.blocks) == (True, 5)
    ledger.close()


@pytest.mark.parametrize(
    "bad",
    [
        lambda f: f.opened(name="a\0b"),
        lambda f: f.opened(params={"p": "a\0b"}),
        lambda f: f.opened(params={"a\0": 1}),
        lambda f: f.opened(run="\0" * 32),
        lambda f: f.opened(name=object()),
        lambda f: f.opened(name=os.urandom(4000).hex()),
        lambda f: ArtifactMade(artifact=f.artifact(summary={"s": "\0"})),
        lambda f: ArtifactMade(artifact=f.artifact(size_bytes=2**63)),
        lambda f: ArtifactMade(artifact=f.artifact(size_bytes="many")),
        lambda f: Keyed(key=os.urandom(4000).hex(), run="1" * 32),
        lambda f: Noted(subject="s", key="k", text="\0", actor=f.actor, at=f.start),
    ],
)
def test_a_value_that_no_table_takes_is_refused_with_its_batch_and_no_other(
    postgres_record, facts, ledger_clock, bad
) -> None:
    ledger = PostgresLedger(postgres_record, ledger_clock)
    with pytest.raises(InvalidInputError, match="cannot be recorded") as caught:
        ledger.commit(facts.batch(facts.opened(), bad(facts)))
    assert len(str(caught.value)) < 500
    assert newest_runs(ledger) == []
    ledger.commit(facts.batch(facts.opened()))
    assert len(newest_runs(ledger)) == 1
    ledger.close()


@pytest.mark.parametrize(
    "where",
    [
        Where("name", "=", "\0"), Where("name", "in", ["\0"]), Where("params.p", "=", "\0"),
        Where("name", "=", "\ud800"), Where("name", "contains", "\0"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_asked_for_is_no_damage(
    postgres_record, ledger_clock, where
) -> None:
    ledger = PostgresLedger(postgres_record, ledger_clock)
    with pytest.raises(InvalidInputError, match="cannot be asked for"):
        ledger.find(Query(Run, where=(where,)))
    ledger.close()


def test_both_places_order_and_compare_items_of_mappings_alike(
    postgres_record, facts, ledger_clock, tmp_path
) -> None:
    values = [
        3, 1, 2.5, -1, 2**60 + 1, 2**60, 1e300, -0.5, True, False, None, "", "a", "B", "b", "ab",
        "Z", "ä", "\U0001f30a", "10", "9", 'q"\\', "ﬁ",
    ]  # fmt: skip
    runs = [facts.opened(params={"p": value, "name with . dot": 1}) for value in values]
    runs.append(facts.opened())
    places = [
        PostgresLedger(postgres_record, ledger_clock),
        SqliteLedger(tmp_path / "ledger.db", ledger_clock),
    ]
    for ledger in places:
        ledger.commit(facts.batch(*runs))
    wheres = [()]
    for op in ("=", "!=", "<", "<=", ">", ">="):
        wheres += [(Where("params.p", op, value),) for value in values if value is not None]
    wheres += [(Where("params.p", op, None),) for op in ("=", "!=")]
    wheres += [(Where("params.p", op, t),) for op in ("prefix", "suffix", "contains")
               for t in ("", "a", "b", "ä", "\U0001f30a", 'q"')]  # fmt: skip
    wheres += [(Where("params.p", "in", values[:3]),), (Where("params.p", "in", ["a", True]),)]
    wheres += [(Where("params.name with . dot", "=", 1),)]
    for where in wheres:
        for descending in (False, True):
            query = Query(Run, where=where, order=(Order("params.p", descending),))
            of_server, of_file = ([run.id for run in one.find(query)] for one in places)
            assert of_server == of_file, where
    for ledger in places:
        ledger.close()


def test_figures_that_are_no_numbers_are_kept_and_compared_alike(
    postgres_record, facts, ledger_clock, tmp_path
) -> None:
    values = (math.nan, math.inf, -math.inf, 0.0, -1.5, 5e-324, 1.7976931348623157e308)
    run = facts.opened()
    figured = Figured(
        run=run.run, keys=("k",) * 7, values=values, steps=tuple(range(7)), at=(facts.start,) * 7
    )
    found = []
    for ledger in (
        PostgresLedger(postgres_record, ledger_clock),
        SqliteLedger(tmp_path / "ledger.db", ledger_clock),
    ):
        ledger.commit(facts.batch(run, figured, facts.sealed(run.run)))
        wheres = [Where("value", op, v) for op in ("<", "<=", ">", ">=", "=", "!=") for v in values]
        wheres.append(Where("value", "in", [math.nan, 0.0, math.inf]))
        queries = [Query(Figure, where=(w,), order=(Order("value"),)) for w in wheres]
        found.append(repr([ledger.find(query) for query in queries]))
        assert journal_report(ledger).is_intact
        ledger.close()
    assert found[0] == found[1]


def test_a_password_comes_from_the_environment_and_no_error_shows_it(
    postgres, postgres_database, monkeypatch, ledger_clock
) -> None:
    url = postgres_database.replace("tidemill@", f"{GUARDED}@") + "?schema=guarded"
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    for given in (None, "wrong" + PASSWORD):
        if given:
            monkeypatch.setenv("PGPASSWORD", given)
        with pytest.raises(UnavailableError) as caught:
            PostgresLedger(url, ledger_clock)
        assert PASSWORD not in str(caught.value)
        assert f"127.0.0.1:{postgres.port}" in caught.value.what
        assert "PGPASSWORD" in caught.value.fix
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with psycopg.connect(postgres_database) as connection:
        connection.execute(f"CREATE SCHEMA guarded AUTHORIZATION {GUARDED}")
    ledger = PostgresLedger(url, ledger_clock)
    assert newest_runs(ledger) == []
    ledger.close()


def test_who_may_only_read_is_told_so_and_reads(
    postgres_database, postgres_record, facts, ledger_clock, monkeypatch
) -> None:
    owner = PostgresLedger(postgres_record, ledger_clock)
    owner.commit(facts.batch(facts.opened()))
    schema = postgres_record.partition("schema=")[2]
    with psycopg.connect(postgres_database) as connection:
        connection.execute(f"GRANT USAGE ON SCHEMA {schema} TO {GUARDED}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {GUARDED}")
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    readers = [
        postgres_record.replace("tidemill@", f"{GUARDED}@"),
        postgres_record + "&options=-c%20default_transaction_read_only%3Don",
    ]
    for url in readers:
        reader = PostgresLedger(url, ledger_clock)
        assert len(newest_runs(reader)) == 1
        with pytest.raises(UnavailableError, match="does not let this user write"):
            reader.commit(facts.batch(facts.opened()))
        with pytest.raises(UnavailableError, match="does not let this user write"):
            reader.lease("k", reader.owner(), 1)
        reader.close()
    assert len(newest_runs(owner)) == 1
    owner.close()


def test_a_server_or_database_that_is_not_there_is_named_at_once(postgres, ledger_clock) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        start = time.monotonic()
        with pytest.raises(UnavailableError) as caught:
            PostgresLedger(f"postgresql://ada@127.0.0.1:{port}/mill", ledger_clock)
        assert time.monotonic() - start < 5
    assert f"database mill of PostgreSQL at 127.0.0.1:{port}" in caught.value.what
    assert "pg_isready" in caught.value.fix
    with pytest.raises(UnavailableError, match="does not exist") as caught:
        PostgresLedger(postgres.url("no-such"), ledger_clock)
    assert "createdb" in caught.value.fix


def test_a_server_that_stays_away_is_told_after_a_while(
    postgres, postgres_record, facts, ledger_clock, monkeypatch
) -> None:
    monkeypatch.setattr(postgres_connections, "PATIENCE_S", 0.3)
    PostgresLedger(postgres_record, ledger_clock).close()
    wire = Wire(postgres.port, iter(["asked"]))
    ledger = PostgresLedger(through(postgres_record, wire.port), ledger_clock)
    wire.close()
    with pytest.raises(UnavailableError, match="whether it did is not known"):
        ledger.commit(facts.batch(facts.opened()))
    with pytest.raises(UnavailableError, match="cannot be reached"):
        ledger.find(Query(Run))
    ledger.close()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1/mill?schema=No", "postgresql://127.0.0.1/mill?schema=pg_x",
        "postgresql://127.0.0.1/mill?schema=a-b", "postgresql://127.0.0.1/mill?nonsense=1",
        f"postgresql://ada:{PASSWORD}@127.0.0.1/mill", "postgresql://127.0.0.1/mill?port=x y",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_one_is_refused(url, ledger_clock) -> None:
    with pytest.raises((InvalidInputError, UnavailableError)) as caught:
        PostgresLedger(url, ledger_clock)
    assert PASSWORD not in str(caught.value)


def test_two_records_in_one_database_know_nothing_of_each_other(
    postgres_record, facts, ledger_clock
) -> None:
    one = PostgresLedger(postgres_record, ledger_clock)
    other = PostgresLedger(postgres_record + "_b", ledger_clock)
    one.commit(facts.batch(*facts.version_of("one")))
    assert newest_runs(other) == []
    lease = one.lease("k", "elsewhere/boot/1/1", 60)
    assert other.lease("k", "another/boot/1/1", 60).token == lease.token
    assert other.commit(facts.batch(*facts.version_of("one"))).block == 1
    one.close()
    other.close()


def test_a_table_that_somebody_dropped_is_damage(
    postgres_database, postgres_record, facts, ledger_clock
) -> None:
    ledger = PostgresLedger(postgres_record, ledger_clock)
    with psycopg.connect(postgres_database) as connection:
        connection.execute(f"DROP TABLE {postgres_record.partition('schema=')[2]}.move")
    ledger.commit(facts.batch(facts.opened()))
    with pytest.raises(CorruptError, match="is damaged"):
        journal_report(ledger)
    ledger.close()


def test_a_database_that_does_not_hold_unicode_is_refused(postgres, ledger_clock) -> None:
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
        with pytest.raises(UnavailableError, match="encoding LATIN1") as caught:
            PostgresLedger(postgres.url("latin"), ledger_clock)
        connection.execute("DROP DATABASE latin")
    assert "createdb --encoding UTF8" in caught.value.fix


def test_the_marks_of_commits_do_not_pile_up(
    postgres_database, postgres_record, facts, ledger_clock
) -> None:
    schema = postgres_record.partition("schema=")[2]
    for _ in range(3):
        ledger = PostgresLedger(postgres_record, ledger_clock)
        threads = [
            threading.Thread(target=lambda one=ledger: one.commit(facts.batch(facts.opened())))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ledger.close()
    with psycopg.connect(postgres_database) as connection:
        rows = connection.execute(f"SELECT name FROM {schema}.counter").fetchall()
    assert rows == [("token",)]


def test_the_seal_of_a_run_waits_for_the_figures_of_another_process(
    postgres_record, facts, ledger_clock
) -> None:
    one, other = (PostgresLedger(postgres_record, ledger_clock) for _ in range(2))
    for _ in range(10):
        run = facts.opened()
        one.commit(facts.batch(run))
        refused = []

        def log(run=run, refused=refused) -> None:
            for step in range(10):
                figured = Figured(
                    run=run.run, keys=("a",), values=(1.0,), steps=(step,), at=(facts.start,)
                )
                try:
                    other.commit(facts.batch(figured, conditions=[RunIsOpen(run=run.run)]))
                except TidemillError as error:
                    refused.append(error)

        thread = threading.Thread(target=log)
        thread.start()
        one.commit(facts.batch(facts.sealed(run.run)))
        thread.join()
    assert journal_report(one).is_intact
    one.close()
    other.close()


@pytest.mark.slow
def test_a_process_that_stands_still_in_a_commit_holds_others_up_for_seconds_only(
    postgres_record, facts, ledger_clock
) -> None:
    stopped, other = (PostgresLedger(postgres_record, ledger_clock) for _ in range(2))
    batch = facts.batch(facts.created())
    with contextlib.suppress(UnavailableError), stopped._connections.lent() as connection:
        session = postgres_connections.PostgresSession(connection)
        session.begin(*stopped._claim([f"ref {facts.ref}"]))
        start = time.monotonic()
        other.commit(batch)
        assert time.monotonic() - start < 10
        session.execute("SELECT 1")
    assert stopped.commit(batch).block is None
    stopped.close()
    other.close()


def test_commits_are_durable_also_where_the_database_would_not_wait(
    postgres, postgres_database, postgres_record, ledger_clock
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(postgres_database)["dbname"]

    def kept(setting: str) -> str:
        with psycopg.connect(postgres.url(), autocommit=True) as connection:
            connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = {setting}')
        ledger = PostgresLedger(postgres_record, ledger_clock)
        with ledger._connections.lent() as connection:
            found = connection.execute("SHOW synchronous_commit").fetchone()[0]
        ledger.close()
        return found

    assert [kept(setting) for setting in ("off", "remote_apply", "DEFAULT")] == [
        "on", "remote_apply", "on",
    ]  # fmt: skip


@pytest.fixture
def ledger_clock() -> SystemClock:
    return SystemClock()
