"""The notifier port: tells people. A delivery may come twice, and never blocks what it tells of."""

from typing import Literal, Protocol

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What to tell. `key` is the same for every repeat of one notice."""

    key: str
    severity: Literal["info", "warning", "alert"]
    title: str
    text: str


class Notifier(Protocol):
    """Delivers notices."""

    def send(self, notice: Notice) -> None:
        """Deliver a notice.

        Raises:
            UnavailableError: the other side did not take it.
        """
        ...
