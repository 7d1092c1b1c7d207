"""Files that a caller names to be written: where that cannot be, it is their input, told so."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.core.errors import InvalidInputError, NotAllowedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def writing_to(place: str | Path, option: str) -> Iterator[Path]:
    """Give the path to write to; what goes wrong there names it and the option that named it.

    Raises:
        InvalidInputError: its folder is not there, or it cannot be such a file.
        NotAllowedError: this user may not write there.
        UnavailableError: the disk is full.
    """
    path = Path(place)
    fix = f"give {option} a file in a folder that is there and that you may write"
    try:
        if not path.parent.is_dir():
            raise InvalidInputError(
                f"{place} cannot be written: there is no folder {path.parent}", fix=fix
            )
        yield path
    except OSError as error:
        what = f"{place} cannot be written: {error.strerror or error}"
        if error.errno in _FORBIDDEN:
            raise NotAllowedError(what, fix=fix) from None
        if error.errno in _FULL:
            raise UnavailableError(what, fix="make room on the disk, then run it again") from None
        raise InvalidInputError(what, fix=fix) from None
