"""The tree that Git would make of a folder now, without touching the index, HEAD, stash or hooks.

The index is copied (with its time, by which Git tells racy entries), and new objects go to a folder
that is thrown away. A repository that Git does not trust is refused by Git, and so by us.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_LEAVE_ALONE = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
_GIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """A repository, and the place of the project in it (`examples/flights/`; "": the whole)."""

    top: Path
    prefix: str
    index: Path
    objects: Path


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A project's files, relative. `own` are the repository's, deleted ones and submodules too."""

    names: tuple[str, ...]
    own: tuple[str, ...]


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """Git's name for the folder as it lies there, and the commit that it stands on."""

    commit: str = ""
    tree: str = ""
    is_dirty: bool = False


def enclosing(folder: Path) -> Repository | None:
    """Return the repository that a folder lies in; None: in none, or there is no `git`.

    Raises:
        InvalidInputError: there is one, but Git refuses it.
    """
    if shutil.which("git") is None:
        return None
    done = _run(
        folder, {}, "rev-parse", "--path-format=absolute", "--show-toplevel", "--show-prefix",
        "--git-path", "index", "--git-path", "objects",
    )  # fmt: skip
    if done.returncode == 0:
        top, prefix, index, objects = os.fsdecode(done.stdout).split("\n")[:4]
        return Repository(top=Path(top), prefix=prefix, index=Path(index), objects=Path(objects))
    said = done.stderr.decode(errors="replace").strip()
    if "not a git repository" in said or "work tree" in said:
        return None
    raise _refused(folder, said)


def listing(folder: Path) -> Listing:
    """Return the files of a folder in a repository that are tracked, or untracked and not ignored.

    Files of submodules and nested repositories are among `names`.
    """
    own = _listed(folder, {}, "--cached", "--others")
    return Listing(names=tuple(_existing(folder, own)), own=tuple(own))


def tracked(folder: Path) -> frozenset[str]:
    """Return the files of a folder that its repository tracks, those of submodules too."""
    found = _checked(folder, {}, "ls-files", "-z", "--cached", "--recurse-submodules")
    return frozenset(os.fsdecode(name) for name in found.split(b"\0") if name)


def plain_listing(folder: Path) -> list[str]:
    """Return what Git would list in a folder without a repository; none where there is no `git`."""
    if shutil.which("git") is None:
        return []
    with tempfile.TemporaryDirectory() as scratch:
        _checked(folder, {}, "init", "--quiet", "--bare", "--template=", scratch)
        git = {"GIT_DIR": scratch, "GIT_WORK_TREE": str(folder)}
        return _existing(folder, _listed(folder, git, "--others"))


@contextlib.contextmanager
def tree(
    repository: Repository, folder: Path, own: tuple[str, ...]
) -> Iterator[Callable[[], Tree]]:
    """Let Git make the tree of these files while other work goes on; call what it gives to wait."""
    with tempfile.TemporaryDirectory() as scratch:
        git = {
            "GIT_INDEX_FILE": f"{scratch}/index",
            "GIT_OBJECT_DIRECTORY": f"{scratch}/objects",
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(repository.objects),
        }
        Path(scratch, "objects").mkdir()
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(repository.index, git["GIT_INDEX_FILE"])
        names = Path(scratch, "names")
        names.write_bytes(b"".join(os.fsencode(name) + b"\0" for name in own))
        with names.open("rb") as given:
            process = subprocess.Popen(  # noqa: S603 - fixed words; the names go in by a file
                _command("update-index", "--add", "--remove", "-z", "--stdin"),
                cwd=folder, env=_environment(git), stdin=given,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip

        def finish() -> Tree:
            _, said = process.communicate()
            if process.returncode:
                raise _refused(folder, said.decode(errors="replace"))
            return _made(repository, folder, git)

        with process:
            try:
                yield finish
            finally:
                if process.poll() is None:
                    process.kill()


def _made(repository: Repository, folder: Path, git: Mapping[str, str]) -> Tree:
    prefix = repository.prefix.rstrip("/")
    place = (f"--prefix={prefix}/",) if prefix else ()
    made = _run(folder, git, "write-tree", *place).stdout.decode().strip()
    found = _run(folder, {}, "rev-parse", "HEAD", f"HEAD:{prefix}").stdout.decode().split("\n")
    commit, known = (line if _GIT_ID.fullmatch(line) else "" for line in [*found, "", ""][:2])
    return Tree(commit=commit, tree=made, is_dirty=made != known)


def _listed(folder: Path, git: Mapping[str, str], *which: str) -> list[str]:
    found = _checked(folder, git, "ls-files", "-z", "--exclude-standard", *which)
    return list(dict.fromkeys(os.fsdecode(name) for name in found.split(b"\0") if name))


def _existing(folder: Path, names: list[str]) -> list[str]:
    """Return the files that are there; a folder among them is a repository of its own."""
    found: list[str] = []
    for name in names:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            place = name.rstrip("/")
            found += [f"{place}/{inner}" for inner in listing(path).names] if place else []
        elif os.path.lexists(path):
            found.append(name)
    return found


def _checked(folder: Path, git: Mapping[str, str], *words: str) -> bytes:
    done = _run(folder, git, *words)
    if done.returncode:
        raise _refused(folder, done.stderr.decode(errors="replace"))
    return done.stdout


def _run(folder: Path, git: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - fixed words and names that Git gave
        _command(*words), cwd=folder, env=_environment(git), capture_output=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def _command(*words: str) -> list[str]:
    return ["git", *_LEAVE_ALONE, *words]


def _environment(git: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what a hook that called us has set."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", **git}


def _refused(folder: Path, said: str) -> InvalidInputError:
    first = said.strip().split("\n", maxsplit=1)[0]
    return InvalidInputError(
        f"Git refuses the folder {folder.name!r}: {first}",
        fix="run `git status` there and do what it says",
    )
