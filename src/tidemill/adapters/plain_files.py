"""A plain file of rows: the given one, or a copy that is unpacked, or a JSON array as lines."""

from __future__ import annotations

import contextlib
import gzip
import json
import shutil
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.adapters.file_kinds import HEAD_BYTES, Kind, Packing, file_kind, text_kind
from tidemill.adapters.frames import first_line
from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE_BYTES = 1 << 20
_NOT_UNPACKED = (
    OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, pl.exceptions.PolarsError,
)  # fmt: skip


class PlainFile(msgspec.Struct, frozen=True, kw_only=True):
    """One plain file: where it lies now, what people call it."""

    path: Path
    name: str
    kind: Kind


@contextlib.contextmanager
def plain(path: Path) -> Iterator[PlainFile]:
    """Give a file that is not packed: itself, or a copy that is gone afterwards.

    Raises:
        InvalidInputError: it is empty, damaged, or of no kind that can be read.
    """
    if path.stat().st_size == 0:
        raise InvalidInputError(f"{path.name} is empty", fix="give a file with rows in it")
    found = file_kind(path)
    if not found.packing and found.kind != "json":
        yield PlainFile(path=path, name=path.name, kind=found.kind)
        return
    with tempfile.NamedTemporaryFile(suffix=".csv") as spool:
        kind = _unpack(path, found.packing, found.kind, spool) if found.packing else found.kind
        if kind != "json":
            yield PlainFile(path=Path(spool.name), name=path.name, kind=kind)
            return
        with tempfile.NamedTemporaryFile(suffix=".jsonl") as lines:
            _as_lines(Path(spool.name) if found.packing else path, path.name, lines)
            yield PlainFile(path=Path(lines.name), name=path.name, kind="jsonl")


def _unpack(path: Path, packing: Packing, kind: Kind, spool: IO[bytes]) -> Kind:
    try:
        if packing == "zstd":
            for batch in pl.scan_lines(path).collect_batches(maintain_order=True, lazy=True):
                spool.write(("\n".join(batch.to_series()) + "\n").encode())
        else:
            with _opened(path, packing) as packed:
                shutil.copyfileobj(packed, spool, _PIECE_BYTES)
    except _NOT_UNPACKED as error:
        raise InvalidInputError(
            f"{path.name} cannot be unpacked: {first_line(error)}",
            fix="fetch it again, or unpack it yourself and give the .csv",
        ) from error
    spool.flush()
    with Path(spool.name).open("rb") as unpacked:
        head = unpacked.read(HEAD_BYTES)
    if not head:
        raise InvalidInputError(
            f"{path.name} holds an empty file", fix="give a file with rows in it"
        )
    return text_kind(path.name, head, kind)


@contextlib.contextmanager
def _opened(path: Path, packing: Packing) -> Iterator[IO[bytes]]:
    if packing == "gzip":
        with gzip.open(path) as packed:
            yield packed  # type: ignore[misc]  # a GzipFile reads bytes
        return
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in archive.namelist()
            if not name.endswith("/") and not name.startswith("__MACOSX/")
        ]
        if len(names) != 1 or not names[0].lower().endswith((".csv", ".txt", ".tsv")):
            raise InvalidInputError(
                f"{path.name} holds {len(names)} files ({', '.join(names[:3])}), not one .csv",
                fix="unpack it and give the file or the folder",
            )
        with archive.open(names[0]) as unpacked:
            yield unpacked


def _as_lines(path: Path, name: str, lines: IO[bytes]) -> None:
    """Write the objects of a JSON array as lines; memory holds a piece and the largest object."""
    decoder, text, place = json.JSONDecoder(), "", 0
    is_begun = is_over = False
    with path.open(encoding="utf-8-sig") as file:
        while not is_over:
            try:
                piece = file.read(_PIECE_BYTES)
            except UnicodeDecodeError as error:
                raise _no_array(name, f"it is not UTF-8 ({error.reason})") from error
            text, place = text[place:] + piece, 0
            if not is_begun:
                place, is_begun = text.index("[") + 1, True
            place, is_over = _objects(decoder, text, name, lines, place)
            if not piece and not is_over:
                raise _no_array(name, "its array does not end, or holds a value that is no JSON")
    lines.flush()


def _objects(
    decoder: json.JSONDecoder, text: str, name: str, lines: IO[bytes], place: int
) -> tuple[int, bool]:
    """Write the whole objects from a place on; return where the rest begins, and if it is over."""
    while True:
        start = place
        while start < len(text) and (text[start].isspace() or text[start] == ","):
            start += 1
        if start == len(text):
            return start, False
        if text[start] == "]":
            return start, True
        if text[start] != "{":
            raise _no_array(name, f"it holds {text[start : start + 20]!r}, which is no object")
        try:
            value, place = decoder.raw_decode(text, start)
        except json.JSONDecodeError:
            return start, False
        lines.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")


def _no_array(name: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name} is no JSON array of objects: {why}",
        fix="write one object a row, as an array or as lines (.jsonl)",
    )
