"""Pointing at things: `KIND:[PROJECT/]NAME[@SELECTOR]`, one grammar for every face.

The selector: digits are a number; an ISO date or time is the version that was newest then; else an
alias; else at least six hex digits of a digest, with its scheme or without (`@td1:HEX`); nothing is
the newest. `run:ID` and `prediction:ID`
take a whole id or its last eight digits; `td1:HEX`, `b3:HEX`, `tree1:HEX` are artifacts themselves.
"""

import re
import unicodedata
from datetime import datetime

import msgspec

from tidemill.core.digest import SCHEMES
from tidemill.core.errors import InvalidInputError
from tidemill.core.ref import RefName
from tidemill.core.times import parse_time

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_POINTER = re.compile(rf"([a-z][a-z0-9_]*):(?:({_NAME})/)?({_NAME}(?:\.{_NAME})*)(?:@([^@\s]+))?")
_KEYED = re.compile(rf"prediction:({_NAME})/(\S.*)", re.DOTALL)
"""A prediction by a caller's own key: everything after the first slash."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?")
_HEX = re.compile(r"[0-9a-f]{6,64}")
MOST_CHARACTERS = 128
"""Longest name, or part of one between dots: it is a part of file names and pages too."""
_RULE = (
    "a name has letters from a to z, digits, _, - and ., begins with a letter, a digit or _, and is"
    f" at most {MOST_CHARACTERS} long"
)
BY_ID = ("run", "prediction", *SCHEMES)
"""Kinds whose name is an id; they have no versions."""


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed pointer. At most one of `number`, `at` and `word` is set; none means the newest."""

    kind: str
    project: str
    name: str
    number: int | None = None
    at: datetime | None = None
    word: str | None = None

    @property
    def ref(self) -> RefName:
        """The ref that it names."""
        return RefName(kind=self.kind, project=self.project, name=self.name)

    @property
    def is_hex(self) -> bool:
        """Whether the word could be the beginning of a digest."""
        return self.word is not None and _HEX.fullmatch(self.word) is not None

    def __str__(self) -> str:
        selector = self.number or self.word or (self.at and self.at.isoformat())
        return f"{self.kind}:{self.name}" + (f"@{selector}" if selector else "")


def is_alias(text: str) -> bool:
    """Return whether a word can be an alias: as a selector it is read as nothing else.

    >>> [is_alias(word) for word in ("champion", "2013-01-01", "7", "deadbeef", "a b")]
    [True, False, False, False, False]
    """
    is_taken = text.isdigit() or _DATE.fullmatch(text) or _HEX.fullmatch(text)
    return not is_taken and re.fullmatch(r"[A-Za-z0-9_-]+", text) is not None


def parse_pointer(text: str, *, project: str, kind: str | None = None) -> Pointer:
    """Parse a pointer; `project` fills in the project, `kind` the kind where it is left out.

    Raises:
        InvalidInputError: the text does not follow the grammar, or is of another kind.

    >>> parse_pointer("model:delay@champion", project="flights").word
    'champion'
    """
    full = f"{kind}:{text}" if kind and ":" not in text.partition("@")[0] else text
    match = _KEYED.fullmatch(full)
    if match and kind in (None, "prediction"):
        return Pointer(kind="prediction", project=match[1], name=match[2])
    match = _POINTER.fullmatch(full)
    if not match or _is_long(match[3]):
        raise _no_pointer(text, full)
    if kind and match[1] != kind:
        raise InvalidInputError(
            f"{text!r} is of kind {match[1]}, but {kind} is needed here",
            fix=f"tidemill list {kind} shows what can be named",
        )
    pointer = Pointer(kind=match[1], project=match[2] or project, name=match[3])
    selector = match[4]
    if selector is None:
        return pointer
    if selector.isdigit():
        return msgspec.structs.replace(pointer, number=int(selector))
    if _DATE.fullmatch(selector):
        return msgspec.structs.replace(pointer, at=parse_time(selector))
    scheme, _, digits = selector.partition(":")
    if scheme in SCHEMES and _HEX.fullmatch(digits.lower()):
        return msgspec.structs.replace(pointer, word=digits.lower())
    return msgspec.structs.replace(pointer, word=selector)


def proposed_name(text: str) -> str:
    """Return the name most like a text that is none, "" where nothing of it is left.

    >>> [proposed_name(text) for text in ("my orders", "a/b/c", "Café", "-x", "?")]
    ['my_orders', 'a_b_c', 'Cafe', 'x', '']
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", plain.strip()).strip("-._")[:MOST_CHARACTERS]


def require_name(text: str, kind: str) -> str:
    """Return a text that can name a thing of this kind: NAME, of this project, without a selector.

    Raises:
        InvalidInputError: it cannot; the fix is the name most like it.
    """
    if re.fullmatch(_NAME, text) and not _is_long(text):
        return text
    near = proposed_name(text)
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    raise InvalidInputError(
        f"{shown!r} cannot name a {kind}",
        fix=f"write {near}; {_RULE}" if near else f"give a name: {_RULE}",
    )


def _no_pointer(text: str, full: str) -> InvalidInputError:
    """Return the error that says what is wrong with a text: its name, its kind, or all of it."""
    before, at, selector = full.partition("@")
    kind, colon, name = before.partition(":")
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    what = f"{shown!r} does not point at anything"
    if colon and re.fullmatch(r"[a-z][a-z0-9_]*", kind) and not _is_name(name):
        near = proposed_name(name)
        wanted = f"{kind}:{near}" if ":" in text else near
        told = f"{len(name)} characters are no name" if _is_long(name) else f"{name!r} is no name"
        fix = f"write {wanted}{at}{selector}; {_RULE}" if near else f"give a name: {_RULE}"
        return InvalidInputError(f"{what}: {told}", fix=fix)
    if not colon and _is_name(before):
        return InvalidInputError(
            f"{what}: it says no kind",
            fix=f"write KIND:NAME, like data:{text}; tidemill list shows what there is",
        )
    fix = f"write KIND:NAME[@SELECTOR], like model:delay@champion or data:flights@3; {_RULE}"
    return InvalidInputError(what, fix=fix)


_SHOWN = 60


def _is_name(text: str) -> bool:
    return re.fullmatch(rf"(?:{_NAME}/)?{_NAME}", text) is not None and not _is_long(text)


def _is_long(name: str) -> bool:
    return max(map(len, re.split(r"[./]", name))) > MOST_CHARACTERS
