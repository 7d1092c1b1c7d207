"""What is remembered of files is believed only while nothing can have changed them."""

import os
import time

from tidemill.practices.pipelines.identity.module_index import RACY_NS, ModuleIndex

LATER = 10 * RACY_NS


def index(place, later: int = LATER) -> ModuleIndex:
    return ModuleIndex(place / "cache" / "modules.msgpack", time.time_ns() + later)


def test_an_edit_of_equal_size_with_the_old_time_is_noticed(tmp_path) -> None:
    file = tmp_path / "m.py"
    file.write_text("N = 1\n")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    first = index(tmp_path)
    digest = first.digest(file)
    first.keep([file])
    assert index(tmp_path).digest(file) == digest
    file.write_text("N = 2\n")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    assert index(tmp_path).digest(file) != digest


def test_what_was_changed_just_before_it_was_read_is_read_again(tmp_path) -> None:
    file = tmp_path / "m.py"
    file.write_text("N = 1\n")
    hasty = index(tmp_path, later=0)
    hasty.digest(file)
    hasty.keep([file])
    again = index(tmp_path)
    again.digest(file)
    assert again._fresh, "it was read again, and is believed from now on"
    again.keep([file])
    third = index(tmp_path)
    third.digest(file)
    assert not third._fresh


def test_a_damaged_or_missing_cache_costs_time_only(tmp_path) -> None:
    file = tmp_path / "m.py"
    file.write_text("def f(x):\n    return x\n")
    first = index(tmp_path)
    module = first.module(file)
    first.keep([file])
    (tmp_path / "cache" / "modules.msgpack").write_bytes(b"\x93damaged")
    assert index(tmp_path).module(file) == module
    assert ModuleIndex(None, 0).module(file) == module


def test_files_that_are_gone_are_forgotten(tmp_path) -> None:
    files = [tmp_path / name for name in ("a.py", "b.py")]
    for file in files:
        file.write_text("N = 1\n")
    first = index(tmp_path)
    assert {first.digest(file) for file in files} != set()
    first.keep(files[:1])
    assert set(index(tmp_path)._rows) == {str(files[0])}
