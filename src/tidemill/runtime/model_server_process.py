"""The process around a model server: load, warm up, serve on an inherited socket, drain, leave."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Sequence
from email.utils import format_datetime
from pathlib import Path

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from tidemill.ports.clock import Clock
from tidemill.ports.stream import Stream
from tidemill.ports.target import ServiceSpec
from tidemill.practices.versioning.drawn_inputs import blank_row, can_be_made_up
from tidemill.runtime.model_server import ModelServer, ServerIdentity
from tidemill.runtime.model_server_inference import Inference, ServedModel, ServedRule, open_log
from tidemill.runtime.server_figures import Labels, ServerFigures
from tidemill.wire.listening import require_loopback
from tidemill.wire.open_inference_answer import model_metadata

BACKLOG = 2048
KEEP_ALIVE_S = 75
DRAIN_S = 15.0
"""How long a server that was replaced waits for connections that lie idle to ask once more."""
FLUSH_S = 5.0
"""The longest that the last answers may take to leave."""
LEAVE_S = 1.0
"""The same for one that is told to stop (SIGTERM): nothing replaces it."""


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What a server process is given: the spec, how to load, where to log and listen."""

    spec: ServiceSpec
    load: Callable[[Path], ServedModel]
    rules: Sequence[ServedRule]
    stream: Stream
    clock: Clock
    listener: socket.socket
    tell: Callable[[str], None]
    """Called with `serving` once requests are taken, with `draining` when no more are."""
    release: str = ""
    platform: str = ""


def serve(serving: Serving) -> None:
    """Serve until a signal says drain (SIGUSR1: replaced, SIGTERM or SIGINT: stop).

    Requests are taken only after the model has answered a warm-up row; while draining every answer
    closes its connection, and the process leaves when no connection is left.

    Raises:
        NotAllowedError: the spec asks for an address that others can reach.
    """
    spec = serving.spec
    require_loopback(spec.host)
    model = serving.load(Path(spec.model_folder))
    warm_up(model)
    labels = Labels(deployment=spec.name, model=spec.model_name, version=spec.model_version)
    figures = ServerFigures(labels, [rule.name for rule in serving.rules])
    log = open_log(serving.stream, spec.name, durable=spec.log == "durable")
    inference = Inference(
        spec, model, rules=serving.rules, log=log, figures=figures, clock=serving.clock
    )
    identity = ServerIdentity(
        names=frozenset({spec.name, spec.model_name}), version=spec.model_version,
        metadata=model_metadata(
            spec.model_name, spec.model_version, serving.platform or "tidemill", model.signature
        ),
        release=serving.release,
    )  # fmt: skip
    app = ModelServer(identity, inference, figures, serving.clock)
    gc.collect()
    gc.freeze()
    try:
        asyncio.run(_served(app, serving))
    finally:
        log.close()


def warm_up(model: ServedModel) -> None:
    """Let a model answer a made-up row, so that the first request waits for nothing.

    One that takes what cannot be made up (an image's bytes) may refuse it.
    """
    try:
        model.predict(blank_row(model.signature))
    except Exception:  # the model is foreign code: it may raise anything
        if can_be_made_up(model.signature):
            raise


async def _served(app: ModelServer, serving: Serving) -> None:
    config = Config(
        app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S, server_header=False,
    )  # fmt: skip
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    told: asyncio.Future[float] = loop.create_future()
    for number, grace_s in (
        (signal.SIGUSR1, DRAIN_S), (signal.SIGTERM, LEAVE_S), (signal.SIGINT, LEAVE_S)
    ):  # fmt: skip
        loop.add_signal_handler(number, _tell_once, told, grace_s)
    server = await loop.create_server(
        lambda: HttpToolsProtocol(config, state, {}), sock=serving.listener, backlog=BACKLOG
    )
    dates = loop.create_task(_keep_date(state, serving.clock))
    serving.tell("serving")
    grace_s = await told
    app.is_draining = True
    server.close()
    serving.tell("draining")
    await _drained(state, grace_s)
    dates.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await dates


def _tell_once(told: asyncio.Future[float], grace_s: float) -> None:
    if not told.done():
        told.set_result(grace_s)


async def _drained(state: ServerState, grace_s: float) -> None:
    """Return when no connection is left; idle ones are cut after `grace_s`, busy ones never."""
    await _empty(state, grace_s)
    for connection in list(state.connections):
        connection.shutdown()  # closes an idle one, and a busy one after its answer
    while state.tasks:
        await asyncio.wait(list(state.tasks))
    await _empty(state, FLUSH_S)


async def _empty(state: ServerState, within_s: float) -> None:
    end = asyncio.get_running_loop().time() + within_s
    while state.connections and asyncio.get_running_loop().time() < end:  # noqa: ASYNC110 - the set of connections is uvicorn's own and tells nobody
        await asyncio.sleep(0.02)


async def _keep_date(state: ServerState, clock: Clock) -> None:
    while True:
        date = format_datetime(clock.now(), usegmt=True).encode()
        state.default_headers = [(b"date", date), (b"server", b"tidemill")]
        await asyncio.sleep(1)
