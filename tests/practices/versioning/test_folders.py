"""A folder of any files is a version: each file stored once, found again, never half."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters.local.object_store import LocalObjectStore
from tidemill.core.digest import TreeEntry, digest_of
from tidemill.core.errors import ConflictError, CorruptError, InvalidInputError, NotFoundError
from tidemill.lineage.comparison import difference
from tidemill.practices.validation.operations import add_data
from tidemill.practices.versioning.folder_files import FoundFile, file_digest, found_files
from tidemill.practices.versioning.folder_handle import Folder
from tidemill.practices.versioning.folders import folder_diff, read_folder, store_folder
from tidemill.practices.versioning.operations import get_data


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def objects(tmp_path):
    return LocalObjectStore(tmp_path / "objects")


def test_files_come_out_as_they_went_in_and_equal_ones_are_stored_once(record, tmp_path) -> None:
    pictures = write(tmp_path / "in", a="x", cats__b="x", cats__c="y")
    (pictures / "a").chmod(0o755)
    added = add_data(record, "pictures", str(pictures))
    assert (added.shape, added.files, added.is_new) == ("folder", 3, True)
    stored = {digest for digest, _ in record.ports.objects.all()}
    assert digest_of(b"x") in stored
    out = tmp_path / "out"
    assert get_data(record, "pictures", out=str(out)).files == 3
    assert (out / "cats/c").read_text() == "y"
    assert stat.S_IMODE((out / "a").stat().st_mode) == 0o755
    with pytest.raises(ConflictError, match="exists already"):
        get_data(record, "pictures", out=str(out))


def test_the_same_files_add_nothing_and_changes_are_told_by_file(record, tmp_path) -> None:
    folder = write(tmp_path / "in", a="1", b="2", c="3")
    add_data(record, "d", folder)
    assert not add_data(record, "d", folder).is_new
    (folder / "a").rename(folder / "z")
    (folder / "b").write_text("22")
    (folder / "c").unlink()
    write(folder, e="new")
    second = add_data(record, "d", folder)
    changes = second.file_changes
    assert (changes.added, changes.removed, changes.changed, changes.renamed) == (1, 1, 1, 1)
    told = difference(record, "data:d@1", "data:d@2").detail
    assert (told.added, told.removed, told.changed, told.renamed) == (
        ("e",), ("c",), ("b",), (("a", "z"),),
    )  # fmt: skip


def test_appended_files_join_those_that_are_there(record, tmp_path) -> None:
    add_data(record, "d", write(tmp_path / "one", a="1", b="2"))
    second = add_data(record, "d", write(tmp_path / "two", b="3", c="4"), append=True)
    assert (second.files, second.file_changes.removed, second.file_changes.changed) == (3, 0, 1)


def test_a_table_does_not_follow_a_folder_nor_a_folder_a_table(record, tmp_path) -> None:
    add_data(record, "pictures", write(tmp_path / "in", a="1"))
    (tmp_path / "t.csv").write_text("a\n1\n")
    with pytest.raises(InvalidInputError, match="a folder of files"):
        add_data(record, "pictures", str(tmp_path / "t.csv"))
    add_data(record, "t", str(tmp_path / "t.csv"))
    with pytest.raises(InvalidInputError, match="no folder of files"):
        add_data(record, "t", str(tmp_path / "in"), shape="files")


def test_a_folder_of_tables_is_a_table_unless_files_are_wanted(record, tmp_path) -> None:
    folder = write(tmp_path / "in")
    folder.mkdir()
    (folder / "a.csv").write_text("x\n1\n")
    assert add_data(record, "t", str(folder)).shape == "table"
    assert add_data(record, "f", str(folder), shape="files").files == 1


def test_what_is_data_is_decided(tmp_path) -> None:
    folder = write(tmp_path / "in", a="1", ä="2", _gitignore="a")
    (folder / ".hidden").write_text("h")
    (folder / ".gitignore").write_text("*")
    write(folder / ".git", HEAD="x")
    (folder / ".DS_Store").write_text("x")
    (folder / "empty").mkdir()
    (folder / "link").symlink_to(folder / "a")
    found = found_files(folder)
    assert [file.name for file in found.files] == sorted(
        [".gitignore", ".hidden", "_gitignore", "a", "link", "ä"]
    )
    assert sorted(found.left_out) == [".DS_Store", ".git"]


def test_a_link_that_leads_out_of_the_folder_is_refused_by_name(record, tmp_path) -> None:
    write(tmp_path, secret="s")
    folder = write(tmp_path / "in", a="1")
    (folder / "cats").mkdir()
    (folder / "cats/b").symlink_to("../a")
    assert add_data(record, "d", folder).files == 2
    for path, target in (("zz", tmp_path / "secret"), ("cats/zz", "../../secret"), ("zz", "by")):
        (folder / "by").symlink_to(tmp_path / "secret")
        (folder / path).symlink_to(target)
        if target != "by":
            (folder / "by").unlink()
        with pytest.raises(InvalidInputError, match=r"(zz|by) is a link to .*secret.*outside"):
            add_data(record, "d", folder)
        (folder / path).unlink()
    with pytest.raises(InvalidInputError, match="by is a link") as caught:
        add_data(record, "d", folder)
    subprocess.run(caught.value.fix.partition("place: ")[2], shell=True, check=True)
    assert add_data(record, "d", folder).files == 3


def test_a_folder_that_is_reached_by_a_link_is_that_folder(record, tmp_path) -> None:
    folder = write(tmp_path / "in", a="1")
    (folder / "b").symlink_to("a")
    (tmp_path / "way").symlink_to(folder)
    assert add_data(record, "d", tmp_path / "way").files == 2


@pytest.mark.parametrize("inside", ["", "part=1"])
def test_a_folder_of_tables_has_no_link_that_leads_out_of_it(record, tmp_path, inside) -> None:
    folder, kept = tmp_path / "in", tmp_path / "in" / inside
    kept.mkdir(parents=True)
    pl.DataFrame({"x": [1]}).write_parquet(kept / "a.parquet")
    pl.DataFrame({"x": [2]}).write_parquet(tmp_path / "b.parquet")
    (kept / "b.parquet").symlink_to("a.parquet")
    assert add_data(record, "t", folder, shape="table").rows == 2
    (kept / "c.parquet").symlink_to(tmp_path / "b.parquet")
    with pytest.raises(InvalidInputError, match=r"c\.parquet is a link to .*outside"):
        add_data(record, "t", folder, shape="table")


def test_external_data_may_be_links_to_elsewhere(record, tmp_path) -> None:
    write(tmp_path, blob="1")
    folder = write(tmp_path / "in", a="1")
    (folder / "b").symlink_to(tmp_path / "blob")
    assert add_data(record, "d", str(folder), external=True).files == 2


@pytest.mark.parametrize("kind", ["round", "broken", "pipe", "name", "none"])
def test_what_can_be_no_data_is_named(tmp_path, kind) -> None:
    folder = write(tmp_path / "in", a="1")
    if kind == "round":
        (folder / "loop").symlink_to(folder)
    elif kind == "broken":
        (folder / "loop").symlink_to(folder / "gone")
    elif kind == "pipe":
        os.mkfifo(folder / "loop")
    elif kind == "name":
        try:
            Path(os.fsdecode(os.fsencode(folder) + b"/loop\xff")).write_text("x")
        except OSError:
            pytest.skip("this file system takes no such name")
    else:
        (folder / "a").unlink()
    wanted = NotFoundError if kind == "none" else InvalidInputError
    with pytest.raises(wanted, match="no file" if kind == "none" else "loop"):
        found_files(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_nobody_may_read_stops_the_whole(objects, tmp_path) -> None:
    folder = write(tmp_path / "in", a="1", b="2")
    (folder / "b").chmod(0)
    with pytest.raises(InvalidInputError, match="b cannot be read"):
        store_folder(objects, folder)


def test_a_file_that_goes_meanwhile_stops_the_whole(objects, tmp_path) -> None:
    folder = write(tmp_path / "in", a="1")
    (file,) = found_files(folder).files
    (folder / "a").unlink()
    with pytest.raises(InvalidInputError, match="a cannot be read"):
        file_digest(file)
    assert not list(objects.all())


def test_a_file_that_never_stops_changing_is_told(tmp_path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * (32 << 20))
    code = "import sys\nwith open(sys.argv[1], 'ab', 0) as f:\n  while True: f.write(b'y')"
    writer = subprocess.Popen([sys.executable, "-c", code, str(path)])
    file = FoundFile(name="log", path=str(path), size_bytes=0, mtime_ns=0, is_executable=False)
    try:
        while path.stat().st_size == 32 << 20 and writer.poll() is None:
            pass
        with pytest.raises(InvalidInputError, match="changes while it is read"):
            file_digest(file)
    finally:
        writer.kill()
        writer.wait()
    assert file_digest(file)[1] is None


def test_a_large_file_is_streamed(objects, tmp_path) -> None:
    folder = write(tmp_path / "in", a="1")
    data = os.urandom(5 << 20)
    (folder / "big").write_bytes(data)
    stored = store_folder(objects, folder)
    assert b"".join(objects.get(stored.entries[1].digest)) == data
    assert store_folder(objects, folder).artifact == stored.artifact


def test_many_files_are_stored_together(objects, tmp_path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(1500):
        (folder / f"{number}").write_text(str(number))
    stored = store_folder(objects, folder)
    assert len({digest for digest, _ in objects.all()}) == 1501
    assert len(stored.objects) == 1501


def test_a_folder_opens_lazily_and_its_files_are_the_stored_ones(objects, tmp_path) -> None:
    stored = store_folder(objects, write(tmp_path / "in", a="1", cats__b="2"))
    entries = read_folder(objects, stored.artifact.manifest, stored.artifact.id)
    folder = Folder.stored(objects, stored.artifact.id, entries)
    assert folder.names == ("a", "cats/b")
    assert len(folder) == 2
    with folder.open("cats/b") as file:
        assert file.read() == b"2"
    assert not (objects._root / "folders").exists()
    assert [path.name for path in folder.files("cats/*")] == ["b"]
    assert (folder / "a").read_text() == "1"
    assert (folder.path / "a").stat().st_ino == objects.path(digest_of(b"1")).stat().st_ino
    assert Folder.stored(objects, stored.artifact.id, entries).path == folder.path
    with pytest.raises(NotFoundError, match="no file 'd'"):
        Folder.stored(objects, stored.artifact.id, entries).open("d")


def test_a_damaged_file_is_never_handed_out(objects, tmp_path) -> None:
    stored = store_folder(objects, write(tmp_path / "in", a="1"))
    folder = Folder.stored(objects, stored.artifact.id, stored.entries)
    damaged = folder / "a"
    damaged.chmod(0o644)
    damaged.write_text("2")
    with pytest.raises(CorruptError, match="damaged"):
        Folder.stored(objects, stored.artifact.id, stored.entries).path  # noqa: B018 - it raises
    with pytest.raises(NotFoundError):
        Folder.stored(objects, stored.artifact.id, stored.entries).path  # noqa: B018 - as above
    store_folder(objects, tmp_path / "in")
    assert (Folder.stored(objects, stored.artifact.id, stored.entries) / "a").read_text() == "1"


names = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from("123"), max_size=6)


@given(old=names, new=names)
def test_a_diff_accounts_for_every_file(old, new) -> None:
    def entries(files):
        return [
            TreeEntry(path=name, digest=digest_of(text.encode()), size_bytes=1)
            for name, text in files.items()
        ]

    found = folder_diff(entries(old), entries(new))
    lost = {*found.removed, *(one for one, _ in found.renamed)}
    came = {*found.added, *(one for _, one in found.renamed)}
    assert lost == old.keys() - new.keys()
    assert came == new.keys() - old.keys()
    assert all(old[one] == new[other] for one, other in found.renamed)
    assert set(found.changed) == {
        name for name in old.keys() & new.keys() if old[name] != new[name]
    }
    assert len(found.changed) + found.unchanged == len(old.keys() & new.keys())
