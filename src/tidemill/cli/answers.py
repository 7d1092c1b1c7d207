"""What a command says: its result on standard output, errors and progress on standard error.

With `--json` standard output holds one JSON value: the result as it is, or
`{"error": {"code": ..., "what": ..., "fix": ...}}`. Fields are only ever added.
"""

from __future__ import annotations

import os
import shutil
import sys
import traceback
from typing import TYPE_CHECKING

import msgspec

from tidemill.cli.telling import Telling
from tidemill.core.text import WIDTH, folded, printable, within_columns
from tidemill.lineage.fields import told
from tidemill.lineage.record import Tell

if TYPE_CHECKING:
    from typing import TextIO

    from tidemill.core.errors import TidemillError


class Answers:
    """The mouth of one command. A reader that has gone away is no error."""

    def __init__(self, *, is_json: bool, is_debug: bool) -> None:
        self.is_json, self.is_debug = is_json, is_debug
        self.tell: Tell = Tell() if is_json else Telling(sys.stderr)

    def result(self, value: object) -> None:
        """Say a result."""
        if self.is_json:
            self._write(sys.stdout, _json(value))
        elif value is not None:
            self._write(sys.stdout, printable(_text(value)))

    def text(self, text: str) -> None:
        """Say a text that is no result: a help page."""
        self._write(sys.stdout, text)

    def error(self, error: TidemillError, origin: BaseException) -> None:
        """Say what went wrong and what to do about it."""
        self._quiet()
        if self.is_debug:
            self._write(sys.stderr, "".join(traceback.format_exception(origin)))
        if self.is_json:
            told = {"code": error.code, "what": error.what, "fix": error.fix}
            self._write(sys.stdout, _json({"error": told}))
        else:
            said = f"{error.code}: {error.what}\n  fix: {error.fix}"
            self._write(sys.stderr, printable(said))

    def finish(self, code: int) -> int:
        """Say what is left to say; returns the exit code."""
        self._quiet()
        for stream in (sys.stdout, sys.stderr):
            self._write(stream, "", end="")
        return code

    def _quiet(self) -> None:
        if isinstance(self.tell, Telling):
            self.tell.clear()

    def _write(self, stream: TextIO, text: str, end: str = "\n") -> None:
        try:
            stream.write(text + end)
            stream.flush()
        except BrokenPipeError:
            # Python flushes again at exit: let that go nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()


def _text(value: object) -> str:
    """Return a value as people read it; one that says it `is_verbatim` as programs read it."""
    if getattr(value, "is_verbatim", False):
        return str(value)
    columns = shutil.get_terminal_size((WIDTH, 0)).columns
    with within_columns(columns):
        if isinstance(value, list | tuple):
            return folded("\n".join(map(told, value)))
        return folded(told(value))
