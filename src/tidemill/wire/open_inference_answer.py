"""Open Inference Protocol V2 over HTTP: outputs to answers, and a model's metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.wire.open_inference import PREDICTION_ID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tidemill.core.signature import Field, Signature
    from tidemill.wire.open_inference import InferenceRequest


def encode_answer(
    request: InferenceRequest, model_name: str, version: str, outputs: Mapping[str, NDArray[Any]]
) -> tuple[bytes, int | None]:
    """Return the body of an answer, and the length of its JSON head where binary bytes follow.

    NaN is spelled null in JSON, bytes base64. `outputs` are numbers, booleans or text objects of
    shape (rows, *shape of a row); the data are flat, row after row.
    """
    names = request.outputs or tuple(outputs)
    heads: list[dict[str, Any]] = []
    pieces: list[bytes] = []
    for name in names:
        values = outputs[name]
        head: dict[str, Any] = {
            "name": name, "datatype": datatype_of(values), "shape": list(values.shape)
        }  # fmt: skip
        if name in request.binary or ("*" in request.binary and name not in request.outputs):
            piece = _binary(values)
            head["parameters"] = {"binary_data_size": len(piece)}
            pieces.append(piece)
        else:
            head["data"] = _json_items(values)
        heads.append(head)
    answer: dict[str, Any] = {"model_name": model_name, "model_version": version}
    if request.id:
        answer["id"] = request.id
    body = msgspec.json.encode(answer | {"outputs": heads})
    return (b"".join([body, *pieces]), len(body)) if pieces else (body, None)


def model_metadata(name: str, version: str, platform: str, signature: Signature) -> bytes:
    """Return the body of an answer to `GET /v2/models/NAME`: context columns are inputs too."""

    def tensors(fields: Sequence[Field]) -> list[dict[str, Any]]:
        return [
            # lists of records travel as JSON text, one a row
            {"name": f.name, "datatype": f.datatype, "shape": [-1, *(() if f.fields else f.shape)]}
            for f in fields
        ]

    outputs = [
        *tensors(signature.outputs),
        {"name": PREDICTION_ID, "datatype": "BYTES", "shape": [-1]},
    ]
    return msgspec.json.encode({
        "name": name, "versions": [version], "platform": platform,
        "inputs": tensors((*signature.inputs, *signature.context)), "outputs": outputs,
    })  # fmt: skip


def datatype_of(values: NDArray[Any]) -> str:
    """Return the datatype of an output's values.

    >>> import numpy as np
    >>> datatype_of(np.zeros(2)), datatype_of(np.zeros(2, dtype=np.int32))
    ('FP64', 'INT32')
    """
    kind, width = values.dtype.kind, values.dtype.itemsize * 8
    return {"f": f"FP{width}", "i": f"INT{width}", "u": f"UINT{width}", "b": "BOOL"}.get(
        kind, "BYTES"
    )


def _binary(values: NDArray[Any]) -> bytes:
    if values.dtype.kind in "biuf":
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [value if isinstance(value, bytes) else str(value).encode() for value in values.flat]
    return b"".join(piece for text in texts for piece in (len(text).to_bytes(4, "little"), text))


def _json_items(values: NDArray[Any]) -> list[Any]:
    if values.dtype.kind in "biuf":
        items: list[Any] = values.ravel().tolist()
        return items
    return [item if item is None or isinstance(item, bytes) else str(item) for item in values.flat]
