"""Handing a listening socket to another process of the same user, over a Unix socket.

A supervisor that was killed leaves its servers alive; the next one asks one of them for the socket,
so that no request that waits in it is lost. The folder of these sockets is the user's alone.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import tempfile
import threading
from pathlib import Path

from tidemill.core.errors import NotAllowedError

_PATIENCE_S = 2.0


def handover_path(identity: str) -> Path:
    """Return where a process with this identity hands on its socket: short, as Unix sockets need.

    Raises:
        NotAllowedError: the folder belongs to somebody else.
    """
    folder = Path(tempfile.gettempdir()) / f"tidemill-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077 or not stat.S_ISDIR(found.st_mode):
        is_ours = found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode)
        raise NotAllowedError(
            f"{folder} is not a folder of yours alone",
            fix=f"chmod 700 {folder}"
            if is_ours
            else f"it belongs to somebody else: set TMPDIR to a folder of yours instead of "
            f"{folder.parent}",
        )
    return folder / identity


def hand_out(listener: socket.socket, path: Path) -> None:
    """Give the socket to whoever asks at `path`, in a thread, as long as the process lives."""
    path.unlink(missing_ok=True)
    asked = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asked.bind(str(path))
    asked.listen()
    descriptor = os.dup(listener.fileno())

    def answer() -> None:
        while True:
            connection, _ = asked.accept()
            with connection, contextlib.suppress(OSError):
                socket.send_fds(connection, [b"socket"], [descriptor])

    threading.Thread(target=answer, name="socket-handover", daemon=True).start()


def fetch(path: Path) -> socket.socket | None:
    """Return the socket that is handed out at `path`; None: nobody does."""
    asking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    asking.settimeout(_PATIENCE_S)
    with asking:
        try:
            asking.connect(str(path))
            _, descriptors, _, _ = socket.recv_fds(asking, 16, 1)
        except OSError:
            return None
    if not descriptors:
        return None
    os.set_inheritable(descriptors[0], False)  # noqa: FBT003 - the standard library's own signature
    return socket.socket(fileno=descriptors[0])
