"""Progress: nothing for what is quick, one changing line on a terminal, plain lines elsewhere."""

import io

import pytest

from tidemill.cli import telling
from tidemill.cli.telling import Telling


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def time_of(monkeypatch):
    now = {"s": 0.0}
    monkeypatch.setattr(telling.time, "monotonic", lambda: now["s"])
    return now


def test_nothing_is_said_of_what_is_quick(time_of) -> None:
    stream = Terminal()
    tell = Telling(stream, {})
    tell.progress("reading", 1, 2)
    assert stream.getvalue() == ""


def test_a_terminal_has_one_line_that_changes_and_goes_away(time_of) -> None:
    stream = Terminal()
    tell = Telling(stream, {})
    time_of["s"] = 1.0
    tell.progress("reading", 500_000, 1_000_000)
    time_of["s"] = 2.0
    tell.progress("reading", 750_000, 1_000_000)
    tell.clear()
    assert "\n" not in stream.getvalue()
    assert "reading  500,000 of 1,000,000, about 1 s left" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")


@pytest.mark.parametrize(("stream", "term"), [(io.StringIO, "xterm"), (Terminal, "dumb")])
def test_elsewhere_lines_are_plain_and_few(time_of, stream, term) -> None:
    out = stream()
    tell = Telling(out, {"TERM": term})
    for second in range(1, 11):
        time_of["s"] = float(second)
        tell.progress("reading", second, 10)
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert not any("\x1b" in line for line in lines)


def test_a_line_that_stays_is_not_drawn_over(time_of) -> None:
    stream = Terminal()
    tell = Telling(stream, {})
    time_of["s"] = 1.0
    tell.progress("training")
    tell.line("step train: 3 s")
    assert stream.getvalue().endswith("\r\x1b[2Kstep train: 3 s\n")


def test_a_closed_stream_never_stops_the_work(time_of) -> None:
    stream = Terminal()
    tell = Telling(stream, {})
    stream.close()
    time_of["s"] = 1.0
    tell.progress("reading")
    tell.line("done")
    assert stream.closed
    assert not tell.is_cancelled


def test_what_has_not_moved_is_not_told_twice_in_lines_that_stay(time_of) -> None:
    out = io.StringIO()
    tell = Telling(out, {})
    for second in range(1, 30):
        time_of["s"] = float(second)
        tell.progress("running known" if second % 2 else "steps", 0, 6)
    assert out.getvalue().splitlines() == ["running known  0 of 6", "steps  0 of 6"]
