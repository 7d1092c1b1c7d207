"""The model server as an ASGI application: routes of the V2 protocol, health, figures.

The event loop only moves bytes; requests are worked on one after the other in a thread of their
own, so that health and figures answer while a model thinks.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.runtime.model_server_inference import Answer, arrived_now, error_body
from tidemill.wire.open_inference import RequestError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from tidemill.ports.clock import Clock
    from tidemill.runtime.model_server_inference import Inference
    from tidemill.runtime.server_figures import ServerFigures

JSON_HEAD = b"inference-header-content-length"
JSON_TYPE, BINARY_TYPE, TEXT_TYPE = "application/json", "application/octet-stream", "text/plain"


class ServerIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """Under which names a server answers, and its limits."""

    names: frozenset[str]
    """Model names that it answers to: the deployment's and the model's."""
    version: str
    metadata: bytes
    """The body of the model's metadata."""
    release: str
    """tidemill's own version."""
    max_body_bytes: int = 16 << 20
    max_waiting: int = 256
    body_timeout_s: float = 30.0
    """How long a sender may take for a body: whoever sends slowly must not stay for ever."""


class ModelServer:
    """The application; one a process. `is_draining` closes every connection after its answer."""

    def __init__(
        self, identity: ServerIdentity, inference: Inference, figures: ServerFigures, clock: Clock
    ) -> None:
        self._identity, self._inference = identity, inference
        self._figures, self._clock = figures, clock
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self.is_draining = False

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        answer, type_, extra = await self._answer(scope, receive)
        self._figures.answered(answer.status)
        headers = [
            (b"content-type", type_.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            *extra,
        ]
        if answer.json_bytes is not None:
            headers.append((JSON_HEAD, str(answer.json_bytes).encode()))
        if self.is_draining:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(
        self, scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]]
    ) -> tuple[Answer, str, list[tuple[bytes, bytes]]]:
        try:
            route, allowed = self._route(scope["path"])
        except RequestError as error:
            return _refused(error), JSON_TYPE, []
        if scope["method"] != allowed:
            refusal = RequestError(405, f"{scope['method']} is not possible here, {allowed} is")
            return _refused(refusal), JSON_TYPE, [(b"allow", allowed.encode())]
        if route != "infer":
            body, type_ = self._told(route)
            return Answer(status=200, body=body), type_, []
        try:
            answer = await self._infer(dict(scope["headers"]), receive)
        except RequestError as error:
            return _refused(error), JSON_TYPE, _retry(error.status)
        return answer, JSON_TYPE if answer.json_bytes is None else BINARY_TYPE, []

    def _route(self, path: str) -> tuple[str, str]:
        """Return what a path asks for, and the method that it takes."""
        parts = path.strip("/").split("/")
        if parts in ([""], ["v2"]):
            return "server", "GET"
        if parts == ["metrics"]:
            return "metrics", "GET"
        if parts in (["v2", "health", "live"], ["v2", "health", "ready"]):
            return "health", "GET"
        if parts[:2] != ["v2", "models"] or len(parts) < 3:
            raise RequestError(404, f"there is no {path}; try /v2 or /v2/models/NAME/infer")
        self._require_model(parts[2], parts[4:5] if parts[3:4] == ["versions"] else None)
        rest = parts[5:] if parts[3:4] == ["versions"] else parts[3:]
        route = {(): "model", ("ready",): "ready", ("infer",): "infer"}.get(tuple(rest))
        if route is None:
            raise RequestError(404, f"there is no {path}; a model has /ready and /infer")
        return route, "POST" if route == "infer" else "GET"

    def _require_model(self, name: str, version: list[str] | None) -> None:
        names = ", ".join(sorted(self._identity.names))
        if name not in self._identity.names:
            raise RequestError(404, f"there is no model {name!r} here; this server has {names}")
        if version is not None and version != [self._identity.version]:
            wanted = "".join(version)
            raise RequestError(
                404, f"model {name!r} has no version {wanted!r} here, {self._identity.version!r} is"
            )

    def _told(self, route: str) -> tuple[bytes, str]:
        if route == "metrics":
            return self._figures.prometheus(), f"{TEXT_TYPE}; version=0.0.4; charset=utf-8"
        if route == "model":
            return self._identity.metadata, JSON_TYPE
        if route == "server":
            about = {
                "name": "tidemill", "version": self._identity.release,
                "extensions": ["binary_tensor_data"],
            }  # fmt: skip
            return msgspec.json.encode(about), JSON_TYPE
        return b'{"ready":true}' if route == "ready" else b"{}", JSON_TYPE

    async def _infer(
        self, headers: dict[bytes, bytes], receive: Callable[[], Awaitable[Any]]
    ) -> Answer:
        json_bytes = _json_bytes(headers)
        _require_content(headers)
        body = await self._whole_body(receive)
        # A place in the queue is taken by whole requests only: slow senders hold none.
        if self._figures.waiting >= self._identity.max_waiting:
            raise RequestError(
                503, f"{self._figures.waiting} requests are waiting already; try again in a second"
            )
        self._figures.waiting += 1
        try:
            arrived = arrived_now(self._clock, body, json_bytes)
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._worker, self._inference.answer, arrived)
            took = self._clock.monotonic_s() - arrived.received_s
            self._figures.durations["total"].add(int(took * 1e6))
            return answer
        finally:
            self._figures.waiting -= 1

    async def _whole_body(self, receive: Callable[[], Awaitable[Any]]) -> bytes:
        longest_s = self._identity.body_timeout_s
        try:
            return await asyncio.wait_for(self._body(receive), longest_s)
        except TimeoutError:
            raise RequestError(
                408, f"the body did not come whole within {longest_s:g} s; send it again"
            ) from None

    async def _body(self, receive: Callable[[], Awaitable[Any]]) -> bytes:
        """Return the body; what comes after the limit is read by the server and thrown away."""
        pieces: list[bytes] = []
        size, is_whole, limit = 0, False, self._identity.max_body_bytes
        while not is_whole:
            message = await receive()
            if message["type"] != "http.request":
                raise RequestError(400, "the sender hung up within the body")
            is_whole = not message.get("more_body", False)
            size += len(message["body"])
            if size > limit:
                raise RequestError(413, f"the body is too large: at most {limit} bytes are taken")
            pieces.append(message["body"])
        return b"".join(pieces)


def _json_bytes(headers: dict[bytes, bytes]) -> int | None:
    given = headers.get(JSON_HEAD)
    if given is None:
        return None
    if not given.isdigit() or len(given) > 12:
        raise RequestError(
            400, f"Inference-Header-Content-Length is {given.decode('latin-1')!r}, not a length"
        )
    return int(given)


def _require_content(headers: dict[bytes, bytes]) -> None:
    type_ = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
    if type_ not in ("", JSON_TYPE, BINARY_TYPE):
        raise RequestError(415, f"the content type is {type_!r}; send Content-Type: {JSON_TYPE}")
    encoding = headers.get(b"content-encoding", b"identity").lower()
    if encoding != b"identity":
        raise RequestError(
            415, f"a body in {encoding.decode('latin-1')!r} is not taken; send it plain"
        )


def _refused(error: RequestError) -> Answer:
    return Answer(status=error.status, body=error_body(str(error)))


def _retry(status: int) -> list[tuple[bytes, bytes]]:
    return [(b"retry-after", b"1")] if status == 503 else []
