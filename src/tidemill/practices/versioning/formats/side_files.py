"""The small JSON files beside a model's own: read strictly, each error names its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.practices.versioning.formats.reading import reading

if TYPE_CHECKING:
    from pathlib import Path


def texts_of(file: Path) -> tuple[str, ...]:
    """Return a list of texts; no such file: none.

    Raises:
        CorruptError: it is no such list, or no file.
    """
    if not file.exists():
        return ()
    with reading(file.name, msgspec.MsgspecError):
        return msgspec.json.decode(file.read_bytes(), type=tuple[str, ...])
