"""Pointing at things: `KIND:[PROJECT/]NAME[@SELECTOR]`, one grammar for every face.

The selector: digits are a number; an ISO date or time is the version that was newest then; else an
alias; else at least six hex digits of a digest; nothing is the newest. `run:ID` and `prediction:ID`
take a whole id or its last eight digits; `td1:HEX`, `b3:HEX`, `tree1:HEX` are artifacts themselves.
"""

import re
from datetime import datetime

import msgspec

from tidemill.core.digest import SCHEMES
from tidemill.core.errors import InvalidInputError
from tidemill.core.ref import RefName
from tidemill.core.times import parse_time

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_POINTER = re.compile(rf"([a-z][a-z0-9_]*):(?:({_NAME})/)?({_NAME}(?:\.{_NAME})*)(?:@([^@\s]+))?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ].*)?")
_HEX = re.compile(r"[0-9a-f]{6,64}")
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
    return not is_taken and text.replace("-", "").replace("_", "").isalnum()


def parse_pointer(text: str, *, project: str, kind: str | None = None) -> Pointer:
    """Parse a pointer; `project` fills in the project, `kind` the kind where it is left out.

    Raises:
        InvalidInputError: the text does not follow the grammar, or is of another kind.

    >>> parse_pointer("model:delay@champion", project="flights").word
    'champion'
    """
    full = f"{kind}:{text}" if kind and ":" not in text else text
    match = _POINTER.fullmatch(full)
    if not match:
        raise InvalidInputError(
            f"{text!r} does not point at anything",
            fix="write KIND:NAME[@SELECTOR], like model:delay@champion or data:flights@3",
        )
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
    return msgspec.structs.replace(pointer, word=selector)
