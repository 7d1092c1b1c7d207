"""Entry of a model server process: `python -m tidemill.app.model_server SPEC FOLDER DIGEST LOG`.

Started by `adapters/local/target/services.py` with the service's listening socket as descriptor 3.
Threads are pinned before anything that brings BLAS or OpenMP is imported: a fight over cores costs
a single row up to 800 times its time.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tidemill.adapters.local.clock import SystemClock
from tidemill.adapters.local.stream import MappedStream
from tidemill.adapters.local.target.service_files import ServerNote, ServiceFolder
from tidemill.adapters.local.target.services import SOCKET_FD
from tidemill.adapters.local.target.socket_handover import hand_out, handover_path
from tidemill.adapters.process_owner import process_owner
from tidemill.core.errors import TidemillError
from tidemill.ports.target import ServiceSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidemill.runtime.model_server_inference import ServedModel, ServedRule

THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS", "BLIS_NUM_THREADS",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code."""
    return run(sys.argv[1:] if arguments is None else arguments, _model)


def run(arguments: Sequence[str], load: Callable[[Path], ServedModel]) -> int:
    """Serve with a way to load the model; prints an error and returns its exit code."""
    spec_file, folder, digest, log = arguments
    spec = msgspec.json.decode(Path(spec_file).read_bytes(), type=ServiceSpec)
    for variable in THREAD_VARIABLES:
        os.environ[variable] = str(spec.threads)
    try:
        _serve(spec, Path(folder), digest, log, load)
    except TidemillError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _serve(
    spec: ServiceSpec, folder: Path, digest: str, log: str, load: Callable[[Path], ServedModel]
) -> None:
    files = ServiceFolder(folder.parent, folder.name)
    listener = socket.socket(fileno=SOCKET_FD)
    handover = handover_path(f"{digest}-{os.getpid()}")

    def tell(state: str) -> None:
        files.note(
            msgspec.convert(
                {
                    "pid": os.getpid(), "owner": process_owner(), "digest": digest,
                    "deployment": spec.deployment, "state": state, "log": log,
                    "handover": str(handover),
                },
                ServerNote,
            )
        )  # fmt: skip

    hand_out(listener, handover)
    tell("starting")
    from tidemill.runtime.model_server_process import Serving, serve  # noqa: PLC0415 - NumPy reads its threads when it is imported

    try:
        serve(
            Serving(
                spec=spec, load=load, rules=_rules(spec.contract), clock=SystemClock(),
                stream=MappedStream(folder.parent.parent / "stream"), listener=listener,
                tell=tell, release=version("tidemill"), platform=_format(Path(spec.model_folder)),
            )
        )  # fmt: skip
    finally:
        files.forget_note(os.getpid())
        handover.unlink(missing_ok=True)


def _model(folder: Path) -> ServedModel:
    """Load a registered model with nothing but what its format needs to predict.

    Its folder is named by its id, with which its files are compared: a process that starts again
    in a month reads what was checked out today.
    """
    from tidemill.practices.versioning.model import load_to_predict  # noqa: PLC0415 - brings NumPy
    from tidemill.practices.versioning.model_files import check_files  # noqa: PLC0415 - as above

    check_files(folder, f"tree1:{folder.name}")
    return load_to_predict(folder)


def _format(folder: Path) -> str:
    try:
        head = msgspec.json.decode((folder / "model.json").read_bytes())
    except FileNotFoundError:
        return ""
    return str(head.get("format", ""))


def _rules(contract: str) -> list[ServedRule]:
    from tidemill.runtime.model_server_rules import served_rules  # noqa: PLC0415 - brings NumPy

    return served_rules(contract)


if __name__ == "__main__":
    sys.exit(main())
