"""Bytes and manifests are those of their ids: reading refuses others, the audit tells."""

import sqlite3

import polars as pl
import pytest

from tidemill.core.errors import CorruptError
from tidemill.core.query import Query
from tidemill.core.ref import Version
from tidemill.lineage.artifact_audit import artifact_problems
from tidemill.lineage.artifacts import find_artifact, put_files, put_value, read_bytes, tree_entries
from tidemill.lineage.writing import opened
from tidemill.practices.governance.operations import verify_audit
from tidemill.practices.versioning.data import ingest, scan_data
from tidemill.practices.versioning.operations import frame


@pytest.fixture
def things(record, tmp_path):
    """Two small values, two folders and two tables in a record; returns their artifacts."""
    for name, text in (("one", "1"), ("two", "2")):
        (tmp_path / name).write_text(text)
    with opened(record, kind="step", name="make") as run:
        values = [run.made(put_value(record, "policy", [text])) for text in ("old", "new")]
        folders = [
            run.made(put_files(record, "code", [("a", tmp_path / name)])) for name in ("one", "two")
        ]
    for start in (0, 5):
        ingest(record, "sales", pl.DataFrame({"n": [start, start + 1]}))
    tables = [find_artifact(record, v.artifact) for v in record.ports.ledger.find(Query(Version))]
    return values, folders, tables


def tamper(record, statement: str, *values: object) -> None:
    file = record.ports.workspace.root / ".tidemill" / "ledger.db"
    connection = sqlite3.connect(file)
    with connection:
        assert connection.execute(statement, values).rowcount == 1
    connection.close()


SET = "UPDATE artifact SET {} = ? WHERE node = (SELECT id FROM node WHERE name = ?)"


def problems(record) -> list[str]:
    return [f"{problem.where}: {problem.what}" for problem in artifact_problems(record)]


def test_artifacts_as_they_were_written_are_sound(record, things) -> None:
    assert problems(record) == []
    assert not verify_audit(record).problems


def test_small_bytes_that_were_changed_are_refused_and_told(record, things) -> None:
    (value, _), _, _ = things
    tamper(record, SET.format("inline"), b'["new"]', value.id)
    with pytest.raises(CorruptError, match=f"the bytes of {value} are not those"):
        read_bytes(record, find_artifact(record, value.id))
    assert problems(record) == [
        f"artifact policy {value.id}: has other bytes than its id is the digest of"
    ]
    assert verify_audit(record).problems


def test_a_folder_with_the_manifest_of_another_is_refused_and_told(record, things) -> None:
    _, (one, two), _ = things
    tamper(record, SET.format("manifest"), two.manifest, one.id)
    with pytest.raises(CorruptError, match="are not those that its id is the digest of"):
        tree_entries(record, find_artifact(record, one.id))
    assert problems(record) == [f"artifact code {one.id}: has the manifest of another artifact"]


def test_a_table_with_the_manifest_of_another_is_refused_and_told(record, things) -> None:
    _, _, (one, two) = things
    tamper(record, SET.format("manifest"), two.manifest, one.id)
    for read in (scan_data, frame):
        with pytest.raises(CorruptError, match="has the manifest of td1:"):
            read(record, "data:sales@1")
    tamper(record, SET.format("manifest"), one.manifest, two.id)
    with pytest.raises(CorruptError, match="has the manifest of td1:"):
        ingest(record, "sales", pl.DataFrame({"n": [9]}), append=True)
    assert len(problems(record)) == 2


def test_an_artifact_that_is_gone_while_a_version_names_it_is_told(record, things) -> None:
    _, _, (one, _) = things
    tamper(record, "DELETE FROM artifact WHERE node = (SELECT id FROM node WHERE name = ?)", one.id)
    assert [text for text in problems(record) if "is missing" in text and one.id in text]


def test_bytes_that_are_gone_are_told_however_often_one_looks(record, things) -> None:
    (value, _), (folder, _), _ = things
    tamper(record, SET.format("inline"), None, value.id)
    record.ports.objects.delete([folder.manifest])
    for _ in range(2):
        assert sorted(problems(record)) == [
            f"artifact code {folder.id}: has no bytes any more, and no removal is journaled",
            f"artifact policy {value.id}: has no bytes any more, and no removal is journaled",
        ]
