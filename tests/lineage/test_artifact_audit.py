"""Bytes and manifests are those of their ids: reading refuses others, the audit tells."""

import sqlite3

import msgspec
import polars as pl
import pytest

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import CorruptError
from tidemill.core.query import Query
from tidemill.core.ref import Version
from tidemill.lineage.artifact_audit import artifact_problems
from tidemill.lineage.artifacts import find_artifact, put_files, put_value, read_bytes, tree_entries
from tidemill.lineage.writing import opened
from tidemill.practices.governance.operations import verify_audit
from tidemill.practices.versioning import tables
from tidemill.practices.versioning.data import ingest, scan_data
from tidemill.practices.versioning.operations import frame
from tidemill.practices.versioning.tables import read_manifest, store_table


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


def damage(record, digest) -> None:
    path = record.ports.objects.path(digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def manifest(record, table):
    return read_manifest(record.ports.objects, table.manifest, table.id)


def audited(record, **options) -> list[tuple[str, str]]:
    return [(p.where.partition(" (")[0], p.what) for p in verify_audit(record, **options).problems]


def test_damaged_rows_of_a_table_are_told_with_its_versions_and_nothing_is_moved(
    record, things, monkeypatch
) -> None:
    monkeypatch.setattr(tables, "SMALL_BYTES", 0)
    _, _, (_, two) = things
    ingest(record, "sales", pl.DataFrame({"n": [7]}), append=True)  # has the fragment of two
    (fragment,) = manifest(record, two).fragments
    damage(record, fragment.digest)
    store = record.ports.workspace.root / ".tidemill" / "objects"
    before = sorted(store.rglob("*"))
    for _ in range(2):
        found = audited(record)
        assert sorted(where for where, _ in found) == ["data:sales@2", "data:sales@3"]
        assert {what.partition(":")[0] for _, what in found} == {"object b3"}
        assert all("is damaged" in what and "moved" not in what for _, what in found)
    assert sorted(store.rglob("*")) == before
    assert audited(record, quick=True) == []


def test_a_damaged_file_of_a_folder_and_a_damaged_manifest_are_told(record, things) -> None:
    _, (one, _), (table, _) = things
    damage(record, tree_entries(record, one)[0].digest)
    damage(record, table.manifest)
    found = audited(record)
    assert [where.split(" tree1:")[0] for where, _ in found] in (
        ["artifact code", "data:sales@1"], ["data:sales@1", "artifact code"],
    )  # fmt: skip
    assert len(audited(record, quick=True)) == 1


def other_rows(record, table):
    """Store a manifest that says of itself all that a table's says, over other rows."""
    objects = record.ports.objects
    other = store_table(objects, pl.DataFrame({"n": [100, 101]})).manifest
    lie = msgspec.structs.replace(manifest(record, table), fragments=other.fragments)
    return objects.put_many([[canonical_json(lie)]])[0]


def test_a_manifest_that_lies_about_its_rows_is_told_by_the_journal_and_by_the_rows(
    record, things
) -> None:
    _, _, (one, _) = things
    tamper(record, SET.format("manifest"), other_rows(record, one), one.id)
    quick, full = audited(record, quick=True), audited(record)
    assert [where for where, _ in quick] == [f"manifest of table {one.id}"]
    assert [where for where, _ in full] == [f"manifest of table {one.id}", "data:sales@1"]
    assert "has other rows than its id is the digest of" in full[1][1]


def test_a_manifest_whose_id_is_not_that_of_its_columns_is_refused_when_read(
    record, things
) -> None:
    _, _, (one, two) = things
    lie = msgspec.structs.replace(manifest(record, two), id=one.id)
    (digest,) = record.ports.objects.put_many([[canonical_json(lie)]])
    tamper(record, SET.format("manifest"), digest, one.id)
    with pytest.raises(CorruptError, match="has the manifest of another table"):
        scan_data(record, "data:sales@1")
    assert "data:sales@1" in [where for where, _ in audited(record, quick=True)]


def test_tables_that_go_on_after_one_another_are_hashed_from_there(record, monkeypatch) -> None:
    monkeypatch.setattr(tables, "SMALL_BYTES", 0)
    for start in (0, 70_000, 140_000):
        rows = pl.DataFrame({"n": range(start, start + 70_000)})
        ingest(record, "long", rows, append=True)
    assert audited(record) == []
    third = find_artifact(record, record.ports.ledger.find(Query(Version))[-1].artifact)
    last = manifest(record, third)
    other = store_table(record.ports.objects, pl.DataFrame({"n": range(70_000)})).manifest
    fragments = (*last.fragments[:-1], *other.fragments)
    lie = msgspec.structs.replace(last, fragments=fragments)
    (digest,) = record.ports.objects.put_many([[canonical_json(lie)]])
    tamper(record, SET.format("manifest"), digest, third.id)
    assert [where for where, _ in audited(record)][-1] == "data:long@3"
