"""A pipeline takes data that keep the contract as it is declared now, and no others."""

import sqlite3

import pytest

from tidemill.core.errors import CheckFailedError
from tidemill.core.query import Query, Where
from tidemill.core.run import Run
from tidemill.core.times import parse_time
from tidemill.practices.validation.operations import add_data, check_data

CONTRACT = """
from datetime import datetime
import tidemill as tm

class T(tm.Contract):
    data = "numbers"  # so that it is asked only where it is named
    n: int = tm.column(between=(0, {most}))

class Pictures(tm.FolderContract):
    data = "pictures"
    suffixes = (".png",)

class Fresh(tm.Contract):
    data = "times"
    fresh_within = "2d"
    fresh_column = "at"
    at: datetime
"""
FLOW = """
    from tidemill.practices.pipelines.data import data
    from contracts import Fresh, Pictures, T

    @step
    def rows(frame):
        return frame.height

    @step
    def names(folder):
        return len(list(folder))

    @pipeline
    def flow():
        rows(data("t", contract=T))

    @pipeline
    def pictures():
        names(data("pics", contract=Pictures))

    @pipeline
    def fresh():
        rows(data("f", contract=Fresh))
"""


def declare(mill, most=9) -> None:
    """Write the contracts; this process loads them once, others anew."""
    (mill.folder / "contracts.py").write_text(CONTRACT.format(most=most))


def states(run) -> list[str]:
    return [line.state for line in run.steps]


@pytest.fixture
def written(mill, monkeypatch):
    """Data that were added without the contract that the pipelines ask for."""
    monkeypatch.chdir(mill.folder)
    declare(mill)
    mill.write(FLOW)
    (mill.folder / "t.csv").write_text("n\n1\n2\n")
    (mill.folder / "f.csv").write_text("at\n2013-01-01T00:00:00Z\n")
    (mill.folder / "pics").mkdir()
    (mill.folder / "pics/a.png").write_bytes(b"a")
    for name, source in (("t", "t.csv"), ("f", "f.csv"), ("pics", "pics")):
        add_data(mill.record, name, source, at=parse_time("2013-01-01"))
    return mill


def checks(mill) -> list[str]:
    """What was checked by itself, not while it was added."""
    where = (Where("kind", "=", "validation"),)
    return [run.name for run in mill.record.ports.ledger.find(Query(Run, where=where, limit=100))]


@pytest.mark.parametrize(("pipeline", "name"), [("flow", "t"), ("pictures", "pics")])
def test_what_was_added_before_its_contract_is_checked_once_when_a_pipeline_asks(
    written, pipeline, name
) -> None:
    assert states(written.run(pipeline)) == ["done"]
    assert checks(written) == [name]
    assert states(written.run(pipeline)) == ["reused"]
    assert checks(written) == [name]


def test_what_was_added_through_an_older_contract_is_held_to_the_one_of_now(
    written, tidemill
) -> None:
    assert tidemill("data", "add", "t", "t.csv", "--contract", "T").returncode == 0
    (written.folder / "more.csv").write_text("n\n7\n")
    more = ("data", "add", "t", "more.csv", "--append", "--contract", "T")
    assert tidemill(*more).returncode == 0
    declare(written, most=1)
    refused = tidemill("run", "flow")
    assert refused.returncode == 3
    assert "data:t@2 was checked against the contract T: fail (n.between: rows 2, 3)" in (
        refused.stderr
    )
    assert "tidemill data check data:t@2 --contract T" in refused.stderr
    (written.folder / "more.csv").write_text("n\n0\n")
    assert tidemill(*more).returncode == 0
    assert "data:t@3 was checked against the contract T: fail" in tidemill("run", "flow").stderr


def test_rows_that_came_through_the_contract_of_now_are_not_checked_again(mill, tidemill) -> None:
    declare(mill)
    mill.write(FLOW)
    for rows in ("1\n2\n", "3\n"):
        (mill.folder / "t.csv").write_text(f"n\n{rows}")
        add_data(mill.record, "t", str(mill.folder / "t.csv"), append=True, contract="T")
    assert states(mill.run()) == ["done"]
    assert checks(mill) == []


@pytest.mark.parametrize(("pipeline", "name", "source", "contract"), [
    ("flow", "t", "t.csv", "T"), ("pictures", "pics", "pics", "Pictures"),
])  # fmt: skip
def test_adding_the_same_again_with_a_contract_checks_the_version_that_is_there(
    written, pipeline, name, source, contract
) -> None:
    added = add_data(written.record, name, source, contract=contract)
    assert (added.is_new, added.version, added.state) == (False, f"data:{name}@1", "pass")
    assert f"nothing was added; checked against {added.contract}: pass" in str(added)
    assert added.verdict
    assert states(written.run(pipeline)) == ["done"]


def test_a_delivery_that_was_appended_before_is_checked_too(written) -> None:
    (written.folder / "more.csv").write_text("n\n7\n")
    add_data(written.record, "t", "more.csv", append=True)
    added = add_data(written.record, "t", "more.csv", append=True, contract="T")
    assert (added.is_new, added.version, added.state) == (False, "data:t@2", "pass")
    assert states(written.run()) == ["done"]


def test_a_version_that_broke_the_contract_is_not_taken(written, tidemill) -> None:
    declare(written, most=1)
    assert tidemill("data", "check", "data:t@1", "--contract", "T").returncode == 3
    refused = tidemill("run", "flow")
    assert refused.returncode == 3
    assert "data:t@1 was checked against the contract T: fail" in refused.stderr


def test_a_verdict_on_another_contract_or_another_version_does_not_count(written, tidemill) -> None:
    assert check_data(written.record, "data:t@1", contract="T").has_passed
    declare(written, most=1)
    changed = tidemill("run", "flow")
    assert "data:t@1 was checked against the contract T: fail" in changed.stderr
    declare(written, most=9)
    assert tidemill("run", "flow").returncode == 0
    (written.folder / "t.csv").write_text("n\n30\n")
    assert tidemill("data", "add", "t", "t.csv").returncode == 0
    other = tidemill("run", "flow")
    assert "data:t@2 was checked against the contract T: fail" in other.stderr


def test_freshness_is_asked_at_the_time_of_the_run(written) -> None:
    first, second = parse_time("2013-01-02"), parse_time("2013-01-03T12:00")
    assert states(written.run("fresh", at=first)) == ["done"]
    with pytest.raises(CheckFailedError, match="Fresh: fail") as caught:
        written.run("fresh", at=second)
    assert "--contract Fresh --at 2013-01-03T12:00:00+00:00" in caught.value.fix


def test_a_verdict_that_the_journal_does_not_attest_does_not_count(written, tidemill) -> None:
    """The key of a failed verdict is given, in the table alone, to the run of one that passed."""
    assert check_data(written.record, "data:pics@1", contract="Pictures").has_passed
    declare(written, most=1)
    assert tidemill("data", "check", "data:t@1", "--contract", "T").returncode == 3
    keys = "key LIKE 'contract:%'"
    connection = sqlite3.connect(written.folder / ".tidemill" / "ledger.db")
    with connection:
        changed = connection.execute(
            f"UPDATE unique_key SET run = (SELECT min(run) FROM unique_key WHERE {keys})"
            f" WHERE {keys}"
        )
        assert changed.rowcount == 2
    connection.close()
    refused = tidemill("run", "flow")
    assert "the record was changed" in refused.stderr
    assert "data:t@1 was checked against the contract T: fail" in refused.stderr


INFERRED = """
    import tidemill as tm
    from contracts import T

    @step
    def rows(frame):
        return frame.height

    @pipeline
    def flow():
        rows(tm.data("t", contract=T))
"""


def test_a_contract_that_was_inferred_from_data_is_a_contract_of_these_data(mill, tidemill) -> None:
    (mill.folder / "t.csv").write_text("n\n1\n2\n")
    assert tidemill("data", "add", "t", "t.csv").returncode == 0
    assert tidemill("contract", "infer", "data:t", "--out", "contracts.py").returncode == 0
    mill.write(INFERRED)
    told = tidemill("data", "check", "data:t@1", "--contract", "T")
    assert told.returncode == 0, told.stderr
    done = tidemill("run", "flow")
    assert done.returncode == 0, done.stderr


def test_a_contract_of_a_folder_says_nothing_of_a_table(written, tidemill) -> None:
    written.write(FLOW.replace("contract=T", "contract=Pictures"))
    refused = tidemill("run", "flow")
    assert refused.returncode == 5
    assert "data:t@1 is no folder of files, of which the contract Pictures speaks" in refused.stderr


def test_of_external_data_no_contract_is_asked(mill) -> None:
    (mill.folder / "lake").mkdir()
    (mill.folder / "lake/a.bin").write_bytes(b"a")
    declare(mill)
    mill.write(FLOW)
    add_data(mill.record, "pics", str(mill.folder / "lake"), external=True)
    with pytest.raises(CheckFailedError, match="pics@1 is external") as caught:
        mill.run("pictures")
    assert "leave out contract=" in caught.value.fix
