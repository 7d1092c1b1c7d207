"""The command lines of the processes that adapters start."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SERVER_COMMAND = (sys.executable, "-m", "tidemill.app.model_server")
"""A model server; the supervisor adds what it serves."""

RELEASED_ENTRY = ("-P", "-m", "tidemill.app.released")
"""A call inside a release; the interpreter is its environment's own."""


def project_command(folder: Path, *words: str) -> tuple[str, ...]:
    """Return the command line of a command on the project in a folder."""
    place = str(folder.absolute())
    return (sys.executable, "-m", "tidemill.app.command_line", "-C", place, *words)


def supervisor_command(folder: Path) -> tuple[str, ...]:
    """Return the command line that starts the supervisor of a project's `.tidemill` folder."""
    return (sys.executable, "-m", "tidemill.app.supervisor", str(folder.absolute()))
