"""How things of the record are called in text: artifacts, runs, times, who did it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from tidemill.core.digest import SCHEMES
from tidemill.core.text import spell

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from tidemill.core.query import Note
    from tidemill.core.ref import RefName
    from tidemill.core.run import Run, Scalar

NEAR = timedelta(minutes=1)
"""Effective and recorded time that differ by less are one time to people."""
CELL_CHARACTERS = 40
"""Longest value in a cell of a list."""
_DIGEST = re.compile(r"[0-9a-f]{32,}")
_WHOLE_ID = re.compile(rf"(?:{'|'.join(SCHEMES)}):[0-9a-f]{{64}}")


def short_id(identity: str) -> str:
    """Return an artifact's id as people read it.

    >>> short_id("td1:" + "ab" * 32)
    'td1:abababababab'
    """
    scheme, _, digits = identity.partition(":")
    return f"{scheme}:{digits[:12]}"


def spell_time(time: datetime) -> str:
    """Return a time as people read it; a midnight is a date.

    >>> from datetime import datetime, UTC
    >>> spell_time(datetime(2013, 4, 1, tzinfo=UTC))
    '2013-04-01'
    """
    is_midnight = not (time.hour or time.minute or time.second or time.microsecond)
    return time.strftime("%Y-%m-%d" if is_midnight else "%Y-%m-%d %H:%M:%S")


_FIRST = ("rows", "files")


def spell_items(items: Mapping[str, Scalar], *, is_whole: bool = False) -> str:
    """Return a mapping as `a=1, b=x`, ids and digests shortened, empty texts left out.

    How much there is comes first: rows, then files. Values that do not fit into a cell (JSON,
    texts over 40 characters) are left out too, unless the whole is asked for.

    >>> spell_items({"columns": 8, "rows": 1200})
    'rows=1,200, columns=8'
    >>> items = {"rows": 1200, "report": "b3:" + "ab" * 32, "commit": "", "places": '{"a": 1}'}
    >>> spell_items(items)
    'rows=1,200, report=b3:abababababab'
    >>> spell_items(items, is_whole=True)
    'rows=1,200, report=b3:abababababab, places={"a": 1}'
    """
    first = [name for name in _FIRST if name in items]
    ordered = [*first, *(name for name in items if name not in first)]
    spelled = ((name, item_text(items[name])) for name in ordered if items[name] != "")
    return ", ".join(f"{name}={text}" for name, text in spelled if is_whole or is_short(text))


def plain_items(items: Mapping[str, Scalar]) -> str:
    """Return a mapping as `spell_items` does, without ids and digests: for histories.

    >>> plain_items({"rows": 1200, "report": "b3:" + "ab" * 32})
    'rows=1,200'
    """
    return spell_items({name: one for name, one in items.items() if not _is_id(spell(one))})


def _is_id(text: str) -> bool:
    return bool(_WHOLE_ID.fullmatch(text) or _DIGEST.fullmatch(text))


def item_text(value: Scalar) -> str:
    """Return one value as people read it; ids and digests are shortened."""
    text = spell(value)
    if _WHOLE_ID.fullmatch(text):
        return short_id(text)
    return text[:12] if _DIGEST.fullmatch(text) else text


def is_short(text: str) -> bool:
    """Return whether a text fits into a cell of a list."""
    return len(text) <= CELL_CHARACTERS and not text.startswith(("{", "[")) and "\n" not in text


def note_text(note: Note) -> str:
    """Return what a note is; its key is WORD or WORD:WHICH, its subject may be a version.

    A note whose words are told beside it: "comments on version 3", "approves @champion".
    """
    word, _, which = note.key.partition(":")
    _, at, number = note.subject.rpartition("@")
    version = f" on version {number}" if at and number.isdigit() else ""
    if word == "approval":
        return f"approves @{which.partition(':')[0]}{version}"
    if word in {"tag", "parameter"} and which:
        return f"{word} {which}"
    said = {"comment": "comments", "output": "wrote"}.get(word, word.replace("_", " "))
    return f"{said}{version}"


def ref_text(ref: RefName, project: str) -> str:
    """Return a ref as one types it in `project`: the project only where it is another one."""
    return f"{ref.kind}:{ref.name}" if ref.project == project else str(ref)


def run_title(run: Run) -> str:
    """Return a run in one line: what, which, who, when, how it ended, why."""
    state = "" if run.status == "done" else f" {run.status.upper()}"
    because = f' because "{run.because}"' if run.because else ""
    cause = f" caused by {run.cause}" if run.cause else ""
    name = f" {run.name}" if run.name else ""
    at = f" at {spell_time(run.at)}" if abs(run.at - run.opened_at) >= NEAR else ""
    when = spell_time(run.opened_at)
    return f"{run.kind}{name} ({run}){state} by {run.actor}, {when}{at}{because}{cause}"
