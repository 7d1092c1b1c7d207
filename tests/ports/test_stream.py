"""The stream port: every adapter keeps these promises; below, what mapped segments add to them."""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill.adapters.local.stream import MappedStream
from tidemill.core.errors import InvalidInputError, LeaseHeldError, UnavailableError

SMALL = 1 << 16


@pytest.fixture(params=[MappedStream])
def stream(request, tmp_path):
    return request.param(tmp_path / "streams")


def blocks(stream, name: str, after=None) -> list[bytes]:
    return [block for _, block in stream.read(name, after)]


def fill(stream, name: str, values) -> None:
    writer = stream.writer(name)
    assert all(writer.append(value) for value in values)
    writer.close()


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.binary(max_size=200) | st.integers(0, 40_000).map(bytes), max_size=12),
    st.booleans(),
)
def test_blocks_are_read_whole_in_order_and_from_any_position(values, durable) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stream = MappedStream(Path(folder), segment_bytes=SMALL)
        writer = stream.writer("s", durable=durable)
        for value in values:
            assert writer.append(value)
        read = list(stream.read("s"))
        assert [block for _, block in read] == values
        assert [position for position, _ in read] == sorted({position for position, _ in read})
        for i, (position, _) in enumerate(read):
            assert blocks(stream, "s", position) == values[i + 1 :]
        writer.close()


def test_a_reader_sees_a_block_as_soon_as_it_is_appended(stream) -> None:
    writer = stream.writer("s")
    seen = []
    position = None
    for i in range(50):
        writer.append(b"%d" % i)
        ((position, block),) = stream.read("s", position)
        seen.append(block)
    assert seen == [b"%d" % i for i in range(50)]
    writer.close()


def test_streams_have_names_of_any_kind_and_do_not_meet(stream) -> None:
    names = ["predictions:delay@prod", "predictions:..", "labels/a b", ".", "é"]
    for name in names:
        fill(stream, name, [name.encode()])
    assert stream.names() == sorted(names)
    assert stream.names("predictions:") == ["predictions:..", "predictions:delay@prod"]
    assert [blocks(stream, name) for name in names] == [[name.encode()] for name in names]
    with pytest.raises(InvalidInputError):
        stream.writer("")


def test_a_stream_that_nobody_wrote_is_empty(stream) -> None:
    assert (blocks(stream, "none"), stream.dropped("none"), stream.names()) == ([], 0, [])


def test_a_second_writer_is_told_who_writes(stream) -> None:
    writer = stream.writer("s")
    with pytest.raises(LeaseHeldError, match=r"process \d+ is writing"):
        stream.writer("s")
    writer.close()
    stream.writer("s").close()


def test_a_writer_goes_on_after_the_last_block(stream) -> None:
    for i in range(5):
        fill(stream, "s", [b"%d" % i])
    assert blocks(stream, "s") == [b"0", b"1", b"2", b"3", b"4"]


def test_forgotten_blocks_are_gone_and_later_ones_stay(stream) -> None:
    fill(stream, "s", [b"%d" % i for i in range(10)])
    position = list(stream.read("s"))[3][0]
    stream.forget("s", position)
    assert blocks(stream, "s") == [b"%d" % i for i in range(4, 10)]
    stream.forget("s", position)
    stream.forget("never written", position)
    fill(stream, "s", [b"new"])
    assert blocks(stream, "s")[-2:] == [b"9", b"new"]


def test_a_full_backlog_drops_counts_and_goes_on_when_there_is_room(tmp_path) -> None:
    stream = MappedStream(tmp_path, segment_bytes=SMALL, backlog_bytes=3 * SMALL)
    writer = stream.writer("s")
    taken = 0
    while writer.append(bytes(1000)):
        taken += 1
    assert taken == 3 * (SMALL // 1024)
    assert not writer.append(bytes(1000))
    assert writer.dropped() == stream.dropped("s") == 2
    last = [position for position, _ in stream.read("s")][-1]
    stream.forget("s", last)
    deadline = time.monotonic() + 10
    while not writer.append(b"again"):
        assert time.monotonic() < deadline
    assert blocks(stream, "s") == [b"again"]
    dropped = stream.dropped("s")
    writer.close()
    again = stream.writer("s")
    assert again.dropped() == dropped >= 2
    again.close()


def test_forgetting_gives_back_the_room_of_whole_segments(tmp_path) -> None:
    stream = MappedStream(tmp_path, segment_bytes=SMALL)
    fill(stream, "s", [bytes(30_000)] * 9)
    read = list(stream.read("s"))
    stream.forget("s", read[-1][0])
    assert len(list(tmp_path.glob("*/*.seg"))) == 1
    assert blocks(stream, "s") == []


def test_a_block_larger_than_a_segment_gets_one_of_its_own(tmp_path) -> None:
    stream = MappedStream(tmp_path, segment_bytes=SMALL)
    values = [b"a", bytes(1_000_000), b"b"]
    fill(stream, "s", values)
    assert blocks(stream, "s") == values


@pytest.mark.parametrize("cut", [5, 8, 20, 30])
def test_a_torn_last_block_is_not_there_and_is_written_over(tmp_path, cut) -> None:
    stream = MappedStream(tmp_path, segment_bytes=SMALL)
    fill(stream, "s", [b"first", b"torn" * 5])
    ends = [position.offset for position, _ in stream.read("s")]
    (segment,) = tmp_path.glob("*/*.seg")
    with segment.open("r+b") as file:
        file.seek(ends[1] - cut)
        file.write(b"\xff")
    assert blocks(stream, "s") == [b"first"]
    fill(stream, "s", [b"x"])
    assert blocks(stream, "s") == [b"first", b"x"]


def test_after_a_reboot_the_writer_begins_a_segment_so_that_no_reader_stands_past_it(
    tmp_path,
) -> None:
    stream = MappedStream(tmp_path, segment_bytes=SMALL)
    fill(stream, "s", [b"kept", b"lost to the power cut"])
    position = list(stream.read("s"))[-1][0]
    (segment,) = tmp_path.glob("*/*.seg")
    data = bytearray(segment.read_bytes())
    data[position.offset - 24 - 16 :] = bytes(len(data) - position.offset + 24 + 16)
    segment.write_bytes(data)
    (tmp_path / "s" / "writer").write_text("1 another-boot")
    fill(stream, "s", [b"new"])
    assert blocks(stream, "s") == [b"kept", b"new"]
    assert blocks(stream, "s", position) == [b"new"]


def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path) -> None:
    (tmp_path / "s").write_bytes(b"a file")
    with pytest.raises(UnavailableError, match="cannot be written"):
        MappedStream(tmp_path).writer("s")


def test_a_reader_in_another_thread_misses_nothing_while_segments_change(tmp_path) -> None:
    stream = MappedStream(tmp_path, segment_bytes=SMALL)
    writer = stream.writer("s")
    seen: list[bytes] = []

    def follow() -> None:
        position = None
        deadline = time.monotonic() + 30
        while len(seen) < 3000 and time.monotonic() < deadline:
            for newest, block in stream.read("s", position):
                seen.append(block[:4])
                position = newest
            if position:
                stream.forget("s", position)

    follower = threading.Thread(target=follow)
    follower.start()
    for i in range(3000):
        writer.append(b"%04d" % i + bytes(2000))
    follower.join()
    writer.close()
    assert seen == [b"%04d" % i for i in range(3000)]


KILLED = """
import sys
from pathlib import Path
from tidemill.adapters.local.stream import MappedStream
writer = MappedStream(Path(sys.argv[1]), segment_bytes=1 << 16).writer("s")
for i in range(10_000_000):
    assert writer.append(b"%d " % i * 100)
    print(i, flush=True)
"""


@pytest.mark.parametrize("acknowledged", [1, 300, 2000])
def test_kill_9_loses_no_acknowledged_block_and_a_new_writer_goes_on(
    tmp_path, acknowledged
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    told = [int(process.stdout.readline()) for _ in range(acknowledged)]
    process.send_signal(signal.SIGKILL)
    rest = process.communicate(timeout=30)[0]
    told += map(int, rest[: rest.rfind("\n") + 1].split())
    stream = MappedStream(tmp_path, segment_bytes=SMALL)
    read = blocks(stream, "s")
    assert len(read) >= told[-1] + 1
    assert read == [b"%d " % i * 100 for i in range(len(read))]
    fill(stream, "s", [b"new"])
    assert blocks(stream, "s") == [*read, b"new"]


FULL = """
import resource, sys
from pathlib import Path
from tidemill.adapters.local.stream import MappedStream
writer = MappedStream(Path(sys.argv[1]), segment_bytes=1 << 20).writer("s")
assert writer.append(b"first")
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
print(writer.append(bytes(1 << 20)), writer.append(b"second"), writer.dropped())
"""


def test_a_full_disk_drops_blocks_and_does_not_kill_the_process(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, timeout=30,
        check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "True", "1"], done.stderr
    assert blocks(MappedStream(tmp_path), "s") == [b"first", b"second"]
