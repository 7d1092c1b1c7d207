"""Environments of this machine: built by uv, cached by their lock, each call a process of its own.

An environment is built where it stays (environments do not move) under a lock of its own; a mark,
written last, says that it is whole, so that one whose build was killed is built again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from tidemill.adapters.installed import is_editable
from tidemill.core.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tidemill.ports.environment import Lock

_LOOK_S = 0.1
_GOES_S = 15.0
"""How long a process that was asked to end may take."""
_TAIL = 12
_WHOLE = "whole"


class LocalEnvironments:
    """Environments below a cache folder.

    Args:
        cache: the folder.
        entry: what follows the interpreter on the command line of a call.
        release: the release that this process runs, "" for the working copy.
    """

    def __init__(self, cache: Path, entry: Sequence[str], *, release: str = "") -> None:
        self._cache, self._entry, self._release = cache.absolute(), tuple(entry), release

    @property
    def release(self) -> str:
        """The release that this process runs; see the port."""
        return self._release

    @property
    def cache(self) -> Path:
        """The cache folder."""
        return self._cache

    def here(self) -> Path:
        """Return the interpreter that runs now."""
        return Path(sys.executable)

    def built(self, lock: Lock, say: Callable[[str], None]) -> Path:
        """Return the interpreter of a lock's environment; see the port."""
        folder = self._cache / "environments" / _digest(lock)
        python = folder / "bin" / "python"
        if (folder / _WHOLE).is_file():
            return python
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_suffix(".lock")):
            if (folder / _WHOLE).is_file():
                return python
            shutil.rmtree(folder, ignore_errors=True)
            say(f"building the environment of the lock in .tidemill/cache ({folder.name})")
            try:
                _build(lock, folder)
            except BaseException:  # Ctrl-C too: nothing half built is left
                shutil.rmtree(folder, ignore_errors=True)
                raise
            (folder / _WHOLE).touch()
        return python

    def call(
        self, python: Path, order: bytes, say: Callable[[str], None], check: Callable[[], None]
    ) -> bytes:
        """Run an order in a process and return its answer; see the port."""
        with tempfile.TemporaryDirectory(prefix="tidemill-") as place:
            asked, answer = Path(place, "order"), Path(place, "answer")
            asked.write_bytes(order)
            process = subprocess.Popen(  # noqa: S603 - the entry that app gave
                [str(python), *self._entry, str(asked), str(answer)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                cwd=place, env=self._variables(python), start_new_session=True,
            )  # fmt: skip
            lines = _followed(process, say, check)
            if answer.is_file():
                return answer.read_bytes()
        raise UnavailableError(
            f"the process of the release ended without an answer ({_death(process.returncode)})"
            + "".join(f"\n  {line}" for line in lines[-_TAIL:]),
            fix="run it again; what had finished is kept",
        )

    def _variables(self, python: Path) -> dict[str, str]:
        """Bytecode goes elsewhere: restored code is read only. A built environment stands alone."""
        kept = dict(os.environ)
        if python != self.here():
            for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
                kept.pop(name, None)
        return kept | {"PYTHONPYCACHEPREFIX": str(self._cache / "bytecode")}


def _followed(
    process: subprocess.Popen[bytes], say: Callable[[str], None], check: Callable[[], None]
) -> list[str]:
    """Hand on what a process says until it ends, and return it; however we end, so does it."""
    lines: list[str] = []

    def listen() -> None:
        lines.extend(line.decode("utf-8", "replace").rstrip() for line in process.stdout or ())

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    told = 0
    try:
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_S)
            told = _tell(lines, told, say)
            check()
    except BaseException:  # Ctrl-C too: no process is left
        _end(process)
        raise
    finally:
        for stream in (process.stdin,):
            if stream is not None:
                stream.close()
        listener.join(1.0)
        _tell(lines, told, say)
        if process.stdout is not None and not listener.is_alive():
            process.stdout.close()
    return lines


def _tell(lines: list[str], told: int, say: Callable[[str], None]) -> int:
    new = lines[told:]
    for line in new:
        say(line)
    return told + len(new)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end as Ctrl-C does, and make it where it does not."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_GOES_S)
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _death(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
    return f"status {code}"


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a file's lock for the block; one whose process dies lets go of it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _digest(lock: Lock) -> str:
    own = b"" if lock.form == "uv" else _own_version().encode()
    whole = blake3()
    for part in (b"environment 1", lock.form.encode(), lock.python.encode(), own):
        whole.update(part + b"\0")
    whole.update(blake3(lock.project).digest() + blake3(lock.text).digest())
    return whole.hexdigest()[:32]


def _build(lock: Lock, folder: Path) -> None:
    if lock.form == "uv":
        _build_by_uv_lock(lock, folder)
    else:
        _build_by_requirements(lock, folder)


def _build_by_uv_lock(lock: Lock, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="tidemill-lock-") as text:
        place = Path(text)
        (place / "uv.lock").write_bytes(lock.text)
        (place / "pyproject.toml").write_bytes(lock.project)
        command = ("sync", "--frozen", "--no-install-project", "--python", lock.python)
        _offline_first(command, place, {"UV_PROJECT_ENVIRONMENT": str(folder)})
    if not list(folder.glob("lib/python*/site-packages/tidemill")) and not _imports_us(folder):
        raise UnavailableError(
            "the uv.lock of the release has no tidemill, so nothing can run its steps",
            fix="uv add tidemill, then release it again",
        )


def _build_by_requirements(lock: Lock, folder: Path) -> None:
    _uv(("venv", "--python", lock.python, str(folder)), folder.parent, {})
    kept = [line for line in lock.text.decode().splitlines() if not line.startswith("tidemill==")]
    if kept:
        with tempfile.TemporaryDirectory(prefix="tidemill-lock-") as text:
            listed = Path(text, "requirements.txt")
            listed.write_text("\n".join(kept) + "\n")
            python = str(folder / "bin" / "python")
            command = ("pip", "install", "--no-deps", "--python", python, "-r", str(listed))
            _offline_first(command, Path(text), {})
    (site,) = folder.glob("lib/python*/site-packages")
    _copy_ourselves(site)


def _copy_ourselves(site: Path) -> None:
    """Copy the running tidemill in: a list of what was installed says no place to get it from."""
    source = Path(str(files("tidemill")))
    shutil.copytree(source, site / "tidemill", ignore=shutil.ignore_patterns("__pycache__"))
    with contextlib.suppress(PackageNotFoundError):
        found = getattr(distribution("tidemill"), "_path", None)
        if found is not None and Path(found).is_dir():
            copied = shutil.copytree(found, site / Path(found).name)
            if is_editable(Path(found)):
                (copied / "direct_url.json").unlink()


def _imports_us(folder: Path) -> bool:
    done = subprocess.run(  # noqa: S603 - the environment that was just built
        [str(folder / "bin" / "python"), "-P", "-c", "import tidemill"],
        capture_output=True, check=False, timeout=60, cwd=folder,
    )  # fmt: skip
    return done.returncode == 0


def _offline_first(command: Sequence[str], place: Path, variables: Mapping[str, str]) -> None:
    """Build from what uv has kept; only where that does not do, ask an index."""
    try:
        _uv((*command, "--offline"), place, variables)
    except UnavailableError:
        _uv(command, place, variables)


def _uv(command: Sequence[str], place: Path, variables: Mapping[str, str]) -> None:
    found = shutil.which("uv")
    if found is None:
        raise UnavailableError(
            "the environment of the release is another than this one, and uv, which builds it, is"
            " not installed",
            fix="pip install uv   (or install what the lock says here)",
        )
    kept = {n: v for n, v in os.environ.items() if n not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    done = subprocess.run(  # noqa: S603 - uv, with our own arguments
        [found, *command], cwd=place, env=kept | dict(variables), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()][-_TAIL:]
        raise UnavailableError(
            "the environment of the release cannot be built from its lock:\n"
            + "\n".join(f"  {line}" for line in said),
            fix="release it again with a lock that can be installed here (uv lock, or what is"
            " installed now)",
        )


def _own_version() -> str:
    """Return what tells a copy of ourselves from another: a digest of the sources."""
    root, whole = Path(str(files("tidemill"))), blake3()
    for path in sorted(root.rglob("*.py")):
        whole.update(f"{path.relative_to(root)}\0".encode() + blake3(path.read_bytes()).digest())
    return whole.hexdigest()
