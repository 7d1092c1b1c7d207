"""Private keys as files of their owner: one file a key, mode 600, in a folder of mode 700."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from tidemill.adapters.durable_files import sync, sync_folder
from tidemill.core.errors import NotAllowedError, NotFoundError, UnavailableError

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class LocalSigner:
    """Keys in a folder, by their public half; the library is imported where one is used."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> bytes:
        """Make a key, durably, and return its public half; never replaces one."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - 45 ms
            Ed25519PrivateKey,
        )

        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw()
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._write(self._path(public), key.private_bytes_raw())
        except PermissionError as error:
            raise NotAllowedError(
                f"no key can be kept in {self._folder}: {error.strerror}",
                fix="give a folder of your own with TIDEMILL_AUDIT_KEYS",
            ) from None
        except OSError as error:
            raise UnavailableError(
                f"no key can be kept in {self._folder}: {error.strerror}",
                fix="make room, or give another folder with TIDEMILL_AUDIT_KEYS",
            ) from None
        return public

    def has(self, public: bytes) -> bool:
        """Return whether the private half of a key is here."""
        return self._path(public).is_file()

    def sign(self, public: bytes, text: bytes) -> bytes:
        """Return the signature of a text; see the port."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - as above
            Ed25519PrivateKey,
        )

        return Ed25519PrivateKey.from_private_bytes(self._private(public)).sign(text)

    def is_signed(self, public: bytes, text: bytes, signature: bytes) -> bool:
        """Return whether a signature is that of the text by the key."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - as above
            Ed25519PublicKey,
        )

        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True

    def _private(self, public: bytes) -> bytes:
        path = self._path(public)
        try:
            mode, private = path.stat().st_mode, path.read_bytes()
        except FileNotFoundError:
            raise NotFoundError(
                f"the private key {path.stem} is not in {self._folder}",
                fix="bring it there, or journal a new one: tidemill audit rotate --because ...",
            ) from None
        if mode & _OTHERS:
            raise NotAllowedError(
                f"{path} can be read by others (mode {stat.S_IMODE(mode):o})",
                fix=f"chmod 600 {path}; if somebody may have read it: tidemill audit rotate",
            )
        return private

    def _write(self, path: Path, private: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, private)
            sync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(descriptor)
        sync_folder(self._folder)

    def _path(self, public: bytes) -> Path:
        return self._folder / f"{public.hex()[:32]}.key"
