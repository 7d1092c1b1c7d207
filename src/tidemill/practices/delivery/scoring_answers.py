"""Starting a scoring process and reading what it answers, frame by frame."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
from typing import IO, TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError, UnavailableError
from tidemill.practices.delivery.scoring_job import END, FRAME, ScoringFault, receive

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import polars as pl

    from tidemill.practices.delivery.scoring_job import ScoringJob

PROCESS = "tidemill.practices.delivery.scoring_process"
_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS", "POLARS_MAX_THREADS",
)  # fmt: skip


def answered_frames(job: ScoringJob, *, threads: int) -> Generator[pl.DataFrame, None, None]:
    """Yield the prediction rows of a job, scored by a process of its own.

    The process waits while nobody takes its frames, so that memory holds two or three of them; it
    is gone when the generator is closed.

    Raises:
        InvalidInputError: the rows do not fit the model, or the model fails on them.
        UnavailableError: the process died; says how.
    """
    environment = os.environ | dict.fromkeys(_THREADS, str(threads))
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", PROCESS],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, env=environment,
        )  # fmt: skip
        try:
            if process.stdin is None or process.stdout is None:
                raise RuntimeError
            _tell(process.stdin, job)
            yield from _frames(process, process.stdout, told)
        finally:
            if process.stdout:
                process.stdout.close()
            process.kill()
            process.wait()


def _tell(pipe: IO[bytes], job: ScoringJob) -> None:
    try:
        pipe.write(msgspec.json.encode(job))
        pipe.close()
    except BrokenPipeError:
        pass  # it died at once: what it said is read below


def _frames(
    process: subprocess.Popen[bytes], pipe: IO[bytes], told: IO[bytes]
) -> Iterator[pl.DataFrame]:
    import polars as pl  # noqa: PLC0415 - heavy

    while True:
        message = receive(pipe)
        if message is None:
            raise _died(process, told)
        letter, body = message
        if letter == END:
            return
        if letter == FRAME:
            yield pl.read_ipc(io.BytesIO(body))
            continue
        fault = msgspec.json.decode(body, type=ScoringFault)
        raise (InvalidInputError if fault.is_input else UnavailableError)(fault.what, fix=fault.fix)


def _died(process: subprocess.Popen[bytes], told: IO[bytes]) -> UnavailableError:
    code = process.wait()
    told.seek(0)
    lines = [line for line in told.read().decode("utf-8", "replace").splitlines() if line.strip()]
    last = lines[-1] if lines else "it said nothing"
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return UnavailableError(
        f"the process that scores ended with {how}: {last}",
        fix="nothing was added; give it more memory, or see that the model predicts: tm.load",
    )
