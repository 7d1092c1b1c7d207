"""The tables of `tidemill.toml` that belong to a practice: `[gates]`, `[[trigger]]`."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tidemill.core.errors import InvalidInputError
from tidemill.practices.infrastructure.project import project_root

if TYPE_CHECKING:
    from tidemill.lineage.record import Record

T = TypeVar("T")

FILE = "tidemill.toml"


def file_text(record: Record) -> str:
    """Return the project's file as it lies there, "" where there is none.

    Raises:
        InvalidInputError: it is not UTF-8.
    """
    path = project_root(record) / FILE
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{FILE} cannot be read: {error}", fix=f"repair {FILE}") from None


def file_table(record: Record, name: str, type_: type[T], *, default: T) -> T:
    """Return a top-level table of the project's file as a value; `default` where there is none.

    Raises:
        InvalidInputError: the file is no TOML, or a key is unknown or of another type.
    """
    try:
        parsed = tomllib.loads(file_text(record))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{FILE} cannot be read: {error}", fix=f"repair {FILE}") from None
    if name not in parsed:
        return default
    try:
        return msgspec.convert(parsed[name], type_)
    except msgspec.ValidationError as error:
        raise InvalidInputError(
            f"[{name}] in {FILE}: {error}", fix=f"correct [{name}] in {FILE}"
        ) from None
