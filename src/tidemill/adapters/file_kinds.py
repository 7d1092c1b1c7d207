"""What a file of rows is, told by what it holds first and by its name second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["csv", "tsv", "semicolons", "parquet", "jsonl", "json", "arrow"]
Packing = Literal["", "gzip", "zstd", "zip"]

BY_SUFFIX: dict[str, Kind] = {
    ".csv": "csv", ".txt": "csv", ".tsv": "tsv", ".tab": "tsv", ".parquet": "parquet",
    ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json", ".arrow": "arrow",
    ".feather": "arrow", ".ipc": "arrow",
}  # fmt: skip
SEPARATOR: dict[Kind, str] = {"csv": ",", "tsv": "\t", "semicolons": ";"}
READABLE = (
    "CSV (also .tsv, .csv.gz, .csv.zst, .zip of one), Parquet, JSON (lines or an array) and Arrow"
)
HEAD_BYTES = 65_536

_SURE: tuple[tuple[bytes, Kind], ...] = ((b"PAR1", "parquet"), (b"ARROW1", "arrow"))
_PACKED: tuple[tuple[bytes, Packing], ...] = (
    (b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"PK\x03\x04", "zip"),
)  # fmt: skip
_PACKED_SUFFIX: dict[str, Packing] = {".gz": "gzip", ".zst": "zstd", ".zip": "zip"}
_REFUSED: tuple[tuple[bytes, str, str], ...] = (
    (b"BZh", "packed with bzip2", "bunzip2 -k"),
    (b"\xfd7zXZ", "packed with xz", "xz -dk"),
    (b"\x04\x22\x4d\x18", "packed with lz4", "lz4 -d"),
)
_REFUSED_SUFFIX = {".bz2": "bunzip2 -k", ".xz": "xz -dk", ".lz4": "lz4 -d"}
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"


class FileKind(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is: the rows in it, and how it is packed."""

    kind: Kind
    packing: Packing = ""


def is_table_name(path: Path) -> bool:
    """Return whether a file's name says that it holds a table; texts and JSON could be anything."""
    names = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in _PACKED_SUFFIX]
    return bool(names) and names[-1] in BY_SUFFIX and names[-1] not in {".txt", ".json"}


def file_kind(path: Path) -> FileKind:
    """Return what a file is.

    Raises:
        InvalidInputError: nothing can read it as rows; says what it is and what to do.
    """
    with path.open("rb") as opened:
        head = opened.read(HEAD_BYTES)
    _refuse_others(path, head)
    packing: Packing = next((how for magic, how in _PACKED if head.startswith(magic)), "")
    named = _named(path)
    if packing:
        return FileKind(kind=named if named in SEPARATOR or named == "jsonl" else "csv",
                        packing=packing)  # fmt: skip
    if _PACKED_SUFFIX.get(path.suffix.lower()) and head:
        raise InvalidInputError(
            f"{path.name} cannot be unpacked: it does not begin like a {path.suffix} file",
            fix="fetch it again, or name it for what it is",
        )
    for magic, kind in _SURE:
        if head.startswith(magic):
            return FileKind(kind=kind)
    return FileKind(kind=text_kind(path.name, head, named))


def text_kind(name: str, head: bytes, named: Kind | None) -> Kind:
    """Return what a text is, from its beginning. Raises as `file_kind`."""
    if named in {"parquet", "arrow"}:
        magic = next(magic for magic, kind in _SURE if kind == named)
        raise InvalidInputError(
            f"{name} cannot be read as {named}: it does not begin with {magic.decode()}",
            fix=f"fetch it again, or name it for what it is; what can be read: {READABLE}",
        )
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    is_array = start.startswith(b"[") and start[1:].lstrip()[:1] == b"{"
    if is_array or (named == "json" and start.startswith(b"[")):
        return "json"
    if named in {"json", "jsonl"} or start.startswith(b"{"):
        return "jsonl"
    if named is None and not _is_rows(head, start):
        raise InvalidInputError(
            f"{name!r} is of no kind that can be read",
            fix=f"what can be read: {READABLE}; other files are data as a folder of them",
        )
    return _separated(start, named)


def _separated(start: bytes, named: Kind | None) -> Kind:
    """Return what stands between the columns: what the name says, unless the head line has none."""
    line = start.split(b"\n", 1)[0]
    wanted = named or "csv"
    if SEPARATOR[wanted].encode() in line:
        return wanted
    for kind, separator in SEPARATOR.items():
        if separator.encode() in line:
            return kind
    return wanted


def _named(path: Path) -> Kind | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] and suffixes[-1] in _PACKED_SUFFIX:
        suffixes.pop()
    return BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def _is_rows(head: bytes, start: bytes) -> bool:
    """Return whether a text without a telling name has lines with something between columns."""
    line, end, _ = start.partition(b"\n")
    if b"\x00" in head or not end or not any(one.encode() in line for one in SEPARATOR.values()):
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 8  # a character cut by the end of the head
    return True


def _refuse_others(path: Path, head: bytes) -> None:
    suffix = path.suffix.lower()
    packed = next(((how, tool) for magic, how, tool in _REFUSED if head.startswith(magic)), None)
    if packed is None and suffix in _REFUSED_SUFFIX:
        packed = ("compressed in a way that is not read here", _REFUSED_SUFFIX[suffix])
    if packed is not None:
        raise InvalidInputError(
            f"{path.name} is {packed[0]}",
            fix=f"{packed[1]} {path.name}, and give what comes out, or pack it with gzip",
        )
    is_excel = suffix in {".xlsx", ".xlsm", ".xls", ".ods"} or head.startswith(_OLD_EXCEL)
    if is_excel or (head.startswith(b"PK\x03\x04") and b"xl/" in head and b"[Content_" in head):
        raise InvalidInputError(
            f"{path.name} is a workbook, in which types change from cell to cell",
            fix="save the sheet as CSV and add that, or read it with pandas and add the frame:"
            f" tm.add_data(NAME, pandas.read_excel({path.name!r}))",
        )
