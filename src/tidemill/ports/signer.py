"""The signer port: private keys that never leave their place, and signatures made with them.

Rules: keys lie outside every record, readable by their owner alone; `make` never replaces a key;
what a place cannot keep private it refuses to use.
"""

from typing import Protocol


class Signer(Protocol):
    """Ed25519 keys by name; a name is that of a public key, as the record knows it."""

    def make(self) -> bytes:
        """Make a key, durably, and return its public half, 32 bytes.

        Raises:
            NotAllowedError: the place cannot be written, or others could read it.
            UnavailableError: no room left.
        """
        ...

    def has(self, public: bytes) -> bool:
        """Return whether the private half of a key is here."""
        ...

    def sign(self, public: bytes, text: bytes) -> bytes:
        """Return the signature of a text, 64 bytes.

        Raises:
            NotFoundError: the private half is not here.
            NotAllowedError: others can read it.
        """
        ...

    def is_signed(self, public: bytes, text: bytes, signature: bytes) -> bool:
        """Return whether a signature is that of the text by the key; needs no private half."""
        ...
