"""The session's own source: the cells of a notebook so far, or the script that is running."""

from __future__ import annotations

from typing import Any

from tidemill.kernels.secret_text import without_secrets
from tidemill.practices.infrastructure.session import (
    notebook_shell,
    session_name,
    session_script,
)


def session_files() -> dict[str, bytes]:
    """Return the source that runs as `__main__`, by file name; nothing where there is none.

    Of a notebook these are all cells that were run, in their order; what looks like a secret is
    left out.
    """
    shell = notebook_shell()
    if shell is not None:
        text = _cells(shell)
        return {f"{session_name()}.cells.py": without_secrets(text).encode()} if text else {}
    path = session_script()
    if path is None:
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    return {path.name: without_secrets(text).encode()}


def _cells(shell: Any) -> str:  # noqa: ANN401 - IPython's shell
    sources = shell.history_manager.input_hist_raw
    return "".join(
        f"# %% [{place}]\n{source.rstrip()}\n\n"
        for place, source in enumerate(sources)
        if source.strip()
    )
