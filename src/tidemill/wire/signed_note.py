"""Signed notes: a short text with Ed25519 signatures below it, readable by people and by tools.

    text, its last line ended
    (an empty line)
    — NAME BASE64(4 bytes that name the key, 64 of signature)

A public key is one word, `NAME+HEX+BASE64`: the name, the four bytes, and 0x01 with the key itself.

Source: C2SP, "Signed note" (https://c2sp.org/signed-note), as transparency logs use it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib

import msgspec

_ED25519 = b"\x01"
_KEY_BYTES, _ID_BYTES, _SIGNATURE_BYTES = 32, 4, 64
_DASH = "\u2014 "


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """An Ed25519 key by its name; `raw` are its 32 bytes."""

    name: str
    raw: bytes

    @property
    def id(self) -> str:
        """The four bytes by which a signature names it, as hexadecimal."""
        named = f"{self.name}\n".encode() + _ED25519 + self.raw
        return hashlib.sha256(named).hexdigest()[: 2 * _ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.id}+{_told(_ED25519 + self.raw)}"


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed: the name and id of a key, and the 64 bytes."""

    name: str
    key_id: str
    raw: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {_told(bytes.fromhex(self.key_id) + self.raw)}"


class SignedNote(msgspec.Struct, frozen=True, kw_only=True):
    """A text and the signatures below it."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        below = "".join(f"{one}\n" for one in self.signatures)
        return f"{self.text}\n{below}"


def parse_note(text: str) -> SignedNote | None:
    """Return a note; None: the text is none."""
    body, gap, below = text.rpartition("\n\n")
    if not gap or not body or not below.endswith("\n"):
        return None
    signatures = tuple(_signature(line) for line in below.splitlines())
    if not signatures or None in signatures:
        return None
    return SignedNote(
        text=f"{body}\n", signatures=tuple(one for one in signatures if one is not None)
    )


def parse_key(text: str) -> PublicKey | None:
    """Return a public key from its word; None: it is none, or its id is not that of its bytes."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _bytes(encoded)
    if not name or raw is None or len(raw) != 1 + _KEY_BYTES or raw[:1] != _ED25519:
        return None
    key = PublicKey(name=name, raw=raw[1:])
    return key if key.id == key_id else None


def _signature(line: str) -> Signature | None:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _bytes(encoded)
    if not line.startswith(_DASH) or not name or raw is None:
        return None
    if len(raw) != _ID_BYTES + _SIGNATURE_BYTES:
        return None
    return Signature(name=name, key_id=raw[:_ID_BYTES].hex(), raw=raw[_ID_BYTES:])


def _told(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
