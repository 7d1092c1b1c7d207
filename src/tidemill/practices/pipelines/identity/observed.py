"""Observed: what a step read and imported undeclared, and whether it is still as it was then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from blake3 import blake3

from tidemill.core.digest import digest_of_value
from tidemill.ports.executor import Observed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.practices.pipelines.identity.step_code import StepCodes

_WORDS = {"variable": "variable", "folder": "the names in", "file": "", "module": "module",
          "package": "package"}  # fmt: skip


class Observations:
    """What is now, of what steps have observed; looked up once for each name."""

    def __init__(self, root: Path, codes: StepCodes) -> None:
        self._root, self._codes = root, codes
        self._now: dict[tuple[str, str], str] = {}

    def now(self, kind: str, name: str) -> str:
        """Return the digest of something as it is now; "": it is not there."""
        key = (kind, name)
        if key not in self._now:
            self._now[key] = self._look(kind, name)
        return self._now[key]

    def filled(self, observed: Sequence[Observed]) -> tuple[Observed, ...]:
        """Return observations with the digests of packages and modules; unknown ones left out."""
        return tuple(
            msgspec.structs.replace(one, digest=self.now(one.kind, one.name))
            if one.kind in {"module", "package"}
            else one
            for one in observed
        )

    def changed(self, observed: Sequence[Observed]) -> list[Observed]:
        """Return those that are not as they were."""
        return [one for one in observed if self.now(one.kind, one.name) != one.digest]

    def _look(self, kind: str, name: str) -> str:
        if kind == "variable":
            value = os.environ.get(name)
            if value is None:
                return ""
            return blake3(value.encode("utf-8", "surrogateescape")).hexdigest()[:32]
        if kind == "package":
            reached = self._codes.packages.reached([name])
            return digest_of_value(sorted(reached.items()))[3:35] if reached else ""
        if kind == "module":
            return self._codes.module_digest(name)
        return content(os.path.join(self._root, name), kind)  # noqa: PTH118 - may be absolute


def content(path: str, kind: str) -> str:
    """Return the digest of a file's bytes, or of the names in a folder; "": it is not there."""
    try:
        if kind == "folder":
            names = sorted(at.name for at in Path(path).iterdir() if not _is_ours(at.name))
            return digest_of_value(names)[3:35]
        whole = blake3()
        with Path(path).open("rb") as file:
            while piece := file.read(1 << 20):
                whole.update(piece)
        return whole.hexdigest()[:32]
    except OSError:
        return ""


def _is_ours(name: str) -> bool:
    """Return whether a name in a folder comes and goes with Python or with us."""
    return name == "__pycache__" or name.startswith(".")


def observed_digest(observed: Sequence[Observed]) -> str:
    """Return 32 hex digits of observations; "" of none."""
    rows = sorted((one.kind, one.name, one.digest) for one in observed)
    return digest_of_value(["observed 1", rows])[3:35] if rows else ""


def spelled(observed: Sequence[Observed]) -> str:
    """Return observations as the text of a note: a line each, kind, digest and name."""
    return "\n".join(f"{one.kind} {one.digest or '-'} {one.name}" for one in observed)


def read(text: str) -> tuple[Observed, ...]:
    """Return the observations of a note; none, where it holds something else."""
    found = []
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        digest, _, name = rest.partition(" ")
        if kind in _WORDS:
            seen = digest.replace("-", "")
            found.append(Observed(kind=kind, name=name, digest=seen))  # type: ignore[arg-type]
    return tuple(found)


def shown(one: Observed) -> str:
    """Return what was observed, for people."""
    return f"{_WORDS[one.kind]} {one.name}".strip()
