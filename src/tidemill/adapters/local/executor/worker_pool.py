"""Step workers: processes with a channel for orders, a pipe for what they print, and a lifeline.

A worker leads a session and process group of its own, so that it can be ended with everything that
it has started. It inherits two descriptors: the channel, and the reading end of its lifeline, at
whose end of file (we ended, however) a guard of the worker kills the group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.wire.step_protocol import MARK, FrameReader, encode_frame, output_mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tidemill.ports.executor import StepOrder

OUTPUT_KEPT_BYTES = 16 * 1024
"""How much of what a step printed is kept: its end."""
GOES_S = 0.5
"""How long an idle worker may take to go by itself."""
GONE_S = 2.0
"""How long to wait until a killed group is gone."""

_PROC = Path("/proc")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS",
)  # fmt: skip


class Worker:
    """One worker process, the orders that it has been sent, and what it has printed."""

    def __init__(self, command: Sequence[str], folder: Path, threads: int, code: str) -> None:
        self.threads, self.code = threads, code  # one that has loaded other code is of no use
        self.orders: deque[StepOrder] = deque()
        self.head_since = 0.0
        self.reader = FrameReader()
        self.outgoing = bytearray()
        self._printed = bytearray()
        self._is_killed = False
        self.channel, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self.output, their_output = os.pipe()
        try:
            self.process = subprocess.Popen(  # noqa: S603 - the command that app gave
                [*command, str(theirs.fileno()), str(lifeline)],
                stdin=subprocess.DEVNULL, stdout=their_output, stderr=their_output, cwd=folder,
                env=_environment(os.environ, threads), pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,
            )  # fmt: skip
        except BaseException:  # Ctrl-C too: no pipe is left open
            self._close_ends()
            raise
        finally:
            theirs.close()
            os.close(lifeline)
            os.close(their_output)
        self.channel.setblocking(False)  # noqa: FBT003
        os.set_blocking(self.output, False)

    def send(self, order: StepOrder, now: float) -> None:
        """Hand over an order; it starts when those before it have ended."""
        if not self.orders:
            self.head_since = now
        self.orders.append(order)
        self.outgoing += encode_frame(order)
        self.flush()

    def flush(self) -> None:
        """Write what the channel takes now."""
        with contextlib.suppress(BlockingIOError, OSError):  # a dead worker is noticed by reading
            while self.outgoing:
                sent = self.channel.send(self.outgoing)
                del self.outgoing[:sent]

    def receive(self) -> bytes | None:
        """Return bytes of outcomes; empty: the worker has closed its end; None: nothing now."""
        try:
            return self.channel.recv(1 << 20)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def read_output(self) -> bool:
        """Take in what was printed; False: nothing more will come."""
        while True:
            try:
                piece = os.read(self.output, 1 << 16)
            except BlockingIOError:
                return True
            if not piece:
                return False
            self._printed += piece
            if len(self._printed) > 64 * OUTPUT_KEPT_BYTES and MARK not in self._printed:
                del self._printed[: -2 * OUTPUT_KEPT_BYTES]

    def printed_by(self, order: str) -> str:
        """Return the end of what an order printed, and forget it."""
        self.read_output()
        own, mark, rest = self._printed.partition(output_mark(order))
        self._printed = rest if mark else bytearray()
        return _text(own)

    def new_lines(self, fresh_from: int) -> tuple[list[str], int]:
        """Return whole lines printed by the order at the head, after a place in its output."""
        end = self._printed.find(b"\0", fresh_from)
        visible = self._printed if end < 0 else self._printed[:end]
        last = visible.rfind(b"\n") + 1
        if last <= fresh_from:
            return [], min(fresh_from, len(self._printed))
        return _text(visible[fresh_from:last]).splitlines(), last

    def kill(self) -> None:
        """End the worker with everything that it has started; returns when they are gone."""
        if self._is_killed:
            return
        self._is_killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + GONE_S
        while time.monotonic() < deadline:
            if not _lives(self.process.pid):
                break
            time.sleep(0.002)

    def close(self) -> None:
        """Let it end, by force where it works on something, and let go of its descriptors."""
        if not self.orders and not self._is_killed:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                self.channel.shutdown(socket.SHUT_RDWR)
                self.process.wait(GOES_S)
        self.kill()
        self._close_ends()

    def _close_ends(self) -> None:
        self.channel.close()
        os.close(self.output)
        os.close(self._lifeline)

    @property
    def has_died(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    @property
    def death(self) -> str:
        """How the process ended, for people."""
        code = self.process.returncode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(-code).name}"
            return f"was killed by signal {-code}"
        return f"ended by itself with status {code}"


def _lives(group: int) -> bool:
    """Return whether a process of a group lives; one that nobody has reaped does not."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    if not _PROC.exists():
        return True
    for stat in _PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] not in "ZX":
                return True
    return False


def _environment(given: Mapping[str, str], threads: int) -> dict[str, str]:
    variables = dict(given) | dict.fromkeys(_THREAD_VARIABLES, str(threads))
    # Threads that wait by spinning take the cores that other steps need: 6 times the CPU, measured.
    waiting = {"OMP_WAIT_POLICY": "PASSIVE"}
    return variables | waiting | {"PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}


def _text(data: bytes | bytearray) -> str:
    return bytes(data[-OUTPUT_KEPT_BYTES:]).decode("utf-8", "replace")
