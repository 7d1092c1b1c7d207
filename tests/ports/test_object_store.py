"""The object store port: every adapter keeps these promises; below, what a folder adds to them."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.local.object_store import LocalObjectStore
from tidemill.core.digest import Digest, digest_of
from tidemill.core.errors import CorruptError, InvalidInputError, NotFoundError, UnavailableError

ABSENT = digest_of(b"never stored")


@pytest.fixture(params=[LocalObjectStore])
def store(request, tmp_path):
    return request.param(tmp_path / "objects")


def read(store, digest: Digest) -> bytes:
    return b"".join(store.get(digest))


def file_of(root: Path, digest: Digest) -> Path:
    return root / digest[3:5] / digest[5:]


def start(program: str, *arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=300), max_size=4), max_size=5))
def test_what_is_put_is_read_back_under_the_digest_of_its_bytes(values) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = LocalObjectStore(Path(folder))
        digests = store.put_many(values)
        whole = [b"".join(pieces) for pieces in values]
        assert digests == [digest_of(value) for value in whole]
        assert [read(store, digest) for digest in digests] == whole
        assert [store.path(digest).read_bytes() for digest in digests] == whole
        assert dict(store.all()) == {digest_of(value): len(value) for value in whole}


def test_an_empty_value_and_one_of_many_pieces_are_values_like_others(store) -> None:
    pieces = [bytes([i]) * 700_001 for i in range(5)]
    empty, large = store.put_many([[], pieces])
    assert (read(store, empty), store.path(empty).read_bytes()) == (b"", b"")
    assert read(store, large) == b"".join(pieces)


def test_writing_the_same_bytes_twice_changes_nothing(store) -> None:
    first, second = store.put_many([[b"tide"], [b"ti", b"de"]])
    assert first == second
    inode = store.path(first).stat().st_ino
    assert store.put_many([[b"tide"]]) == [first]
    assert store.path(first).stat().st_ino == inode


def test_absent_objects_are_told_by_name_and_are_no_obstacle_to_has_and_delete(store) -> None:
    (there,) = store.put_many([[b"there"]])
    assert store.has([there, ABSENT]) == {there}
    for ask in (lambda: read(store, ABSENT), lambda: store.path(ABSENT)):
        with pytest.raises(NotFoundError, match=ABSENT[:15]):
            ask()
    assert store.delete([there, ABSENT]) == 5
    assert store.has([there]) == set()
    assert list(store.all()) == []


def test_a_digest_that_would_lead_out_of_the_folder_is_refused(store) -> None:
    for bad in ("b3:../../etc/passwd", "td1:" + "0" * 64, "b3:" + "A" * 64):
        with pytest.raises(InvalidInputError):
            store.path(Digest(bad))


def test_a_value_that_fails_while_it_is_streamed_publishes_nothing(store) -> None:
    def broken():
        yield b"half"
        raise ValueError("the source broke")

    with pytest.raises(ValueError, match="the source broke"):
        store.put_many([[b"first"], broken()])
    assert list(store.all()) == []


def test_files_are_moved_in_and_links_are_copied_so_that_nobody_else_can_write(
    store, tmp_path
) -> None:
    moved, linked, pointed = (tmp_path / name for name in ("moved", "linked", "pointed"))
    moved.write_bytes(b"moved")
    linked.write_bytes(b"linked")
    os.link(linked, tmp_path / "other name")
    (tmp_path / "aim").write_bytes(b"aim")
    pointed.symlink_to(tmp_path / "aim")
    digests = store.put_files([moved, linked, pointed])
    assert [read(store, digest) for digest in digests] == [b"moved", b"linked", b"aim"]
    assert not any(path.exists() for path in (moved, linked, pointed))
    (tmp_path / "other name").write_bytes(b"changed")
    assert read(store, digests[1]) == b"linked"
    assert (tmp_path / "aim").read_bytes() == b"aim"


def test_a_missing_file_publishes_nothing_and_leaves_the_others_in_their_place(
    store, tmp_path
) -> None:
    (tmp_path / "a").write_bytes(b"a")
    with pytest.raises(NotFoundError, match="absent"):
        store.put_files([tmp_path / "a", tmp_path / "absent"])
    assert (tmp_path / "a").exists()
    assert list(store.all()) == []


def test_objects_are_read_only_files(store) -> None:
    (digest,) = store.put_many([[b"tide"]])
    assert store.path(digest).stat().st_mode & 0o777 == 0o444


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=1, max_size=4000), st.data())
def test_any_flipped_bit_is_found_quarantined_named_and_can_be_healed(value, data) -> None:
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    ask = data.draw(st.sampled_from([read, LocalObjectStore.path]))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (digest,) = LocalObjectStore(root).put_many([[value]])
        damaged = bytearray(value)
        damaged[bit // 8] ^= 1 << bit % 8
        file_of(root, digest).chmod(0o644)
        file_of(root, digest).write_bytes(damaged)
        store = LocalObjectStore(root)
        with pytest.raises(CorruptError, match=digest):
            ask(store, digest)
        assert [kept.read_bytes() for kept in (root / "quarantine").iterdir()] == [bytes(damaged)]
        with pytest.raises(NotFoundError):
            ask(store, digest)
        assert store.put_many([[value]]) == [digest]
        assert read(store, digest) == value


@pytest.mark.parametrize("size_bytes", [0, 1, 3_000_000])
def test_a_truncated_object_never_hands_out_its_last_piece(tmp_path, size_bytes) -> None:
    store = LocalObjectStore(tmp_path)
    (digest,) = store.put_many([[os.urandom(3_000_001)]])
    file_of(tmp_path, digest).chmod(0o644)
    os.truncate(file_of(tmp_path, digest), size_bytes)
    seen: list[bytes] = []
    with pytest.raises(CorruptError):
        seen.extend(store.get(digest))
    assert sum(map(len, seen)) < max(size_bytes, 1)


def test_a_put_heals_an_object_that_was_cut_short(tmp_path) -> None:
    store = LocalObjectStore(tmp_path)
    (digest,) = store.put_many([[b"whole"]])
    file_of(tmp_path, digest).chmod(0o644)
    os.truncate(file_of(tmp_path, digest), 2)
    store.put_many([[b"whole"]])
    assert read(store, digest) == b"whole"


def test_a_file_that_changed_after_its_first_use_is_verified_again(tmp_path) -> None:
    store = LocalObjectStore(tmp_path)
    (digest,) = store.put_many([[b"tide"]])
    file = store.path(digest)
    file.chmod(0o644)
    file.write_bytes(b"tidy")
    os.utime(file, (1, 1))
    with pytest.raises(CorruptError):
        store.path(digest)


EIGHT = """
import sys
from pathlib import Path
from tidemill.adapters.local.object_store import LocalObjectStore
store = LocalObjectStore(Path(sys.argv[1]))
sys.stdin.readline()
for i in range(20):
    print(*store.put_many([[bytes([i]) * 50_000], [b"same"], [bytes([i])]]))
"""


def test_eight_writers_of_the_same_bytes_all_succeed_and_leave_one_object_each(tmp_path) -> None:
    running = [start(EIGHT, tmp_path) for _ in range(8)]
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=60) for process in running}
    assert len(answers) == 1, answers
    assert answers.pop()[1] == ""
    store = LocalObjectStore(tmp_path)
    assert len(list(store.all())) == 41
    assert all(read(store, digest) for digest, _ in store.all())
    assert list((tmp_path / "tmp").iterdir()) == []


def test_threads_share_one_store(store) -> None:
    def write() -> None:
        for i in range(20):
            store.put_many([[b"x%d" % i], [b"same"]])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(store.all())) == 21


KILLED = """
import os, sys
from pathlib import Path
from tidemill.adapters.local.object_store import LocalObjectStore
store = LocalObjectStore(Path(sys.argv[1]))
for i in range(10_000):
    print(*store.put_many([[b"%d-%d" % (i, k) * 999] for k in range(3)]), flush=True)
"""


@pytest.mark.parametrize("acknowledged", [0, 3, 17])
def test_kill_9_loses_nothing_acknowledged_and_what_it_leaves_is_swept(
    tmp_path, acknowledged
) -> None:
    process = start(KILLED, tmp_path)
    lines = [process.stdout.readline() for _ in range(acknowledged)]
    process.send_signal(signal.SIGKILL)
    lines += process.communicate(timeout=30)[0].splitlines()
    store = LocalObjectStore(tmp_path)
    told = [Digest(word) for line in lines if line.count("b3:") == 3 for word in line.split()]
    assert all(len(read(store, digest)) > 999 for digest in told if len(digest) == 67)
    assert all(digest_of(read(store, digest)) == digest for digest, _ in store.all())
    store.sweep()
    assert not (tmp_path / "tmp").exists() or list((tmp_path / "tmp").iterdir()) == []


def test_a_sweep_leaves_the_files_of_a_live_put_alone(tmp_path) -> None:
    store = LocalObjectStore(tmp_path)
    (tmp_path / "tmp" / "left behind").mkdir(parents=True)

    def pieces():
        yield b"x" * 2_000_000
        assert LocalObjectStore(tmp_path).sweep() == 0
        yield b"y"

    (digest,) = store.put_many([pieces()])
    assert len(read(store, digest)) == 2_000_001


FULL = """
import resource, sys
from pathlib import Path
from tidemill.adapters.local.object_store import LocalObjectStore
from tidemill.core.errors import UnavailableError
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
store = LocalObjectStore(Path(sys.argv[1]))
try:
    store.put_many([[b"small"], (b"x" * 100_000 for _ in range(100))])
except UnavailableError as error:
    print(error.what)
"""


def test_without_room_nothing_is_published_and_the_error_says_where_and_how_much_is_free(
    tmp_path,
) -> None:
    out, err = start(FULL, tmp_path).communicate(timeout=30)
    assert f"no room left for objects in {tmp_path}" in out, err
    assert "bytes free" in out
    assert list(LocalObjectStore(tmp_path).all()) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_place_that_cannot_be_a_folder_is_unavailable(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnavailableError, match="file"):
        LocalObjectStore(tmp_path / "file").put_many([[b"x"]])
