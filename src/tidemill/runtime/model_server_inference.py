"""One request answered: decode, judge by the contract, predict, log, spell the answer."""

from __future__ import annotations

from collections.abc import (
    Callable,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import numpy as np

from tidemill.core.errors import InvalidInputError, LeaseHeldError
from tidemill.core.signature import Signature  # noqa: TC001 - part of a Protocol
from tidemill.core.task import Task  # noqa: TC001 - as above
from tidemill.core.times import microseconds
from tidemill.runtime.model_server_columns import (
    logged_columns,
    model_inputs,
    request_columns,
    require_outputs,
)
from tidemill.wire.logged_outputs import logged_outputs
from tidemill.wire.open_inference import (
    PREDICTION_ID,
    InferenceRequest,
    RequestError,
    decode_request,
)
from tidemill.wire.open_inference_answer import encode_answer
from tidemill.wire.prediction_block import (
    BlockStatus,
    LoggedColumn,
    PredictionBlock,
    encode_block,
    stream_candidates,
)
from tidemill.wire.prediction_ids import PredictionIds, spelled_ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tidemill.ports.clock import Clock
    from tidemill.ports.stream import Stream, StreamWriter
    from tidemill.ports.target import ServiceSpec
    from tidemill.runtime.server_figures import ServerFigures

MAX_RULES = 64
"""Rules that fit the bits of a row; later ones are still counted, and still refuse."""


class ServedModel(Protocol):
    """What a model server needs of a model."""

    @property
    def signature(self) -> Signature:
        """The columns that it takes and gives."""
        ...

    @property
    def task(self) -> Task:
        """What it predicts; its classes name the columns of a score a class."""
        ...

    def predict(self, columns: Mapping[str, NDArray[Any]], /) -> Mapping[str, NDArray[Any]]:
        """Return the outputs, shape (rows, *shape of a row's answer)."""
        ...


class ServedRule(msgspec.Struct, frozen=True, kw_only=True):
    """One row rule of the request contract. `failed(columns, valid)` says which rows fail."""

    name: str
    column: str
    refuses: bool
    """Whether a row that fails makes the whole request be refused."""
    failed: Callable[
        [Mapping[str, Any], Mapping[str, Any]],
        Any,
    ]


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it came: its body, the length of its JSON head, when it came."""

    body: bytes
    json_bytes: int | None
    received_us: int
    received_s: float


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What goes back; `json_bytes` where binary tensors follow the JSON."""

    status: int
    body: bytes
    json_bytes: int | None = None


class Inference:
    """Answers requests for one model, one at a time (it belongs to one thread)."""

    def __init__(
        self,
        spec: ServiceSpec,
        model: ServedModel,
        *,
        rules: Sequence[ServedRule],
        log: StreamWriter,
        figures: ServerFigures,
        clock: Clock,
    ) -> None:
        self._spec, self._model, self._rules = spec, model, tuple(rules)
        self._log, self._figures, self._clock = log, figures, clock
        self._ids = PredictionIds(clock)

    def answer(self, arrived: Arrived) -> Answer:
        """Return the answer to a request; what it predicted is logged by then."""
        started = self._clock.monotonic_s()
        try:
            return self._answered(arrived, int((started - arrived.received_s) * 1e6))
        except RequestError as error:
            return Answer(status=error.status, body=error_body(str(error)))

    def _answered(self, arrived: Arrived, queue_us: int) -> Answer:
        request = decode_request(arrived.body, json_bytes=arrived.json_bytes)
        if request.rows > self._spec.max_rows:
            raise RequestError(
                413, f"the request has {request.rows} rows, at most {self._spec.max_rows} are "
                "taken at once (serving.max_rows)",
            )  # fmt: skip
        signature = self._model.signature
        require_outputs(signature, request.outputs)
        columns = request_columns(signature, request)
        bits, refusal = self._judged(columns, request.rows)
        draft = _Draft(arrived, request, columns, bits, queue_us)
        if refusal:
            self._logged(draft, "rejected", (), 0)
            raise RequestError(422, refusal)
        started = self._clock.monotonic_s()
        try:
            outputs = self._predicted(columns, request.rows)
        except InvalidInputError as error:
            self._logged(draft, "rejected", (), self._since(started))
            raise RequestError(422, error.what) from None
        except Exception as error:  # noqa: BLE001 - the model is foreign code: it may raise anything
            self._logged(draft, "failed", (), self._since(started))
            told = (str(error).strip().splitlines() or [""])[0][:300]  # stack traces of C++ follow
            return Answer(
                status=500, body=error_body(f"the model failed: {type(error).__name__}: {told}")
            )
        logged = logged_outputs(self._model, outputs, self._spec.log_array_bytes)
        ids = self._logged(draft, "ok", logged, self._since(started))
        body, head = encode_answer(
            request, self._spec.model_name, self._spec.model_version,
            outputs | {PREDICTION_ID: spelled_ids(ids)},
        )  # fmt: skip
        return Answer(status=200, body=body, json_bytes=head)

    def _judged(self, columns: Sequence[LoggedColumn], rows: int) -> tuple[NDArray[np.uint64], str]:
        """Return the bits of failed rules a row, and why the request is refused, if it is."""
        bits, refusal = np.zeros(rows, dtype=np.uint64), ""
        if not self._rules:
            return bits, refusal
        columns = [column for column in columns if column.values.ndim == 1]
        values = {column.name: column.values for column in columns}
        valid = {
            column.name: np.ones(rows, dtype=np.bool_) if column.valid is None else column.valid
            for column in columns
        }
        for number, rule in enumerate(self._rules):
            failed = rule.failed(values, valid)
            count = int(np.count_nonzero(failed))
            if not count:
                continue
            self._figures.failed_rows[rule.name] += count
            if number < MAX_RULES:
                bits |= failed.astype(np.uint64) << np.uint64(number)
            if rule.refuses and not refusal:
                row = int(np.argmax(failed))
                shown = _shown(values.get(rule.column), valid.get(rule.column), row)
                refusal = (
                    f"column {rule.column!r}, row {row + 1}{shown}: breaks the rule {rule.name!r} "
                    f"of the contract ({count} of {rows} rows do)"
                )
        return bits, refusal

    def _predicted(self, columns: Sequence[LoggedColumn], rows: int) -> dict[str, NDArray[Any]]:
        outputs = {
            name: np.asarray(values)
            for name, values in self._model.predict(model_inputs(columns)).items()
        }
        for name, values in outputs.items():
            if values.ndim == 0 or len(values) != rows:
                message = f"its output {name!r} has the shape {values.shape}, not {rows} rows"
                raise ValueError(message)
            if values.dtype.kind not in "biufOUS":
                message = f"its output {name!r} is {values.dtype}, which no answer can carry"
                raise ValueError(message)
        return outputs

    def _logged(
        self, draft: _Draft, status: BlockStatus, outputs: Sequence[LoggedColumn], model_us: int
    ) -> NDArray[np.uint8]:
        rows = draft.request.rows
        ids = self._ids.take(rows)
        block = PredictionBlock(
            deployment=self._spec.deployment, model=self._spec.model, ids=ids,
            received_us=draft.arrived.received_us, at_us=self._effective(draft),
            columns=(*self._kept(draft.columns), *outputs), contract_bits=draft.bits,
            queue_us=draft.queue_us, model_us=model_us, status=status, request=draft.request.id,
        )  # fmt: skip
        if not self._log.append(encode_block(block)):
            self._figures.dropped_blocks += 1
        self._figures.predicted(rows, status, {"queue": draft.queue_us, "model": model_us})
        return ids

    def _kept(self, columns: Sequence[LoggedColumn]) -> Sequence[LoggedColumn]:
        limit_bytes = self._spec.log_array_bytes
        return logged_columns(self._model.signature, columns, limit_bytes)

    def _effective(self, draft: _Draft) -> NDArray[Any]:
        name = self._model.signature.time
        for column in draft.columns:
            if name and column.name == name:
                if column.valid is None:
                    return column.values
                return np.where(column.valid, column.values, draft.arrived.received_us)
        return np.full(draft.request.rows, draft.arrived.received_us, dtype=np.int64)

    def _since(self, started: float) -> int:
        return int((self._clock.monotonic_s() - started) * 1e6)


class _Draft(msgspec.Struct, frozen=True):
    """What is known of a request before its outcome is."""

    arrived: Arrived
    request: InferenceRequest
    columns: tuple[LoggedColumn, ...]
    bits: Any
    queue_us: int


def error_body(message: str) -> bytes:
    """Return the body of an answer that is an error, as the V2 protocol spells it."""
    return msgspec.json.encode({"error": message})


def open_log(stream: Stream, deployment: str, *, durable: bool) -> StreamWriter:
    """Open the prediction log; while the server before still writes, it is another stream."""
    held: LeaseHeldError | None = None
    for name in stream_candidates(deployment):
        try:
            return stream.writer(name, durable=durable)
        except LeaseHeldError as error:
            held = error
    raise held or RuntimeError


def arrived_now(clock: Clock, body: bytes, json_bytes: int | None) -> Arrived:
    """Return a request that has just come."""
    return Arrived(
        body=body, json_bytes=json_bytes, received_us=microseconds(clock.now()),
        received_s=clock.monotonic_s(),
    )  # fmt: skip


def _shown(values: Any, valid: Any, row: int) -> str:  # noqa: ANN401 - arrays of any type
    if values is None or valid is None:
        return ""
    return f" ({values[row]})" if valid[row] else " (missing)"
