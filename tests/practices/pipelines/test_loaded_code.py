"""Which changes of files are conflicts with what this process has loaded."""

import importlib

import pytest

from tidemill.core.errors import ConflictError

FLOW = """
@step
def used():
    from late_help import N
    return N

@pipeline
def flow():
    return used()
"""


def test_a_module_that_is_new_or_was_never_loaded_here_is_no_conflict(mill, monkeypatch) -> None:
    mill.write(FLOW)
    (mill.folder / "late_help.py").write_text("N = 1\n")
    assert list(mill.run().returned.values()) == ["1"]
    (mill.folder / "late_help.py").write_text("N = 20\n")
    assert list(mill.run().returned.values()) == ["20"]  # a worker that had loaded the old one went
    (mill.folder / "later_help.py").write_text("M = 3\n")
    monkeypatch.syspath_prepend(mill.folder)
    assert importlib.import_module("later_help").M == 3
    assert list(mill.run().returned.values()) == ["20"]
    (mill.folder / "later_help.py").write_text("M = 4\n")
    with pytest.raises(ConflictError, match=r"had loaded it: later_help\.py"):
        mill.run()


def test_a_loaded_module_that_is_gone_is_a_conflict_and_a_comment_is_none(
    mill, monkeypatch
) -> None:
    mill.write(FLOW)
    (mill.folder / "late_help.py").write_text("N = 1\n")
    (mill.folder / "lost_help.py").write_text("N = 1\n")
    monkeypatch.syspath_prepend(mill.folder)
    importlib.import_module("lost_help")
    mill.run()
    (mill.folder / "lost_help.py").write_text("N = 1  # one\n")
    mill.run()
    (mill.folder / "lost_help.py").unlink()
    with pytest.raises(ConflictError, match=r"lost_help\.py"):
        mill.run()


def test_in_process_a_file_that_is_written_between_two_runs_stops_neither(mill) -> None:
    mill.write(FLOW)
    (mill.folder / "late_help.py").write_text("N = 1\n")
    assert list(mill.run(in_process=True).returned.values()) == ["1"]
    (mill.folder / "new_help.py").write_text("M = 3\n")
    assert list(mill.run(in_process=True).returned.values()) == ["1"]
