"""Starting a process that outlives the one that starts it: supervisors and model servers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def start_detached(
    command: Sequence[str], log: Path, descriptors: Mapping[int, int] | None = None
) -> int:
    """Start a process in a session of its own and return its id; what it prints goes to `log`.

    A terminal's Ctrl-C does not reach it. It inherits `descriptors` (its own number: ours) and no
    others.
    """
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
        *((os.POSIX_SPAWN_DUP2, ours, its) for its, ours in (descriptors or {}).items()),
    ]
    return os.posix_spawn(command[0], list(command), os.environ, file_actions=actions, setsid=True)
