"""Telling people: a line in a file, a signed HTTP request, or several of these."""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, urlsplit

from tidemill.adapters.durable_files import sync
from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http.client import HTTPConnection
    from pathlib import Path

    from tidemill.ports.notifier import Notice, Notifier

TIMEOUT_S = 10.0


class LogNotifier:
    """Appends a notice as one line of JSON; it is on the disk when `send` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, notice: Notice) -> None:
        """Append a notice. Lines of several processes never mix.

        Raises:
            UnavailableError: the file cannot be written.
        """
        line = canonical_json(notice) + b"\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, line)
                sync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise UnavailableError(
                f"notices cannot be written to {self._path}: {error.strerror}",
                fix="make room there, or see who owns the file",
            ) from error


class WebhookNotifier:
    """Posts a notice as JSON, signed.

    `X-Tidemill-Signature` is `sha256=` and the HMAC-SHA256 of the body under the secret (RFC 2104);
    `Idempotency-Key` is the notice's key, so that a receiver can tell a repeat.

    Args:
        url: where to; http or https. Its path may be a secret and is in no error.
        secret: shared with the receiver; empty: no signature.
        timeout_s: longest wait for the connection and for each read.
    """

    def __init__(self, url: str, secret: str = "", *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = urlsplit(url)
        if self._url.scheme not in {"http", "https"} or not self._url.hostname:
            raise InvalidInputError(
                f"{self._url.scheme or 'a text'}:… is not the address of a webhook",
                fix="give a whole address such as https://chat.example.org/hooks/NAME",
            )
        self._secret = secret.encode()
        self._timeout_s = timeout_s

    def send(self, notice: Notice) -> None:
        """Post a notice; a redirect is not followed.

        Raises:
            UnavailableError: no answer in time, or one that is not 2xx.
        """
        from http.client import HTTPException  # noqa: PLC0415 - loads ssl; most commands send none

        body = canonical_json(notice)
        try:
            status = self._post(body, notice.key)
        except (OSError, HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise self._unavailable(f"does not answer: {reason}") from error
        if not 200 <= status < 300:
            raise self._unavailable(f"answered {status}")

    def _post(self, body: bytes, key: str) -> int:
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": quote(key, safe=" :/@"),
            "User-Agent": "tidemill",
        }
        if self._secret:
            digest = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
            headers["X-Tidemill-Signature"] = f"sha256={digest}"
        path = self._url.path or "/"
        connection = _connection(self._url, self._timeout_s)
        try:
            query = f"?{self._url.query}" if self._url.query else ""
            connection.request("POST", path + query, body=body, headers=headers)
            return connection.getresponse().status
        finally:
            connection.close()

    def _unavailable(self, what: str) -> UnavailableError:
        return UnavailableError(
            f"the webhook at {self._url.hostname} {what}",
            fix="see whether its address and secret are right; the notice will be sent again",
        )


class Notifiers:
    """Tells all of several; one that fails keeps none of the others from being told."""

    def __init__(self, notifiers: Sequence[Notifier]) -> None:
        self._notifiers = tuple(notifiers)

    def send(self, notice: Notice) -> None:
        """Deliver a notice to each.

        Raises:
            UnavailableError: some did not take it; says which, after all were tried.
        """
        failed: list[UnavailableError] = []
        for notifier in self._notifiers:
            try:
                notifier.send(notice)
            except UnavailableError as error:
                failed.append(error)
        if failed:
            raise UnavailableError(
                "; ".join(error.what for error in failed), fix=failed[0].fix
            ) from failed[0]


def _connection(url: SplitResult, timeout_s: float) -> HTTPConnection:
    from http.client import HTTPConnection, HTTPSConnection  # noqa: PLC0415 - see `send`

    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    return kind(url.hostname or "", url.port, timeout=timeout_s)
