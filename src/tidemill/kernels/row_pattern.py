r"""Patterns of text that mean the same to every engine: a small language, checked and respelled.

Literals, `.`, classes, `\d \w \s` (ASCII), groups, `|`, and `* + ? {m,n}`. No look-around, no
back reference, no word border: what Rust's regex (Polars) and Python's `re` read differently, or
what cannot be matched in linear time, is refused. A pattern always matches the whole text.
"""

from __future__ import annotations

import re

from tidemill.core.errors import InvalidInputError

_CLASSES = {"d": "0-9", "w": "0-9A-Za-z_", "s": r" \t\n\r\f\v"}
_CONTROLS = frozenset("tnrfv")
_REPEAT = re.compile(r"\{[0-9]{1,4}(,([0-9]{1,4})?)?\}")
_FIX = (
    r"use literals, ., [a-z], \d \w \s, (a|b), * + ? {m,n}; the whole text must match"
)  # fmt: skip


def portable_pattern(text: str) -> str:
    r"""Return a pattern respelled so that Rust's regex and Python's `re` agree on it.

    Raises:
        InvalidInputError: it uses something outside the language above.

    >>> portable_pattern(r"^\d{2}[A-Z_]$")
    '[0-9]{2}[A-Z_]'
    """
    inner = text.removeprefix("^")
    if inner.endswith("$") and not inner.endswith(r"\$"):
        inner = inner[:-1]
    made: list[str] = []
    place = 0
    while place < len(inner):
        piece, place = _piece(inner, place, text)
        made.append(piece)
    done = "".join(made)
    try:
        re.compile(done)
    except (re.error, OverflowError) as error:
        raise InvalidInputError(f"pattern {text!r} cannot be read: {error}", fix=_FIX) from None
    return done


def _piece(  # noqa: PLR0911 - one a construct
    inner: str, place: int, text: str
) -> tuple[str, int]:
    char = inner[place]
    if char == "[":
        return _class(inner, place + 1, text)
    if char == "\\":
        return _escape(inner, place, text, is_in_class=False), place + 2
    if char == "(":
        return _group(inner, place, text)
    if char == "{":
        found = _REPEAT.match(inner, place)
        if not found:
            raise _refused(text, "{")
        return _once(found[0], inner, found.end(), text)
    if char in "*+?":
        return _once(char, inner, place + 1, text)
    if char in ".|)":
        return char, place + 1
    if char in "^$]}":
        raise _refused(text, char)
    return _literal(char), place + 1


def _once(spelled: str, inner: str, after: int, text: str) -> tuple[str, int]:
    """Refuse what follows a quantifier and changes it: lazy and possessive forms."""
    if inner[after : after + 1] in ("*", "+", "?", "{"):
        raise _refused(text, spelled + inner[after])
    return spelled, after


def _group(inner: str, place: int, text: str) -> tuple[str, int]:
    if inner.startswith("(?:", place):
        return "(?:", place + 3
    if inner.startswith("(?", place):
        raise _refused(text, inner[place : place + 3])
    return "(?:", place + 1


def _class(inner: str, place: int, text: str) -> tuple[str, int]:
    made = "["
    if inner.startswith("^", place):
        made, place = "[^", place + 1
    if inner.startswith("]", place):
        raise _refused(text, "[]")
    while place < len(inner) and inner[place] != "]":
        char = inner[place]
        if char == "\\":
            made, place = made + _escape(inner, place, text, is_in_class=True), place + 2
            continue
        is_range = char == "-" and made[-1] not in "[^" and inner[place + 1 : place + 2] != "]"
        made, place = made + ("-" if is_range else _literal(char)), place + 1
    if place >= len(inner):
        raise _refused(text, "[ without ]")
    return made + "]", place + 1


def _escape(inner: str, place: int, text: str, *, is_in_class: bool) -> str:
    char = inner[place + 1 : place + 2]
    if char in _CLASSES and char:
        return _CLASSES[char] if is_in_class else f"[{_CLASSES[char]}]"
    if char in _CONTROLS and char:
        return "\\" + char
    if not char or char.isalnum():
        raise _refused(text, "\\" + char)
    return _literal(char)


def _literal(char: str) -> str:
    needs_escape = char.isascii() and char.isprintable() and not char.isalnum()
    return f"\\{char}" if needs_escape and char not in "<>_ " else char


def _refused(text: str, what: str) -> InvalidInputError:
    return InvalidInputError(f"pattern {text!r} uses {what!r}, which is not taken", fix=_FIX)
