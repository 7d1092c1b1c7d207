"""What a setting takes: its type, unit, range or set, and how a given value is read by that."""

import ipaddress
import re
from typing import Literal

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.core.place import scheme_of
from tidemill.core.times import parse_span

Value = str | int | float | bool

Form = Literal[
    "text",
    "name",
    "owner",
    "modules",
    "path",
    "place",
    "address",
    "choice",
    "whole",
    "number",
    "span",
]

_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_PATTERNS: dict[Form, tuple[str, str]] = {
    "text": (r"[^\x00-\x1f]*", "text on one line"),
    "name": (_NAME, "a name of letters, digits, '.', '_' and '-'"),
    "owner": (r"(?:team:)?[^\s:\x00-\x1f](?:[^:\x00-\x1f]*[^\s:\x00-\x1f])?", "NAME or team:NAME"),
    "modules": (r"\s*[^\W\d][\w.]*\s*(?:,\s*[^\W\d][\w.]*\s*)*", "names of modules, by comma"),
    "path": (r"[^\x00-\x1f]+", "a path, from the project's folder"),
    "place": (r"[^\x00-\x1f]+", "a path, from the project's folder"),
}


class Takes(msgspec.Struct, frozen=True, kw_only=True):
    """What a setting may be.

    `least` and `most` bound a number (both themselves included), or the seconds of a span; `words`
    are what it may be besides, `choices` all that a choice may be, `urls` (how each begins, with
    its scheme) what a place may be instead of a path.
    """

    form: Form = "text"
    unit: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [word or "empty" for word in self.words]
        if self.form == "choice":
            return " or ".join([*self.choices, *words])
        return " or ".join([self._main(), *self.urls, *words])

    def _main(self) -> str:
        if self.form in _PATTERNS:
            return _PATTERNS[self.form][1]
        if self.form == "address":
            return "an address of this machine alone: 127.0.0.1, ::1 or localhost"
        if self.form == "span":
            return f"a length of time like 15m, {_span(self.least)} to {_span(self.most)}"
        kind = "a whole number" if self.form == "whole" else "a number"
        return f"{kind} of {self.unit}, {_number(self.least)} to {_number(self.most)}"

    def read(self, given: object, *, is_text: bool = False) -> Value:
        """Return a given value as the setting's type.

        Args:
            given: from the file, or from a variable of the environment.
            is_text: whether it comes from where everything is text; a number may be text then.

        Raises:
            ValueError, TypeError: it is something else than the setting takes.

        >>> Takes(form="whole", unit="steps", least=1, most=9).read("3", is_text=True)
        3
        """
        if self.form in {"whole", "number"}:
            return self._number(given, is_text=is_text)
        if not isinstance(given, str):
            raise TypeError(given)
        if given in self.words or self._is_text(given):
            return given
        raise ValueError(given)

    def _number(self, given: object, *, is_text: bool) -> int | float:
        if isinstance(given, str) and is_text:
            given = int(given) if self.form == "whole" else float(given)
        if isinstance(given, bool) or not isinstance(given, int | float):
            raise TypeError(given)
        if self.form == "whole" and not isinstance(given, int):
            raise ValueError(given)
        if not self._is_within(float(given)):
            raise ValueError(given)
        return given if self.form == "whole" else float(given)

    def _is_text(self, given: str) -> bool:
        if self.form == "choice":
            return given in self.choices
        if self.form == "span":
            return _is_span(given) and self._is_within(parse_span(given).total_seconds())
        if self.form == "address":
            return _is_address(given)
        scheme = scheme_of(given) if self.form == "place" else ""
        if scheme and scheme not in map(scheme_of, self.urls):
            return False
        return re.fullmatch(_PATTERNS[self.form][0], given) is not None

    def _is_within(self, number: float) -> bool:
        is_enough = self.least is None or number >= self.least
        return is_enough and (self.most is None or number <= self.most)  # no NaN is


def _is_span(text: str) -> bool:
    try:
        parse_span(text)
    except (InvalidInputError, OverflowError):
        return False
    return True


def _is_address(text: str) -> bool:
    """Return whether only this machine can reach an address: nothing yet asks who is calling."""
    try:
        return ipaddress.ip_address(text).is_loopback
    except ValueError:
        return text == "localhost"


def _number(number: float | None) -> str:
    return f"{number:,.0f}" if number is not None and number % 1 == 0 else f"{number:g}"


def _span(seconds: float | None) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds or 0:g}s"
