"""The seam to the composition root: how a command gets the record that it works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tidemill.dispatch.call import RoleOf
    from tidemill.lineage.record import Record, Tell


class Opener(Protocol):
    """Opens the record that a command works on; the composition root brings it."""

    def __call__(
        self, folder: str | None, tell: Tell, *, needs_project: bool, begins: bool = False
    ) -> tuple[Record, RoleOf]:
        """Return the record at or above a folder, and who may do what in it.

        With `begins` a folder without a project becomes one.
        """
        ...
