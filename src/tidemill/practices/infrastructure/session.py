"""The session: the notebook or script that runs as `__main__`, where it is the user's own code."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

_OURS = frozenset({"tidemill", "pytest", "py", "xdist"})


def session_module() -> ModuleType | None:
    """Return the module of the notebook, script or prompt; None: `__main__` is an entry of ours."""
    main = sys.modules.get("__main__")
    return None if main is None or _is_ours(main) else main


def session_script() -> Path | None:
    """Return the file that runs as `__main__`; None: it is a notebook, a prompt, or ours."""
    main = session_module()
    given = getattr(main, "__file__", None)
    if main is None or notebook_shell() is not None or not isinstance(given, str):
        return None
    path = Path(given).resolve()
    return path if path.suffix == ".py" and path.is_file() else None


def session_name() -> str:
    """Return what the session is called: the notebook's or the script's name, else `session`."""
    main = sys.modules.get("__main__")
    given = os.environ.get("JPY_SESSION_NAME") or getattr(main, "__vsc_ipynb_file__", "")
    path = Path(str(given)) if given else session_script()
    return path.stem if path is not None else "session"


def notebook_shell() -> Any:  # noqa: ANN401 - IPython's shell
    """Return IPython's shell in a notebook or an IPython prompt, else None."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def _is_ours(main: ModuleType) -> bool:
    name = str(getattr(getattr(main, "__spec__", None), "name", "") or "")
    file = Path(str(getattr(main, "__file__", "")))
    return name.partition(".")[0] in _OURS or file.name in {*_OURS, "py.test"}
