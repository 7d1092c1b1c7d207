"""The environment port: built once a lock, whole or not used; calls end with whoever asked."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tidemill.adapters.local.environment import LocalEnvironments
from tidemill.core.errors import CancelledError, UnavailableError
from tidemill.ports.environment import Lock

PYTHON = ".".join(map(str, sys.version_info[:3]))
ANSWERS = (
    "import sys, pathlib; print('said'); sys.argv.pop(0);"
    "pathlib.Path(sys.argv[1]).write_bytes(pathlib.Path(sys.argv[0]).read_bytes()[::-1])"
)

needs_uv = pytest.mark.skipif(shutil.which("uv") is None, reason="uv builds environments")


def environments(tmp_path: Path, script: str = ANSWERS) -> LocalEnvironments:
    return LocalEnvironments(tmp_path / "cache", ("-c", script))


def nothing(*_: object) -> None:
    """Say and check nothing."""


@needs_uv
def test_a_lock_is_built_once_and_a_build_that_was_killed_is_built_again(tmp_path) -> None:
    place, lines = environments(tmp_path), []
    lock = Lock(form="requirements", text=b"tidemill==0\n", python=PYTHON)
    python = place.built(lock, lines.append)
    assert place.built(lock, lines.append) == python
    assert len(lines) == 1
    ran = subprocess.run([python, "-P", "-c", "import tidemill, sys; print(tidemill.__file__)"],
                         capture_output=True, text=True, check=True, cwd=tmp_path)  # fmt: skip
    assert ran.stdout.startswith(str(tmp_path)), "it stands alone, with its own tidemill"

    (python.parent.parent / "whole").unlink()
    (python.parent.parent / "lib" / "half").mkdir()
    assert place.built(lock, lines.append) == python
    assert len(lines) == 2
    assert not (python.parent.parent / "lib" / "half").exists()


@needs_uv
@pytest.mark.parametrize("form", ["requirements", "uv"])
def test_a_lock_that_cannot_be_built_leaves_nothing_and_says_what_uv_said(tmp_path, form) -> None:
    lock = Lock(form=form, text=b"this is no lock", python=PYTHON, project=b"[project")
    place = environments(tmp_path)
    with pytest.raises(UnavailableError, match="cannot be built from its lock"):
        place.built(lock, nothing)
    assert not [path for path in (tmp_path / "cache" / "environments").iterdir() if path.is_dir()]


def test_without_uv_the_error_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lock = Lock(form="requirements", text=b"", python=PYTHON)
    with pytest.raises(UnavailableError, match="pip install uv"):
        environments(tmp_path).built(lock, nothing)


def test_a_call_answers_and_what_it_says_is_heard(tmp_path) -> None:
    place, lines = environments(tmp_path), []
    assert place.call(place.here(), b"abc", lines.append, nothing) == b"cba"
    assert lines == ["said"]


def test_a_call_that_dies_tells_how_and_what_it_said_last(tmp_path) -> None:
    script = "import os; print('the last word', flush=True); os.kill(os.getpid(), 9)"
    place = environments(tmp_path, script)
    with pytest.raises(UnavailableError, match=r"killed by SIGKILL(.|\n)*the last word"):
        place.call(place.here(), b"", nothing, nothing)


def test_a_caller_that_stops_ends_the_call(tmp_path) -> None:
    began = tmp_path / "began"
    script = f"import time, pathlib; pathlib.Path({str(began)!r}).touch(); time.sleep(60)"

    def check() -> None:
        if began.exists():
            raise CancelledError("stopped", fix="run it again")

    place, start = environments(tmp_path, script), time.monotonic()
    with pytest.raises(CancelledError):
        place.call(place.here(), b"", nothing, check)
    assert time.monotonic() - start < 30
