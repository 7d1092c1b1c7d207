"""The gate of the code: everything declared can be imported, and the project's own tests pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tidemill.core.check import Finding
from tidemill.core.errors import InvalidInputError
from tidemill.core.times import parse_span
from tidemill.practices.infrastructure.project import code_folder, project_modules, project_root
from tidemill.practices.pipelines.undeclared import undeclared_by_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tidemill.lineage.record import Record
    from tidemill.practices.integration.bounds import Bounds

_SKIPPED = {".venv", "venv", ".tidemill", ".git", "node_modules", "__pycache__", "build", "dist"}
_NO_TESTS = 5
"""Exit status of pytest that found no test."""
_TAIL = 12


def code_findings(record: Record, bounds: Bounds) -> tuple[Finding, ...]:
    """Return findings on a project's imports, its tests, and what its steps do undeclared."""
    return (_imports(record), *_undeclared(record), _tests(record, bounds))


def test_files(root: Path) -> list[Path]:
    """Return the files that pytest would collect, sorted."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        found += [
            root / folder / name for name in files if re.fullmatch(r"(test_.*|.*_test)\.py", name)
        ]
    return sorted(found)


def _imports(record: Record) -> Finding:
    try:
        modules = project_modules(record)
    except InvalidInputError as error:
        return Finding(rule="imports", state="fail", what=error.what, fix=error.fix)
    names = ", ".join(module.__name__ for module in modules)
    return Finding(rule="imports", state="pass", what=f"{len(modules)} modules declare: {names}")


def _undeclared(record: Record) -> Iterator[Finding]:
    """Yield what steps read or did besides what they are given, when they last ran."""
    for step, text in undeclared_by_steps(record).items():
        yield Finding(
            rule="undeclared", state="warn", what=f"step {step}: {text}",
            fix="give the step a parameter, tm.data(...) or a folder; what it reads of files and"
            " variables is looked at before its result is reused, connections and other programs"
            " are not",
        )  # fmt: skip


def _tests(record: Record, bounds: Bounds) -> Finding:
    root = project_root(record)
    if not test_files(root):
        return Finding(
            rule="tests", state="not_run", what="the project has no tests",
            fix="write tests/test_NAME.py: steps are functions that a test can call",
        )  # fmt: skip
    command = [
        sys.executable, "-m", "tidemill.practices.integration.project_tests",
        str(code_folder(record)), "-q", "-p", "no:cacheprovider", "--color=no",
    ]  # fmt: skip
    limit_s = parse_span(bounds.test_timeout).total_seconds()
    try:
        done = subprocess.run(  # noqa: S603 - the project's own tests
            command, cwd=root, capture_output=True, text=True, check=False, timeout=limit_s,
            env=_environment(code_folder(record)),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Finding(
            rule="tests", state="fail", what=f"the tests took longer than {bounds.test_timeout}",
            fix="make them faster, or raise test_timeout in [gates] of tidemill.toml",
        )  # fmt: skip
    return _read(done.returncode, (done.stdout + done.stderr).strip().splitlines())


def _read(status: int, lines: Sequence[str]) -> Finding:
    last = lines[-1].strip("= ") if lines else "no output"
    if status == _NO_TESTS:
        return Finding(
            rule="tests", state="not_run", what="pytest found no test in the test files",
            fix="name test functions test_...",
        )  # fmt: skip
    if any("No module named pytest" in line for line in lines):
        return Finding(
            rule="tests", state="not_run", what="pytest is not installed", fix="uv add --dev pytest"
        )
    passed, failed = _counts(last)
    if status == 0:
        return Finding(
            rule="tests", state="pass", what=last, rows_checked=passed + failed, rows_failed=failed
        )
    named = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    told = named[:_TAIL] or list(lines[-_TAIL:])
    return Finding(
        rule="tests", state="fail", what="\n".join([last, *told]), fix="python -m pytest",
        rows_checked=passed + failed, rows_failed=failed,
    )  # fmt: skip


def _counts(summary: str) -> tuple[int, int]:
    """Return how many tests passed and how many did not, from the last line of pytest."""
    numbers = {word: int(count) for count, word in re.findall(r"(\d+) (\w+)", summary)}
    failed = numbers.get("failed", 0) + numbers.get("error", 0) + numbers.get("errors", 0)
    return numbers.get("passed", 0), failed


def _environment(folder: Path) -> dict[str, str]:
    """The code folder first on the path; no option of a pytest that may be around this one."""
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
