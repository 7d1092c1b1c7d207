"""Entry of a project's own tests: pytest over the working directory, its modules from their source.

Started by `code_gate.py` as `PYTHON -m tidemill.practices.integration.project_tests CODE ...`.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from tidemill.practices.infrastructure.source_loading import load_from_source


def main() -> None:
    """Run pytest with the arguments after the code folder; it ends the process."""
    load_from_source(Path.cwd(), Path(sys.argv[1]))
    sys.argv[:] = ["pytest", *sys.argv[2:]]
    _forget_rewritten()
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


def _forget_rewritten() -> None:
    """Let pytest compile test files anew: it takes its own bytecode for theirs as Python does.

    There is no option for that which leaves installed packages their bytecode.
    """
    try:
        from _pytest.assertion import rewrite  # noqa: PLC0415 - an optional package
    except ImportError:
        return
    rewrite._read_pyc = lambda *_, **__: None  # noqa: SLF001


if __name__ == "__main__":
    main()
