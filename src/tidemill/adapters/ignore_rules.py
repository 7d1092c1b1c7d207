"""The rules of `.gitignore` without Git: the common patterns, for machines that have no `git`.

Known: comments, `!`, a leading or inner `/`, a trailing `/`, `*`, `?`, `[…]`, `**`, and nested
files. Not known: character classes by name, `core.excludesFile`, `.git/info/exclude`.
Source: gitignore(5).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NEVER = frozenset({".git", ".tidemill", ".venv", "__pycache__"})
"""Folders that are never a project's code."""

_PARTS = (
    (re.compile(r"\A\*\*/"), "(?:.*/)?"),
    (re.compile(r"/\*\*/"), "/(?:.*/)?"),
    (re.compile(r"/\*\*\Z"), "/.*"),
    (re.compile(r"\*+"), "[^/]*"),
    (re.compile(r"\?"), "[^/]"),
)


class _Rule(msgspec.Struct, frozen=True, kw_only=True):
    pattern: re.Pattern[str]
    is_kept: bool
    only_folders: bool


def plain_files(root: Path) -> list[str]:
    """Return the files under a folder that its `.gitignore` files do not name, relative."""
    found: list[str] = []
    _walk(root, "", [], found)
    return found


def _walk(root: Path, prefix: str, above: Sequence[_Rule], found: list[str]) -> None:
    folder = root / prefix
    rules = [*above, *_rules(folder / ".gitignore", prefix)]
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = prefix + entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name in NEVER or _is_ignored(name, rules, is_folder=is_folder):
                continue
            if is_folder:
                _walk(root, name + "/", rules, found)
            else:
                found.append(name)


def _is_ignored(name: str, rules: Sequence[_Rule], *, is_folder: bool) -> bool:
    """The last rule that matches decides."""
    for rule in reversed(rules):
        if (is_folder or not rule.only_folders) and rule.pattern.fullmatch(name):
            return not rule.is_kept
    return False


def _rules(file: Path, prefix: str) -> list[_Rule]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, IsADirectoryError):
        return []
    kept = (line.rstrip() for line in lines if line.strip() and not line.startswith("#"))
    return [_rule(line, prefix) for line in kept]


def _rule(line: str, prefix: str) -> _Rule:
    is_kept = line.startswith("!")
    text = line[1:] if is_kept else line
    text = text.removeprefix("\\")
    only_folders = text.endswith("/")
    text = text.rstrip("/")
    is_anchored = "/" in text
    spelled = _regex(text.removeprefix("/"))
    anywhere = "" if is_anchored else "(?:.*/)?"
    return _Rule(
        pattern=re.compile(re.escape(prefix) + anywhere + spelled),
        is_kept=is_kept,
        only_folders=only_folders,
    )


def _regex(text: str) -> str:
    done: list[str] = []
    rest = text
    while rest:
        for part, regex in _PARTS:
            if (found := part.match(rest)) and (part.pattern[:2] != r"\A" or not done):
                done.append(regex)
                rest = rest[found.end() :]
                break
        else:
            one = re.match(r"\[[^\]/]+\]|\\.|.", rest, re.DOTALL)
            assert one is not None
            is_class = len(one[0]) > 2 or (one[0][0] == "[" and len(one[0]) > 1)
            done.append(one[0].replace("[!", "[^", 1) if is_class else re.escape(one[0][-1]))
            rest = rest[one.end() :]
    return "".join(done)
