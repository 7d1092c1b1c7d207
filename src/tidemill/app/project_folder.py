"""Where a project is or begins, what its `tidemill.toml` says, and who acts in it."""

from __future__ import annotations

import contextlib
import getpass
import os
import re
import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.actor import Actor
from tidemill.core.errors import InvalidInputError, NotFoundError, UnavailableError, UsageError
from tidemill.core.text import on_one_line

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = "tidemill.toml"
STATE = ".tidemill"
"""Folder of everything that the embedded places keep."""


class ProjectFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a project's file says, as nested tables, and its text, by which lines are told."""

    tables: Mapping[str, Any] = {}
    text: str = ""


def find_project(start: Path) -> Path:
    """Return the nearest folder at or above `start` that has a `tidemill.toml`, or a record.

    Raises:
        NotFoundError: there is none, or no such folder.
    """
    folder = start.resolve()
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {start}", fix="give -C a folder that exists")
    for candidate in (folder, *folder.parents):
        if (candidate / FILE).is_file() or (candidate / STATE).is_dir():
            return candidate
    raise NotFoundError(
        f"{folder.name or folder} is not in a tidemill project: no {FILE} here or above",
        fix="tidemill init .   (or go into a project, or give -C DIR)",
    )


def begin_project(start: Path, say: Callable[[str], None]) -> Path:
    """Return the project at or above a folder; where there is none, the folder becomes one.

    Nothing but `.tidemill` is made, and `say` is told so, once.

    Raises:
        NotFoundError: there is no such folder.
        UsageError: the folder holds everything (`/`, a home, the one for temporary files).
        UnavailableError: it cannot be written.
    """
    with contextlib.suppress(NotFoundError):
        return find_project(start)
    folder = start.resolve()
    if not folder.is_dir():
        raise NotFoundError(f"there is no folder {start}", fix="give a folder that exists")
    home = Path.home().resolve()
    if folder in {home, *home.parents, Path(tempfile.gettempdir()).resolve()}:
        raise UsageError(
            f"no record is begun in {folder}: everything below it would belong to one project",
            fix="go into a folder of its own: mkdir try && cd try   (or tidemill init NAME)",
        )
    state_folder(folder)
    name = project_name(folder)
    say(f"tidemill: {folder / STATE} keeps the record of project {name} from now on")
    return folder


def read_project_file(folder: Path) -> ProjectFile:
    """Return what `tidemill.toml` says; nothing where there is no file.

    Raises:
        InvalidInputError: it is not TOML (names line and column) or not UTF-8.
        UnavailableError: it cannot be read.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
        return ProjectFile(tables=tomllib.loads(text), text=text)
    except FileNotFoundError:
        return ProjectFile()
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{FILE} is not TOML: {error}", fix=f"correct {path}") from None
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"{FILE} is not UTF-8: byte {error.start}", fix=f"save {path} as UTF-8"
        ) from None
    except OSError as error:
        raise UnavailableError(
            f"{FILE} cannot be read: {error.strerror}", fix=f"allow reading {path}"
        ) from None


def project_name(folder: Path) -> str:
    """Return a project's name where its file gives none: its folder's, as a pointer spells it.

    >>> from pathlib import Path
    >>> project_name(Path("/srv/my mill"))
    'my-mill'
    """
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.name).strip("-.")
    return name or "project"


def state_folder(folder: Path) -> Path:
    """Return the project's `.tidemill`, made where it is not there, ignored by Git.

    Raises:
        UnavailableError: it cannot be written.
    """
    state = folder / STATE
    try:
        if not state.is_dir():
            state.mkdir()
            (state / ".gitignore").write_text("*\n")
    except FileExistsError:
        return state
    except OSError as error:
        raise UnavailableError(
            f"{folder} cannot be written: {error.strerror}",
            fix="work on a copy in a folder that you may write, or set [record] in tidemill.toml",
        ) from None
    return state


def keys_folder(folder: Path, given: str) -> Path:
    """Return where private keys are kept: as given, else with the user's own settings.

    Raises:
        InvalidInputError: it is inside the project's record, which is copied and shared.
    """
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    keys = (folder / Path(given).expanduser()) if given else home / "tidemill" / "keys"
    if (folder / STATE).resolve() in (keys.resolve(), *keys.resolve().parents):
        raise InvalidInputError(
            f"audit.keys = {given!r} is in the record's folder: who has the record could sign",
            fix="keep keys outside it, or leave audit.keys out: they are in ~/.config then",
        )
    return keys


def actor_here(folder: Path, environment: Mapping[str, str]) -> Actor:
    """Return who acts: `TIDEMILL_ACTOR`, else Git's user, else the machine's; all only claimed.

    A trigger sets `TIDEMILL_ACTOR=trigger:NAME` for what it starts.

    Raises:
        InvalidInputError: the variable names no person: it is of several lines, or a team.
    """
    name = environment.get("TIDEMILL_ACTOR", "").strip()
    if on_one_line(name) != name or name.startswith(("team:", "token:")):
        raise InvalidInputError(
            f"TIDEMILL_ACTOR={on_one_line(name)} is no person's name",
            fix="give a name on one line; what a team owns its members act on as themselves",
        )
    if name.startswith("trigger:"):
        return Actor(name=name.removeprefix("trigger:"), kind="trigger", known_by="trigger")
    return Actor(name=name or _git_user(folder) or _machine_user())


def _git_user(folder: Path) -> str:
    try:
        found = subprocess.run(
            ["git", "config", "user.name"],  # noqa: S607 - the user's own Git
            cwd=folder, capture_output=True, text=True, check=False, timeout=5,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()


def _machine_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
