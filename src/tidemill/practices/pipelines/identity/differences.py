"""Differences: why one call of a step is not another, by the names of what differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.text import cut

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidemill.practices.pipelines.identity.step_code import StepCode

What = Literal[
    "code", "constant", "parameter", "input", "package", "python", "option", "tidemill", "file",
    "folder", "variable", "module",
]  # fmt: skip


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that differs. Empty `before`: it is new; empty `now`: it is gone."""

    what: What
    name: str
    before: str = ""
    now: str = ""

    def __str__(self) -> str:
        if self.what in {"code", "module", "file", "folder", "variable", "tidemill"}:
            how = "changed" if self.before and self.now else "is new" if self.now else "is gone"
            kind = "" if self.what in {"code", "tidemill"} else f"{self.what} "
            return f"{kind}{self.name} {how}"
        kind = "" if self.what in {"constant", "package", "python"} else f"{self.what} "
        sides = (cut(side, 40) or "none" for side in (self.before, self.now))
        return f"{kind}{self.name} {' -> '.join(sides)}"


class StepCodeChange(msgspec.Struct, frozen=True, kw_only=True):
    """How what a step reaches differs."""

    changes: tuple[Difference, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.changes)) or "nothing that is named differs"

    __repr__ = __str__


def code_differences(before: StepCode, now: StepCode) -> Iterator[Difference]:
    """Yield what of code, packages and options differs."""
    same = set(before.code.values()) & set(now.code.values())
    for key, old, new in _changed(before.code, now.code):
        module, _, name = key.partition(":")
        if old in same or new in same:
            continue  # a name that moved within its module, nothing else
        shown = f"{module}: {name}" if " " in name else f"{module}.{name}"
        is_constant = any("=" in side for side in (old, new))
        yield Difference(
            what="constant" if is_constant else "code", name=shown,
            before=_constant(old) if is_constant else old,
            now=_constant(new) if is_constant else new,
        )  # fmt: skip
    if before.order != now.order and before.code == now.code:
        yield Difference(
            what="code", name="the order of statements with effects", before="1", now="2"
        )
    for name, old, new in _changed(before.packages, now.packages):
        yield Difference(
            what="package", name=name, before=_version(old, new), now=_version(new, old)
        )
    if before.step != now.step:
        yield Difference(what="code", name="the step", before=before.step, now=now.step)
    if before.python != now.python:
        yield Difference(what="python", name="Python", before=before.python, now=now.python)
    for name, old, new in _changed(before.options, now.options):
        yield Difference(what="option", name=name, before=old, now=new)
    if before.tidemill != now.tidemill:
        yield Difference(what="tidemill", name="tidemill itself", before="1", now="2")


def given_differences(
    what: Literal["parameter", "input"], before: Mapping[str, str], now: Mapping[str, str]
) -> Iterator[Difference]:
    """Yield what of the parameters or inputs differs."""
    for name, old, new in _changed(before, now):
        yield Difference(what=what, name=name, before=old, now=new)


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in sorted({*before, *now}):
        old, new = before.get(name, ""), now.get(name, "")
        if old != new:
            yield name, old, new


def _constant(text: str) -> str:
    """Return a kept constant as Python writes it: `N=int:3` is 3."""
    spelled = text.partition("=")[2]
    kind, _, value = spelled.partition(":")
    return value if kind.isidentifier() else spelled or text[:8]


def _version(one: str, other: str) -> str:
    """Return a version; where both are equal with the beginning of the digest of the files."""
    version, _, digest = one.partition(" ")
    is_same = version == other.partition(" ")[0]
    return f"{version} ({digest[:8]})" if is_same and digest else version
