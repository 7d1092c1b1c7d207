"""data add: good rows in, bad rows aside, a verdict on every source, nothing half-done."""

import json
import os
import signal
import subprocess
import sys
import time

import polars as pl
import pytest

from tidemill.core.artifact import Artifact
from tidemill.core.errors import CheckFailedError, InvalidInputError, NotFoundError
from tidemill.core.query import Query, Where
from tidemill.core.ref import Ref, Version
from tidemill.core.run import Run
from tidemill.core.times import parse_time
from tidemill.lineage.artifacts import find_artifact, read_value
from tidemill.practices.validation.operations import add_data, check_data, show_verdict
from tidemill.practices.validation.profile import Profile
from tidemill.practices.versioning.data import open_data, scan_data

HEAD = "flight_id,at,origin,dep_delay,landed_at"
GOOD = ["a,2013-01-01T10:00:00Z,EWR,3,2013-01-01T12:00:00Z", "b,2013-01-01T11:00:00Z,JFK,,"]
LATE = "c,2013-01-01T12:00:00Z,XXX,3000,2013-01-01T11:00:00Z"


def write(record, *rows, name="flights.csv", head=HEAD):
    path = record.ports.workspace.root / name
    path.write_text("\n".join([head, *rows]) + "\n")
    return str(path)


def found(record, result, field, value):
    return record.ports.ledger.find(Query(result, where=(Where(field, "=", value),)))


def test_good_rows_become_a_version_and_bad_rows_are_put_aside_with_their_rules(record) -> None:
    added = add_data(record, "flights", write(record, GOOD[0], LATE, GOOD[1]))
    assert (added.version, added.rows_read, added.rows_added) == ("data:flights@1", 3, 2)
    assert (added.rows_quarantined, added.state) == (1, "warn")
    assert scan_data(record, "data:flights").collect()["flight_id"].to_list() == ["a", "b"]
    aside = scan_data(record, added.quarantine).collect()
    assert aside["_row"].to_list() == [2]
    assert aside["_rules"].to_list() == ["origin.one_of,dep_delay.between,lands_later"]
    assert "1 put aside" in str(added)
    assert "origin.one_of" in str(added)


def test_a_bad_row_of_a_folder_is_named_by_its_file_and_its_place_there(record) -> None:
    folder = record.ports.workspace.root / "days"
    folder.mkdir()
    write(record, *GOOD, name="days/one.csv")
    write(record, GOOD[0].replace("a,", "d,"), LATE, name="days/two.csv")
    added = add_data(record, "flights", str(folder))
    aside = scan_data(record, added.quarantine).collect()
    assert aside.select("_row", "_file").rows() == [(4, "two.csv")]
    by_rule = {
        f.rule: f for f in show_verdict(record, find_artifact(record, added.verdict)).findings
    }
    assert by_rule["origin.one_of"].what == "two.csv row 2"


def test_the_verdict_names_contract_and_data_and_says_each_rule(record) -> None:
    added = add_data(record, "flights", write(record, *GOOD, LATE))
    artifact = find_artifact(record, added.verdict)
    verdict = show_verdict(record, artifact)
    assert verdict.subjects[0] == added.artifact
    assert artifact.summary["check"] == "contract"
    by_rule = {finding.rule: finding for finding in verdict.findings}
    assert by_rule["origin.one_of"].rows_failed == 1
    assert by_rule["origin.one_of"].rows_checked == 3
    assert by_rule["origin.one_of"].what == "row 3"
    assert by_rule["dep_delay.max_null_share"].measured == 0.5
    assert by_rule["quarantined"].bound == "<= 0.5"
    (contract,) = found(record, Version, "ref.kind", "contract")
    assert verdict.subjects[1] == contract.artifact


def test_a_profile_of_the_kept_rows_is_kept(record) -> None:
    add_data(record, "flights", write(record, *GOOD, LATE))
    (artifact,) = found(record, Artifact, "kind", "profile")
    profile = read_value(record, artifact, Profile)
    by_name = {column.name: column for column in profile.columns}
    assert profile.rows == 2
    assert by_name["dep_delay"].numbers.maximum == 3.0
    assert by_name["origin"].levels.levels == ("EWR", "JFK")
    assert by_name["landed_at"].nulls == 1
    assert "dep_delay" in str(profile)


def test_too_many_bad_rows_refuse_the_source_and_the_verdict_is_still_kept(project) -> None:
    record = project()
    with pytest.raises(CheckFailedError, match="nothing was added") as caught:
        add_data(record, "flights", write(record, GOOD[0], LATE, LATE.replace("c,", "d,")))
    assert "tidemill show b3:" in caught.value.fix
    assert not found(record, Version, "ref", "data:flights/flights")
    (artifact,) = found(record, Artifact, "kind", "verdict")
    assert artifact.summary["state"] == "fail"
    (run,) = found(record, Run, "kind", "validation")
    assert run.status == "done"
    aside = scan_data(record, "data:flights.quarantine").collect()
    assert aside["_row"].to_list() == [2, 3]


def test_too_many_missing_values_and_too_few_rows_refuse_the_source(record) -> None:
    rows = [GOOD[1], GOOD[1].replace("b,", "c,")]
    with pytest.raises(CheckFailedError, match=r"dep_delay.max_null_share"):
        add_data(record, "flights", write(record, *rows))
    with pytest.raises(CheckFailedError, match="min_rows: 1 rows"):
        add_data(record, "flights", write(record, GOOD[0]))


def test_a_key_that_comes_again_is_put_aside_also_against_rows_that_are_there(record) -> None:
    add_data(record, "flights", write(record, *GOOD, GOOD[0]))
    more = [GOOD[0], "x,2013-01-02T10:00:00Z,LGA,1,", "y,2013-01-02T10:00:00Z,LGA,1,"]
    added = add_data(record, "flights", write(record, *more), append=True)
    assert (added.rows, added.rows_added, added.rows_quarantined) == (4, 2, 1)
    aside = scan_data(record, "data:flights.quarantine").collect()
    assert aside["_rules"].to_list() == ["flight_id.unique"]
    assert scan_data(record, "data:flights").collect()["flight_id"].to_list() == list("abxy")


def test_a_key_whose_first_row_was_bad_is_not_taken(record) -> None:
    bad, good = LATE, LATE.replace("XXX,3000,2013-01-01T11", "EWR,1,2013-01-01T13")
    added = add_data(record, "flights", write(record, bad, good, *GOOD))
    assert added.rows_quarantined == 1
    assert "c" in scan_data(record, "data:flights").collect()["flight_id"].to_list()


def test_the_same_file_again_adds_nothing_and_says_so(record) -> None:
    path = write(record, *GOOD)
    add_data(record, "flights", path, append=True)
    again = add_data(record, "flights", path, append=True)
    assert not again.is_new
    assert "nothing was added" in str(again)
    assert len(found(record, Version, "ref.kind", "data")) == 1


def test_a_missing_column_is_named_with_the_closest_one(record) -> None:
    path = write(record, "a,2013-01-01T10:00:00Z,EWR,3,", head=HEAD.replace("dep_delay", "delay"))
    with pytest.raises(InvalidInputError, match=r"'dep_delay'.*'delay' is there"):
        add_data(record, "flights", path)
    assert not found(record, Ref, "ref.kind", "data")


def test_a_cell_of_another_type_puts_its_row_aside_with_its_text_and_number(record) -> None:
    path = write(record, *GOOD, "c,2013-01-01T11:00:00Z,JFK,soon,")
    added = add_data(record, "flights", path)
    assert (added.rows_read, added.rows_added, added.rows_quarantined) == (3, 2, 1)
    aside = scan_data(record, added.quarantine).collect()
    assert aside.select("_row", "_rules", "_text").rows() == [
        (3, "dep_delay.type", "dep_delay=soon")
    ]
    assert aside["flight_id"].to_list() == ["c"]
    assert "row 3: 'soon'" in str(added)


def test_rows_with_other_numbers_of_fields_are_put_aside(record) -> None:
    path = write(record, *GOOD, "c,2013-01-01T11:00:00Z", GOOD[0] + ",7", GOOD[0].replace("a", "d"))
    added = add_data(record, "flights", path)
    assert (added.rows_read, added.rows_added) == (5, 3)
    aside = scan_data(record, added.quarantine).collect()
    assert aside.select("_row", "_rules").rows() == [(3, "fields"), (4, "fields")]
    assert aside["_text"][0] == "c,2013-01-01T11:00:00Z"


def test_a_column_that_no_contract_declares_is_told_how_to_declare_it(record) -> None:
    rows = [f"{n},{n}" for n in range(20_000)] + ["x,y"]
    with pytest.raises(InvalidInputError, match=r"line 20,?002.*'x' is no whole number") as caught:
        add_data(record, "other", write(record, *rows, head="a,b"))
    assert "contract" in caught.value.fix
    assert not found(record, Ref, "ref.kind", "data")


def test_rows_of_a_frame_and_of_json_lines_are_put_aside_too(record) -> None:
    rows = [
        {"flight_id": str(n), "at": "2013-01-01T10:00:00Z", "origin": "EWR", "dep_delay": value,
         "landed_at": None}
        for n, value in enumerate([1, "soon", 2.5, None])
    ]  # fmt: skip
    path = record.ports.workspace.root / "flights.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    added = add_data(record, "flights", str(path))
    aside = scan_data(record, added.quarantine).collect()
    assert aside["_text"].to_list() == ["dep_delay=soon", "dep_delay=2.5"]
    frame = pl.DataFrame(
        [{**row, "dep_delay": None if row["dep_delay"] is None else str(row["dep_delay"])}
         for row in rows],
        schema_overrides={"landed_at": pl.String},
    )  # fmt: skip
    assert add_data(record, "flights", frame).rows_quarantined == 2


def test_more_columns_are_kept_or_forbidden_as_the_contract_says(project) -> None:
    contract = "import tidemill as tm\nclass Planes(tm.Contract):\n    tailnum: str\n"
    record = project(contract)
    path = write(record, "N1,2", head="tailnum,seats")
    add_data(record, "planes", path)
    assert scan_data(record, "data:planes").collect().columns == ["tailnum", "seats"]
    record = project(contract + "    extra = 'forbid'\n")
    sys.modules.pop("contracts", None)
    _forget(record)
    with pytest.raises(InvalidInputError, match="seats"):
        add_data(record, "planes", path)


def test_data_without_a_contract_are_taken_and_it_is_said(record) -> None:
    added = add_data(record, "planes", pl.DataFrame({"tailnum": ["N1", "N2"]}))
    assert (added.contract, added.verdict, added.rows) == ("", None, 2)
    assert "no contract is declared" in str(added)


def test_a_key_without_a_contract_is_checked_too(record) -> None:
    rows = pl.DataFrame({"tailnum": [*map(str, range(200)), "7"]})
    added = add_data(record, "planes", rows, key=("tailnum",))
    assert (added.rows_added, added.rows_quarantined) == (200, 1)
    with pytest.raises(InvalidInputError, match="tail"):
        add_data(record, "planes", rows, key=("tail",))


def test_an_unknown_contract_is_told_with_the_closest(record) -> None:
    with pytest.raises(NotFoundError, match="Flight") as caught:
        add_data(record, "flights", write(record, *GOOD), contract="Flight")
    assert "Flights" in caught.value.fix


def test_freshness_is_measured_against_effective_time(project) -> None:
    record = project(
        "from datetime import datetime\nimport tidemill as tm\n"
        "class Weather(tm.Contract):\n    fresh_within = '2d'\n    fresh_column = 'at'\n"
        "    at: datetime\n"
    )
    rows = pl.DataFrame({"at": [parse_time("2013-01-01T00:00")]})
    added = add_data(record, "weather", rows, at=parse_time("2013-01-02"))
    assert added.state == "pass"
    with pytest.raises(CheckFailedError, match="fresh: the newest at is 2013-01-01"):
        add_data(record, "weather", rows, at=parse_time("2013-01-04"))
    assert check_data(record, "data:weather", at=parse_time("2013-01-02")).state == "pass"
    assert check_data(record, "data:weather", at=parse_time("2013-01-09")).state == "fail"


def test_a_version_is_checked_against_the_contract_as_it_is_now_and_judged_once(record) -> None:
    frame = pl.DataFrame(
        {"flight_id": ["a", "a"], "at": [parse_time("2013-01-01")] * 2, "origin": ["EWR", "X"],
         "dep_delay": [1, 2], "landed_at": [None, None]},
        schema_overrides={"landed_at": pl.Datetime("us", "UTC")},
    )  # fmt: skip
    add_data(record, "other", frame)
    verdict = check_data(record, "data:other", contract="Flights")
    by_rule = {finding.rule: finding for finding in verdict.findings}
    assert verdict.state == "fail"
    assert by_rule["origin.one_of"].state == "fail"
    assert by_rule["flight_id.unique"].rows_failed == 0  # the bad row is no twin of the good one
    assert check_data(record, "data:other", contract="Flights") == verdict
    assert len(found(record, Run, "kind", "validation")) == 1


def test_rules_on_columns_that_are_not_there_did_not_run_and_that_is_no_pass(record) -> None:
    add_data(record, "other", pl.DataFrame({"flight_id": ["a"]}))
    verdict = check_data(record, "data:other", contract="Flights")
    assert not verdict.has_passed
    assert {finding.state for finding in verdict.findings} == {"fail", "not_run"}


def test_a_check_without_a_contract_is_an_error(record) -> None:
    add_data(record, "planes", pl.DataFrame({"tailnum": ["N1"]}))
    with pytest.raises(NotFoundError, match="no contract"):
        check_data(record, "data:planes")


def test_a_killed_add_leaves_all_or_nothing(project, tmp_path) -> None:
    record = project()
    rows = [f"{i},2013-01-01T10:00:00Z,EWR,3," for i in range(300_000)]
    path = write(record, *rows)
    code = (
        "import sys; from pathlib import Path; from tidemill.app.places import open_record;"
        "from tidemill.practices.validation.operations import add_data;"
        "r = open_record(Path(sys.argv[1])); print('begin', flush=True);"
        "add_data(r, 'flights', sys.argv[2])"
    )
    for delay_s in (0.05, 0.4):
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), path], stdout=subprocess.PIPE
        )
        with child:
            assert child.stdout.readline() == b"begin\n"
            deadline = time.monotonic() + delay_s
            while time.monotonic() < deadline and child.poll() is None:
                pass
            os.kill(child.pid, signal.SIGKILL)
        versions = found(record, Version, "ref", "data:flights/flights")
        assert all(open_data(record, str(version)).rows == 300_000 for version in versions)
    added = add_data(record, "flights", path)
    assert added.rows == 300_000


def test_an_answer_is_plain_json_too(record) -> None:
    import msgspec

    added = add_data(record, "flights", write(record, *GOOD))
    assert json.loads(msgspec.json.encode(added))["version"] == "data:flights@1"


def _forget(record):
    from tidemill.practices.infrastructure import project

    project._LOADED.clear()


def test_a_file_to_check_that_is_not_there_is_told_as_that(record) -> None:
    with pytest.raises(NotFoundError, match="there is no folder 'no/such'"):
        check_data(record, "no/such/file.csv")
