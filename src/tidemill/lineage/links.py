"""Links in folders of data: they may not bring in what lies outside of the folder."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path


def refuse_link_out(path: Path, name: str, home: Path) -> None:
    """Raise where a path leads out of a folder, by a link to anything that lies elsewhere.

    Args:
        path: the file that is to be data.
        name: how it is called inside the folder.
        home: the folder, resolved.

    Raises:
        InvalidInputError: names the link and where it leads.
    """
    target = path.resolve()
    if not target.is_relative_to(home):
        link, there = shlex.quote(str(path)), shlex.quote(str(target))
        raise InvalidInputError(
            f"{name} is a link to {str(target)!r}, which is outside the folder {home.name!r}",
            fix=f"remove the link, or, if those bytes are to be data, put a copy in its place:"
            f" rm {link} && cp {there} {link}",
        )
