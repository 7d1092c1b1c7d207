"""The clock port: every adapter keeps these promises."""

import subprocess
import sys
import threading
import time
import uuid
from datetime import UTC

import pytest

from tidemill.adapters.local.clock import SystemClock


@pytest.fixture(params=[SystemClock])
def clock(request):
    return request.param()


def test_now_is_aware_utc_and_never_goes_back(clock) -> None:
    times = [clock.now() for _ in range(1000)]
    assert times[0].tzinfo is UTC
    assert times == sorted(times)


def test_time_stands_still_while_the_machine_is_set_back(clock, monkeypatch) -> None:
    before = clock.now()
    later = clock.new_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    assert clock.now() >= before
    assert clock.new_id() > later


def test_ids_are_uuid7_and_grow_also_between_two_clocks(clock) -> None:
    other = type(clock)()
    ids = [maker.new_id() for _ in range(5000) for maker in (clock, other)]
    assert ids == sorted(set(ids))
    first = uuid.UUID(ids[0])
    assert (first.version, first.variant, len(ids[0])) == (7, uuid.RFC_4122, 32)


def test_an_id_begins_with_the_time_it_was_made_at(clock) -> None:
    before = clock.now()
    milliseconds = int(clock.new_id()[:12], 16)
    assert abs(milliseconds - before.timestamp() * 1000) < 5000


def test_the_last_eight_digits_differ_so_that_short_ids_are_useful(clock) -> None:
    assert len({clock.new_id()[-8:] for _ in range(2000)}) == 2000


def test_threads_never_get_the_same_id(clock) -> None:
    made: list[list[str]] = [[] for _ in range(4)]

    def make(into: list[str]) -> None:
        into.extend(clock.new_id() for _ in range(2000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for into in made for one in into}) == 8000
    assert all(into == sorted(into) for into in made)


def test_a_forked_child_makes_ids_of_its_own_even_when_the_lock_was_held() -> None:
    program = (
        "import os, sys\n"
        "from tidemill.adapters.local import clock\n"
        "c = clock.SystemClock(); c.new_id()\n"
        "clock._ticks.lock.acquire()\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    print(*[c.new_id() for _ in range(50)], sep='\\n', flush=True); os._exit(0)\n"
        "clock._ticks.lock.release()\n"
        "os.waitpid(pid, 0)\n"
        "print(*[c.new_id() for _ in range(50)], sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30
    )
    assert len(set(done.stdout.split())) == 100


def test_salts_are_sixteen_random_bytes_and_monotonic_time_grows(clock) -> None:
    start = clock.monotonic_s()
    clock.sleep(0.001)
    assert clock.monotonic_s() > start
    assert len(clock.salt()) == 16
    assert clock.salt() != clock.salt()
