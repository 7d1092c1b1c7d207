"""Errors that are not ours: the machine's become ours, all others are written into a log file."""

from __future__ import annotations

import errno
import os
import platform
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.core.errors import TidemillError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

_MACHINE = {
    errno.ENOSPC: "make room on the disk, then run the command again",
    errno.EDQUOT: "make room on the disk, then run the command again",
    errno.EACCES: "allow access to it, or work on a copy in a folder of your own",
    errno.EPERM: "allow access to it, or work on a copy in a folder of your own",
    errno.EROFS: "work on a copy in a folder that can be written",
    errno.EMFILE: "allow more open files (ulimit -n 4096)",
}


def as_error(error: BaseException) -> TidemillError | None:
    """Return the machine's own complaint as an error of ours; None: it is something else."""
    if not isinstance(error, OSError) or error.errno not in _MACHINE:
        return None
    where = f"{error.filename}: " if error.filename else ""
    return UnavailableError(f"{where}{error.strerror}", fix=_MACHINE[error.errno])


def unexpected(error: BaseException, arguments: Sequence[str]) -> TidemillError:
    """Write what happened into a log file and return an error that names it."""
    text = "".join(traceback.format_exception(error))
    about = f"tidemill {' '.join(arguments)}\npython {platform.python_version()}\n\n{text}"
    what = f"{type(error).__name__}: {str(error) or 'no message'}".splitlines()[0]
    try:
        file = _log_file()
        file.write_text(about, encoding="utf-8")
    except OSError:
        return TidemillError(f"tidemill itself failed: {what}", fix="add --debug to see where")
    return TidemillError(
        f"tidemill itself failed: {what}", fix=f"report {file}, or add --debug to see where"
    )


def _log_file() -> Path:
    state = Path.cwd() / ".tidemill"
    folder = state / "logs" if state.is_dir() else Path(tempfile.gettempdir())
    folder.mkdir(exist_ok=True)
    return folder / f"tidemill-error-{os.getpid()}.log"
