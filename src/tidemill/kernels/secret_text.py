"""What looks like a secret in text: known forms of keys, and values given to a telling name."""

from __future__ import annotations

import math
import re
from collections import Counter

_WORD = rb"(?<![A-Za-z0-9_])"
_FORMS: tuple[tuple[bytes, re.Pattern[bytes], str], ...] = (
    (
        b"PRIVATE KEY",
        re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----\s*[A-Za-z0-9+/=]"),
        "a private key",
    ),
    (b"AKIA", re.compile(_WORD + rb"AKIA[A-Z2-7]{16}(?![A-Z0-9])"), "the id of an AWS key"),
    (b"ASIA", re.compile(_WORD + rb"ASIA[A-Z2-7]{16}(?![A-Z0-9])"), "the id of an AWS key"),
    (b"AIza", re.compile(_WORD + rb"AIza[\w\-]{30,}"), "a Google API key"),
    (b"xox", re.compile(_WORD + rb"xox[abeprs]-[A-Za-z0-9\-]{10,}"), "a Slack token"),
    (b"hf_", re.compile(_WORD + rb"hf_[A-Za-z0-9]{20,}"), "a Hugging Face token"),
    (
        b"sk-",
        re.compile(_WORD + rb"sk-(?=[\w\-]{0,200}\d)(?=[\w\-]{0,200}[A-Za-z0-9]{16})[\w\-]{20,}"),
        "an API key",
    ),
    (b"sk_live_", re.compile(_WORD + rb"sk_live_[A-Za-z0-9]{16,}"), "a Stripe key"),
    (b"gh", re.compile(_WORD + rb"gh[pousr]_[A-Za-z0-9]{30,}"), "a GitHub token"),
    (b"github_pat_", re.compile(_WORD + rb"github_pat_\w{22,}"), "a GitHub token"),
    (b"glpat-", re.compile(_WORD + rb"glpat-[\w\-]{20,}"), "a GitLab token"),
    (b"pypi-", re.compile(_WORD + rb"pypi-AgE[\w\-]{50,}"), "a PyPI token"),
    (
        b"eyJ",
        re.compile(_WORD + rb"eyJ[\w\-]{8,2000}\.eyJ[\w\-]{8,4000}\.[\w\-]{16,}"),
        "a JSON web token",
    ),
)
"""A text that must be there, the form, and what it is. Source: the makers' own prefixes."""

_BLANK = re.compile(rb"[xX]{6}|\*{3}|\.{3}")
"""What documentation writes in the place of a key's text."""

_URL = re.compile(rb"[a-z][a-z0-9+.\-]{1,20}://([^\s:/@\"'<>]*):([^\s/@\"'<>]+)@[\w.\-]+")
_TELLING = (b"secret", b"token", b"password", b"passwd", b"api_key", b"apikey", b"access_key")
_GIVEN = re.compile(
    rb"[\w\-]{0,40}[\"']?[ \t]*[:=][ \t]*"
    rb"(?:[\"']([^\"'\s]{16,200})[\"']|([a-z0-9+/=_\-]{20,200})[ \t]*$)",
    re.MULTILINE,
)
"""What follows a telling name, in lower case, where it is given a long text."""
_PASSWORD = re.compile(
    rb"(?:password|passwd|passphrase|(?<![a-z0-9])pwd)[\"']?[ \t]*(?::[ \t]*str[ \t]*)?"
    rb"[=:][ \t]*[brf]?([\"'])([^\"'\s]{8,200})\1"
)
"""A literal without a space that a password is given, in lower case; any, however plain."""

_PLACEHOLDER = re.compile(
    rb"\.\.\.|<[^>]*>|\$\{|\$\(|^\$\w+$|\{[^}]*\}|%\(|%s|^\.?/|\*{3}|xxx|change.?me|change.?this|"
    rb"example|placeholder|dummy|redacted|replace|\byour|insert|todo|required|invalid|"
    rb"(?:^|[_\-])(?:test|fake|sample)(?:[_\-]|\d*$)|"
    rb"^(?:(?:user|db|admin|new|old|the)[_\-]?)?(?:pass|password|passwd|secret)(?:[_\-][a-z_]+)?$"
)
"""What only holds the place of a secret, in lower case: `changeme`, `<password>`, `${PASSWORD}`."""
_COMMON = frozenset({b"pw", b"pwd", b"postgres", b"guest", b"x"})
"""Passwords of no secret, as documentation writes them into URLs."""

_LEAST_BITS = 3.5
"""Shannon entropy of a character from which on a text is random: words have 2 to 3.5 bits."""

_SECRET_WORDS = frozenset({
    "password", "passwd", "pwd", "passphrase", "secret", "secrets", "token", "apikey", "credential",
    "credentials",
})  # fmt: skip
_SECRET_PAIRS = frozenset({"api_key", "access_key", "secret_key", "private_key", "auth_key"})
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def is_secret_name(name: str) -> bool:
    """Return whether a parameter of this name holds a secret, by its last words.

    >>> [is_secret_name(n) for n in ("db_password", "apiKey", "hf_token", "max_tokens", "key")]
    [True, True, True, False, False]
    """
    words = _CAMEL.sub("_", name).lower().replace("-", "_").strip("_").split("_")
    return words[-1] in _SECRET_WORDS or "_".join(words[-2:]) in _SECRET_PAIRS


def secret_text(data: bytes) -> str:
    """Return which secret a text holds and on what line, "" where there is none. O(bytes)."""
    for mark, form, what in _FORMS:
        for found in form.finditer(data) if mark in data else ():
            if not _BLANK.search(found[0]):
                return f"line {_line(data, found.start())} holds {what}"
    if b"://" in data and (where := _url_with_password(data)) is not None:
        return f"line {_line(data, where)} holds a URL with a password"
    lower = data.lower()
    for found in _PASSWORD.finditer(lower) if b"pass" in lower or b"pwd" in lower else ():
        if not _PLACEHOLDER.search(found[2]):
            return f"line {_line(data, found.start())} gives a password as text"
    where = _random_text(data, lower)
    return "" if where is None else f"line {_line(data, where)} gives random text to a telling name"


def _url_with_password(data: bytes) -> int | None:
    for found in _URL.finditer(data):
        user, password = (part.lower() for part in found.groups())
        if not (password == user or password in _COMMON or _PLACEHOLDER.search(password)):
            return found.start()
    return None


def _random_text(data: bytes, lower: bytes) -> int | None:
    """Return where a telling name is given random text."""
    for word in _TELLING:
        at = lower.find(word)
        while at >= 0:
            end = at + len(word)
            given = _GIVEN.match(lower, end)
            if given and _is_random(data[slice(*given.span(given.lastindex or 0))]):
                return at
            at = lower.find(word, end)
    return None


def _is_random(text: bytes) -> bool:
    """Whether letters and digits are mixed as no word mixes them."""
    has_digit = any(48 <= byte < 58 for byte in text)
    has_letter = any(chr(byte).isalpha() for byte in text)
    has_place = b"$" in text or b"{" in text or b"<" in text or b"(" in text or b"/" in text[:1]
    if not (has_digit and has_letter) or has_place:
        return False
    shares = (count / len(text) for count in Counter(text).values())
    return -sum(share * math.log2(share) for share in shares) >= _LEAST_BITS


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1
