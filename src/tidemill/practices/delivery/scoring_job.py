"""What a scoring process is told, and how its answers come back: frames through a pipe.

Each message is a letter, eight bytes of length and a body: `F` a frame in Arrow's format, `E` an
error, `D` the end. Nothing else is written there: what the model prints goes elsewhere.
"""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

import msgspec

from tidemill.practices.versioning.tables import TableManifest

if TYPE_CHECKING:
    import polars as pl

FRAME, FAULT, END = b"F", b"E", b"D"


class ScoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a folder that is scored: its path in the folder, and where its bytes lie."""

    path: str
    object: str
    size_bytes: int


class ScoringJob(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows to score with which model. Either `manifest` and `fragments`, or `files`.

    Where views were joined onto the rows, `joined` are files of tables that stand side by side: the
    rows first, then the features of each view.
    """

    model_folder: str
    scoring: str
    """Artifact id of the scoring, which stands where a deployment's does."""
    model: str
    model_version: str
    moment_us: int
    """Effective time of rows that have none of their own."""
    received_us: int
    manifest: TableManifest | None = None
    fragments: tuple[str, ...] = ()
    files: tuple[ScoredFile, ...] = ()
    joined: tuple[tuple[str, ...], ...] = ()
    start_us: int | None = None
    end_us: int | None = None
    rules: str = ""
    log_array_bytes: int = 4096
    batch_rows: int = 65_536
    batch_bytes: int = 64 << 20


class ScoringFault(msgspec.Struct, frozen=True, kw_only=True):
    """Why a scoring process gave up; `is_input`: the rows do not fit the model."""

    what: str
    fix: str
    is_input: bool


def send_frame(pipe: IO[bytes], frame: pl.DataFrame) -> None:
    """Write a frame; blocks while nobody reads."""
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    _send(pipe, FRAME, buffer.getvalue())


def send_fault(pipe: IO[bytes], fault: ScoringFault) -> None:
    """Write an error, the last message."""
    _send(pipe, FAULT, msgspec.json.encode(fault))


def send_end(pipe: IO[bytes]) -> None:
    """Write that everything was sent."""
    _send(pipe, END, b"")


def receive(pipe: IO[bytes]) -> tuple[bytes, bytes] | None:
    """Return the next message, its letter and body; None: the writer died within it."""
    head = pipe.read(9)
    if len(head) < 9:
        return None
    size = int.from_bytes(head[1:], "little")
    body = pipe.read(size)
    return (head[:1], body) if len(body) == size else None


def _send(pipe: IO[bytes], letter: bytes, body: bytes) -> None:
    pipe.write(letter + len(body).to_bytes(8, "little"))
    pipe.write(body)
    pipe.flush()
