"""What looks like a secret in text: known forms of keys, and values given to a telling name."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        b"hooks.slack.com",
        re.compile(rb"hooks\.slack\.com/(?:services|workflows)/[\w/]{20,}"),
        "a Slack webhook",
    ),
    (b"npm_", re.compile(_WORD + rb"npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])"), "an npm token"),
    (b"SG.", re.compile(_WORD + rb"SG\.[\w\-]{22}\.[\w\-]{43}"), "a SendGrid key"),
    (b"dapi", re.compile(_WORD + rb"dapi[0-9a-f]{32}(?![0-9a-f])"), "a Databricks token"),
    (b"AGE-SECRET-KEY-", re.compile(rb"AGE-SECRET-KEY-1[0-9A-Z]{50,}"), "a private key"),
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

_BARE = re.compile(
    rb"(?:password|passwd|passphrase)[ \t]*:[ \t]+"
    rb"(?=[^\s#]*[0-9])([^\s\"'#,()\[\]{}]{8,200})[ \t]*(?:#[^\n]*)?$",
    re.MULTILINE,
)
"""A password without quotes as YAML writes it, up to the end of its line, in lower case;
it has a digit, as `password: str` of Python has not."""
_ACCOUNT_KEY = re.compile(
    rb"(?<![a-z0-9_])(?:accountkey|sharedaccesskey|sharedsecretkey)"
    rb"[ ]?=[ ]?[\"']?([a-z0-9+/]{40,120}={0,2})"
)
"""A key of an Azure account wherever it stands, in lower case: its name alone says so."""

_PLACEHOLDER = re.compile(
    rb"\.\.\.|<[^>]*>|\$\{|\$\(|^\$\w+$|\{[^}]*\}|%\(|%s|^\.?/|\*{3}|xxx|change.?me|change.?this|"
    rb"example|placeholder|dummy|redacted|replace|\byour|insert|todo|required|invalid|"
    rb"(?:^|[_\-])(?:test|fake|sample)(?:[_\-]|\d*$)|"
    rb"^(?:(?:user|db|admin|new|old|the)[_\-]?)?(?:pass|password|passwd|secret)(?:[_\-][a-z_]+)?$"
)
"""What only holds the place of a secret, in lower case: `changeme`, `<password>`, `${PASSWORD}`."""
_COMMON = frozenset({b"pw", b"pwd", b"postgres", b"guest", b"x"})
"""Passwords of no secret, as documentation writes them into URLs."""

_PAIR = re.compile(
    rb"(?<![a-z0-9])(?:password|passwd|pwd|accountkey|sharedaccesskey|sharedsecretkey|sslpassword)"
    rb"[ ]?=[ ]?([\"']?)((?:[^;\s\"'&,()\[\]]|&(?![\w.]+=)){4,200})\1"
)
"""A password among `key=value` pairs, in lower case, as ODBC, libpq and Azure write them."""
_BESIDE = re.compile(
    rb"(?<![a-z0-9_])(?:server|data source|host|hostaddr|user|uid|user id|username|dbname|database|"
    rb"initial catalog|port|driver|dsn|accountname|endpoint|sslmode|defaultendpointsprotocol)"
    rb"[ ]?=[ ]?[^\s=]"
)
"""What stands beside the password in such a text; alone, `password=x` may be a call in code."""
_NEAR = 400
"""Bytes before and behind a password in which the rest of a connection string is looked for."""
_IS_CODE = re.compile(rb"[A-Za-z_][\w.]*[(\[]|^[A-Za-z_]\w*\.[A-Za-z_][\w.]*$")
_HEADER = re.compile(
    rb"\bauthorization[\"']?\s*[:=]\s*[bf]?[\"']?(?:bearer|basic|token|apikey)\s+([a-z0-9+/=_.~\-]{12,})"
    rb"|(?<![a-z0-9_])bearer\s+([a-z0-9+/=_.~\-]{20,})"
)
"""A header that says who asks, in lower case."""
_SIGNED = re.compile(rb"[?&](?:sig|x-amz-signature|x-goog-signature)=([a-z0-9%+/=_\-]{32,})")
"""A URL that lets whoever has it in, in lower case."""

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
    for start, _, what in _secrets(data):
        return f"line {_line(data, start)} {what}"
    return ""


def without_secrets(text: str) -> str:
    """Return a text with `[redacted]` in the place of every secret that `secret_text` tells of.

    >>> without_secrets("cannot reach Server=db;User=ada;Pass" + "word=Tr0ub4dor&3;")
    'cannot reach Server=db;User=ada;Password=[redacted];'
    """
    data = text.encode("utf-8", "surrogatepass")
    spans = sorted((start, end) for start, end, _ in _secrets(data))
    done, at = [], 0
    for start, end in spans:
        if start >= at:
            done += [data[at:start], b"[redacted]"]
        at = max(at, end)
    return b"".join([*done, data[at:]]).decode("utf-8", "surrogatepass")


def _secrets(data: bytes) -> Iterator[tuple[int, int, str]]:
    """Yield where each secret begins and ends, and what it is."""
    for mark, form, what in _FORMS:
        for found in form.finditer(data) if mark in data else ():
            if not _BLANK.search(found[0]):
                yield *found.span(), f"holds {what}"
    lower = data.lower()
    if b"://" in data:
        yield from _urls_with_passwords(data, lower)
    yield from _passwords(lower)
    yield from _connections(data, lower)
    yield from _account_keys(lower)
    yield from _headers(data, lower)
    for start, end in _random_texts(data, lower):
        yield start, end, "gives random text to a telling name"


def _passwords(lower: bytes) -> Iterator[tuple[int, int, str]]:
    for found in _PASSWORD.finditer(lower) if b"pass" in lower or b"pwd" in lower else ():
        if not _PLACEHOLDER.search(found[2]):
            yield *found.span(2), "gives a password as text"
    for found in _BARE.finditer(lower) if b"pass" in lower else ():
        if not (_PLACEHOLDER.search(found[1]) or _IS_CODE.search(found[1])):
            yield *found.span(1), "gives a password as text"


def _account_keys(lower: bytes) -> Iterator[tuple[int, int, str]]:
    for found in _ACCOUNT_KEY.finditer(lower) if b"key" in lower else ():
        if not _PLACEHOLDER.search(found[1]):
            yield *found.span(1), "holds the key of an account"


def _headers(data: bytes, lower: bytes) -> Iterator[tuple[int, int, str]]:
    for found in _HEADER.finditer(lower) if b"bearer" in lower or b"authorization" in lower else ():
        group = found.lastindex or 0
        if _is_key(data[slice(*found.span(group))]):
            yield *found.span(group), "holds a header that gives access"


def _urls_with_passwords(data: bytes, lower: bytes) -> Iterator[tuple[int, int, str]]:
    for found in _URL.finditer(data):
        user, password = (part.lower() for part in found.groups())
        if not (password == user or password in _COMMON or _PLACEHOLDER.search(password)):
            yield *found.span(2), "holds a URL with a password"
    for found in _SIGNED.finditer(lower):
        if _is_key(data[slice(*found.span(1))]):
            yield *found.span(1), "holds a signed URL"


def _connections(data: bytes, lower: bytes) -> Iterator[tuple[int, int, str]]:
    """Yield the passwords of connection strings: something else of one stands on the same line."""
    for found in _PAIR.finditer(lower) if b"=" in lower else ():
        start, end = found.span()
        line = slice(
            lower.rfind(b"\n", max(0, start - _NEAR), start) + 1 or max(0, start - _NEAR),
            _end_of_line(lower, end),
        )
        beside = lower[line.start : start] + b" ; " + lower[end : line.stop]
        value = data[slice(*found.span(2))]
        is_none = _PLACEHOLDER.search(found[2]) or found[2] in _COMMON or _IS_CODE.search(value)
        if _BESIDE.search(beside) and not is_none and not _is_call(lower[line], found[1]):
            yield *found.span(2), "holds a connection string with a password"


def _is_call(line: bytes, quote: bytes) -> bool:
    """Whether the pairs are arguments of a call: `connect(host=host, password=password)`."""
    return not quote and b", " in line and b";" not in line


def _is_key(text: bytes) -> bool:
    """Whether letters and digits make a key, and no placeholder or word."""
    has_both = any(48 <= byte < 58 for byte in text) and any(chr(byte).isalpha() for byte in text)
    return has_both and not _PLACEHOLDER.search(text.lower()) and not _BLANK.search(text)


def _end_of_line(data: bytes, at: int) -> int:
    end = data.find(b"\n", at, at + _NEAR)
    return at + _NEAR if end < 0 else end


def _random_texts(data: bytes, lower: bytes) -> Iterator[tuple[int, int]]:
    """Yield where a telling name is given random text."""
    for word in _TELLING:
        at = lower.find(word)
        while at >= 0:
            end = at + len(word)
            given = _GIVEN.match(lower, end)
            if given:
                span = given.span(given.lastindex or 0)
                if _is_random(data[slice(*span)]):
                    yield span
            at = lower.find(word, end)


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
