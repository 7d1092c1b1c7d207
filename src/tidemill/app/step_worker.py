"""Entry of a step worker: `... -m tidemill.app.step_worker FOLDER CODE OBJECTS CHANNEL LIFELINE`.

Started by `adapters/local/executor/local_executor.py`, with BLAS and OpenMP threads pinned in the
environment. A guard, a child that only waits, kills the whole process group when whoever started it
has ended, also while a step sits in C code: no worker and nothing that a step has started is left.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.runtime.step_runner import StepRunner


def worker_command(folder: Path, code: Path, objects: Path) -> tuple[str, ...]:
    """Return the command that starts a worker of a project.

    Args:
        folder: the project's folder.
        code: folder of its own modules.
        objects: the object store's folder.
    """
    entry = (sys.executable, "-P", "-m", "tidemill.app.step_worker")
    return (*entry, str(folder.resolve()), str(code.resolve()), str(objects.resolve()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run orders until the channel ends; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    folder, code, objects = (Path(part) for part in given[:3])
    channel, lifeline = int(given[3]), int(given[4])
    guard = _guard(lifeline)
    sys.path.insert(0, str(code))
    _serve(folder, code, objects, socket.socket(fileno=channel))
    os.kill(guard, signal.SIGKILL)
    os.waitpid(guard, 0)
    return 0


def runner_of(folder: Path, code: Path, objects: Path, *, is_own: bool = True) -> StepRunner:
    """Return what runs the steps of a project; `is_own`: in a process for nothing else."""
    from tidemill.adapters.installed import editable_folders  # noqa: PLC0415 - after the guard
    from tidemill.adapters.local.object_store import LocalObjectStore  # noqa: PLC0415
    from tidemill.adapters.local.workspace import LocalWorkspace  # noqa: PLC0415
    from tidemill.practices.infrastructure.source_loading import load_from_source  # noqa: PLC0415
    from tidemill.practices.pipelines.code_identity import identity_of_sources  # noqa: PLC0415
    from tidemill.practices.pipelines.identity.module_index import ModuleIndex  # noqa: PLC0415
    from tidemill.practices.pipelines.released_modules import (  # noqa: PLC0415
        allow_releases,
        releases_folder,
    )
    from tidemill.runtime.observation import Observation  # noqa: PLC0415
    from tidemill.runtime.outside_modules import OutsideModules  # noqa: PLC0415
    from tidemill.runtime.step_runner import StepRunner  # noqa: PLC0415

    load_from_source(folder, code)
    workspace = LocalWorkspace(folder, code)
    sources = workspace.sources()
    index = ModuleIndex(workspace.cache / "modules.msgpack", time.time_ns())
    identity = identity_of_sources(folder, sources, index)
    releases = releases_folder(folder)
    allow_releases(releases)
    outside = OutsideModules(sources, [*editable_folders(), releases])
    observation = Observation(folder, [objects, releases])
    return StepRunner(
        LocalObjectStore(objects), identity, code, outside, observation, is_own=is_own
    )


def _guard(lifeline: int) -> int:
    """Start the guard: it waits for the end of the lifeline and kills the group, itself too."""
    guard = os.fork()
    if guard != 0:
        os.close(lifeline)
        return guard
    try:
        os.closerange(0, lifeline)
        os.closerange(lifeline + 1, 1024)
        os.read(lifeline, 1)
    finally:
        os.killpg(0, signal.SIGKILL)
    return 0


def _serve(folder: Path, code: Path, objects: Path, channel: socket.socket) -> None:
    from tidemill.wire.step_protocol import (  # noqa: PLC0415
        FrameReader,
        decode_order,
        encode_frame,
        output_mark,
    )

    runner = runner_of(folder, code, objects)
    reader = FrameReader()
    while data := channel.recv(1 << 20):
        for body in reader.feed(data):
            order = decode_order(body)
            outcome = runner.run(order)
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os.write(1, output_mark(order.order))
            channel.sendall(encode_frame(outcome))


if __name__ == "__main__":
    sys.exit(main())
