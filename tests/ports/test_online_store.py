"""The online store port: every adapter keeps these promises; below, what LMDB adds to them."""

import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.local.online_store import LmdbOnlineStore
from tidemill.core.errors import UnavailableError


@pytest.fixture(params=[LmdbOnlineStore])
def store(request, tmp_path):
    opened = request.param(tmp_path / "online")
    yield opened
    opened.close()


def run(program: str, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_written_is_read_and_what_is_not_there_is_none(store) -> None:
    store.write("planes", {b"N1": b"one", b"N2": b"", b"": b"no key"})
    assert store.read("planes", [b"N2", b"N3", b"N1", b"", b"N1"]) == [
        b"", None, b"one", b"no key", b"one",
    ]  # fmt: skip
    assert store.read("planes", []) == []


def test_a_later_write_replaces_values_and_leaves_the_others(store) -> None:
    store.write("planes", {b"a": b"1", b"b": b"1"})
    store.write("planes", {b"a": b"2"})
    assert store.read("planes", [b"a", b"b"]) == [b"2", b"1"]


def test_tables_do_not_meet_and_are_forgotten_alone(store) -> None:
    store.write("a", {b"bc": b"1", b"x" * 600: b"long"})
    store.write("ab", {b"c": b"2"})
    store.clear("a")
    store.clear("never written")
    assert store.read("a", [b"bc", b"x" * 600]) == [None, None]
    assert store.read("ab", [b"c"]) == [b"2"]


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.binary(max_size=20) | st.binary(min_size=490, max_size=520), st.binary(max_size=50)
        ),
        max_size=4,
    )
)
def test_a_store_is_a_dictionary_for_keys_of_any_length(writes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = LmdbOnlineStore(Path(folder))
        expected: dict[bytes, bytes] = {}
        for values in writes:
            store.write("t", values)
            expected |= values
        keys = [*expected, b"\xffabsent"]
        assert store.read("t", keys) == [expected.get(key) for key in keys]
        store.close()


def test_a_closed_store_keeps_its_values(store) -> None:
    store.write("t", {b"k": b"v"})
    store.close()
    assert store.read("t", [b"k"]) == [b"v"]


def test_a_map_that_is_too_small_grows_by_itself(tmp_path) -> None:
    store = LmdbOnlineStore(tmp_path, map_bytes=1 << 16)
    store.write("t", {b"%d" % i: b"x" * 1000 for i in range(5000)})
    assert store.read("t", [b"4999"]) == [b"x" * 1000]
    store.close()


def test_a_reader_follows_when_another_process_makes_the_map_larger(tmp_path) -> None:
    store = LmdbOnlineStore(tmp_path, map_bytes=1 << 16)
    store.write("t", {b"k": b"1"})
    run(
        "import sys; from pathlib import Path\n"
        "from tidemill.adapters.local.online_store import LmdbOnlineStore\n"
        "s = LmdbOnlineStore(Path(sys.argv[1]), map_bytes=1 << 16)\n"
        "s.write('t', {b'k%d' % i: b'x' * 1000 for i in range(3000)} | {b'k': b'2'})\n",
        tmp_path,
    )
    assert store.read("t", [b"k", b"k2999"]) == [b"2", b"x" * 1000]
    store.write("t", {b"k": b"3"})
    assert store.read("t", [b"k"]) == [b"3"]
    store.close()


def test_two_stores_of_one_folder_in_one_process_see_each_other(tmp_path) -> None:
    one, two = LmdbOnlineStore(tmp_path), LmdbOnlineStore(tmp_path)
    one.write("t", {b"k": b"1"})
    assert two.read("t", [b"k"]) == [b"1"]
    one.close()
    assert two.read("t", [b"k"]) == [b"1"]
    two.close()


def test_a_reader_sees_a_whole_write_or_none_of_it_while_the_map_grows(tmp_path) -> None:
    store = LmdbOnlineStore(tmp_path, map_bytes=1 << 16)
    keys = [b"%d" % i for i in range(5)]
    is_done = threading.Event()
    torn: list[object] = []

    def watch() -> None:
        while not is_done.is_set():
            if len(set(store.read("t", keys))) != 1:
                torn.append(store.read("t", keys))

    watcher = threading.Thread(target=watch)
    watcher.start()
    for i in range(12):
        store.write("t", dict.fromkeys(keys, b"%d" % i * 20_000))
    is_done.set()
    watcher.join()
    assert not torn
    store.close()


def test_a_forked_child_reads_and_writes_without_harm_to_its_parent(tmp_path) -> None:
    out = run(
        "import os, sys; from pathlib import Path\n"
        "from tidemill.adapters.local.online_store import LmdbOnlineStore\n"
        "s = LmdbOnlineStore(Path(sys.argv[1])); s.write('t', {b'k': b'parent'})\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    assert s.read('t', [b'k']) == [b'parent']\n"
        "    s.write('t', {b'k': b'child'}); s.close(); os._exit(0)\n"
        "assert os.waitpid(pid, 0)[1] == 0\n"
        "print(s.read('t', [b'k'])); s.write('t', {b'k': b'again'}); print(s.read('t', [b'k']))\n",
        tmp_path,
    )
    assert out.split() == ["[b'child']", "[b'again']"]


KILLED = """
import sys
from pathlib import Path
from tidemill.adapters.local.online_store import LmdbOnlineStore
store = LmdbOnlineStore(Path(sys.argv[1]))
for i in range(100_000):
    store.write("t", {b"%d" % k: b"%d" % i for k in range(200)})
    print(i, flush=True)
"""


def test_kill_9_of_a_writer_leaves_whole_writes_only(tmp_path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    seen = [int(process.stdout.readline()) for _ in range(5)]
    process.send_signal(signal.SIGKILL)
    seen += map(int, process.communicate(timeout=30)[0].split()[:-1])
    store = LmdbOnlineStore(tmp_path)
    values = set(store.read("t", [b"%d" % k for k in range(200)]))
    assert len(values) == 1
    assert int(values.pop()) >= seen[-1]
    store.write("t", {b"0": b"goes on"})
    store.close()


def test_a_damaged_file_is_unavailable_and_says_how_to_fill_it_again(tmp_path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"rubbish" * 2000)
    with pytest.raises(UnavailableError, match="materialize"):
        LmdbOnlineStore(tmp_path).read("t", [b"k"])


def test_a_writer_gets_its_turn_while_others_read_flat_out(tmp_path) -> None:
    store = LmdbOnlineStore(tmp_path / "online", map_bytes=1 << 16)  # which grows meanwhile
    store.write("planes", {b"N0": b"0"})
    is_over = threading.Event()
    reads = [0, 0]

    def read(place: int) -> None:
        while not is_over.is_set():
            store.read("planes", [b"N0", b"N1", b"N2"])
            reads[place] += 1

    def write() -> None:
        for number in range(20):
            store.write("planes", {b"N%d" % i: b"%d" % number * 100 for i in range(50)})

    readers = [threading.Thread(target=read, args=(place,)) for place in range(2)]
    writer = threading.Thread(target=write, daemon=True)
    for thread in (*readers, writer):
        thread.start()
    writer.join(timeout=5)
    is_done = not writer.is_alive()
    is_over.set()
    for thread in readers:
        thread.join(timeout=30)
    assert is_done
    assert min(reads) > 0
    store.close()
