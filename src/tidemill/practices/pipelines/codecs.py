"""Codecs: how a step's result becomes a stored value, and a stored value an argument.

A result is stored once and from then on is its digest; whoever takes it gets a load of its own, so
that nobody can change it for others. A codec is chosen by the value:

    table    Polars, pandas, Arrow frames      td1, as Parquet fragments
    folder   a `Folder`, the Path of a folder  tree1 of its files
    external data that lie elsewhere           their listing; loaded from where they are
    model    a `Model`                         tree1 of its files, in the model's own format
    struct   a msgspec Struct                  its canonical JSON, with the class beside it;
                                               of its class's `artifact_kind`, if it has one
    array    a NumPy array                     .npy
    bytes    bytes                             as they are
    value    everything that has a spelling    typed canonical JSON
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tidemill.core.artifact import INLINE_LIMIT_BYTES, Artifact
from tidemill.core.canonical import canonical_json
from tidemill.core.digest import ArtifactId, Digest, TreeEntry, digest_of
from tidemill.core.errors import CorruptError, InvalidInputError
from tidemill.ports.executor import Value
from tidemill.practices.pipelines.file_codecs import load_files, store_folder_value
from tidemill.practices.pipelines.spelling import STORABLE, Speller, find_type, read, type_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tidemill.core.run import Scalar
    from tidemill.ports.object_store import ObjectStore

_FOLDER_MODULE = "tidemill.practices.versioning.folder_handle"
_STORABLE = (
    "a frame, a tidemill Model, a Folder, a NumPy array, bytes, a Struct, or data made of"
    f" {STORABLE}"
)


def _storable(value: object) -> str:
    """Return what to hand on in place of a value that no codec takes; of a fitted one a Model."""
    if callable(getattr(value, "predict", None)):
        return "return tm.Model(object, signature=tm.infer_signature(rows), task=tm.Task(...))"
    return f"return {_STORABLE}"


_PANDAS = re.compile(r"\b(?:pandas|pd)\.")
_ARROW = re.compile(r"\b(?:pyarrow|pa)\.")


def store(objects: ObjectStore, value: object, what: str = "the value") -> Value:
    """Store a value and return what names it.

    Raises:
        InvalidInputError: no codec takes it; `what` names it, the fix lists what can be stored.
    """
    if isinstance(value, bytes | bytearray):
        return _stored(objects, bytes(value), codec="bytes")
    if isinstance(value, msgspec.Struct):
        return _store_struct(objects, value)
    if (store_it := _store_of(value)) is not None:
        return store_it(objects, value, what)
    try:
        spelled = Speller(what).spell(value)
    except InvalidInputError as error:
        raise InvalidInputError(error.what, fix=_storable(value)) from None
    summary = {"value": value} if isinstance(value, str | int | float | bool) else {}
    return _stored(objects, canonical_json(spelled), codec="value", summary=_short(summary))


def load(objects: ObjectStore, value: Value, wanted: object = None) -> Any:  # noqa: ANN401 - any value
    """Return what a value stores: a fresh object each time.

    `wanted` is the annotation of who asks: it decides between kinds of frames.

    Raises:
        NotFoundError: its bytes are gone.
        CorruptError: its bytes are not what its digest says.
    """
    codec, _, path = value.codec.partition(" ")
    if (load_it := _LOADERS.get(codec)) is not None:
        return load_it(objects, value, wanted)
    data = value_bytes(objects, value)
    if codec == "bytes":
        return data
    if codec == "array":
        return _load_array(data)
    if codec == "struct":
        return msgspec.json.decode(data, type=find_type(path), strict=False)
    return read(msgspec.json.decode(data))


def _store_of(value: object) -> Callable[[ObjectStore, Any, str], Value] | None:
    """Return what stores a value of many bytes; None: it is small, or no codec takes it."""
    if _is_frame(value):
        return _store_table
    if isinstance(value, Path) or _is_of(value, _FOLDER_MODULE, "Folder"):
        return store_folder_value
    if _is_of(value, "numpy", "ndarray") and getattr(value, "shape", ()) != ():
        return _store_array
    return _store_model if _is_of(value, "tidemill.practices.versioning.model", "Model") else None


def artifact_of(value: Value) -> Artifact:
    """Return the artifact that a value is."""
    return Artifact(
        id=value.artifact, kind=value.kind, size_bytes=value.size_bytes, manifest=value.manifest,
        inline=value.inline, summary=value.summary,
    )  # fmt: skip


def value_of(artifact: Artifact, codec: str) -> Value:
    """Return an artifact as a value that can be handed on."""
    return Value(
        artifact=artifact.id, codec=codec, kind=artifact.kind, manifest=artifact.manifest,
        inline=artifact.inline, size_bytes=artifact.size_bytes, summary=artifact.summary,
    )  # fmt: skip


def value_bytes(objects: ObjectStore, value: Value) -> bytes:
    """Return the bytes of a value that is one run of bytes, verified."""
    if value.inline is not None:
        if str(digest_of(value.inline)) != value.artifact:
            raise CorruptError(
                f"the bytes of {value.kind} {value.artifact[:16]} in the record were changed",
                fix="tidemill audit verify, then bring the record back from a backup",
            )
        return value.inline
    if value.manifest is None:
        raise InvalidInputError(
            f"{value.artifact[:20]} has no bytes here", fix="run the step that made it again"
        )
    return b"".join(objects.get(value.manifest))


def _stored(
    objects: ObjectStore,
    data: bytes,
    *,
    codec: str,
    kind: str = "value",
    summary: Mapping[str, Scalar] | None = None,
) -> Value:
    identity = ArtifactId(digest_of(data))
    manifest: Digest | None = None
    if len(data) > INLINE_LIMIT_BYTES:
        (manifest,) = objects.put_many([[data]])
    return Value(
        artifact=identity, codec=codec, kind=kind, manifest=manifest,
        inline=None if manifest else data, size_bytes=len(data), summary=summary or {},
    )  # fmt: skip


def _short(summary: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Leave out long texts; whole numbers beyond 64 bits, which no place takes, are text."""
    told = {k: str(v) if type(v) is int and v.bit_length() > 63 else v for k, v in summary.items()}
    return {k: v for k, v in told.items() if not isinstance(v, str) or len(v) <= 200}


def _store_struct(objects: ObjectStore, value: msgspec.Struct) -> Value:
    kind = str(getattr(type(value), "artifact_kind", "value"))
    codec = f"struct {type_path(type(value))}"
    return _stored(objects, canonical_json(value), codec=codec, kind=kind)


def _store_array(objects: ObjectStore, value: Any, what: str) -> Value:  # noqa: ANN401 - an ndarray
    import numpy as np  # noqa: PLC0415 - workers start without it

    if value.dtype.hasobject:
        raise InvalidInputError(
            f"{what} is an array of Python objects, which has no stable bytes",
            fix="return a Polars frame, or an array of numbers",
        )
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(value), allow_pickle=False)
    shape = "x".join(str(length) for length in value.shape)
    return _stored(
        objects,
        buffer.getvalue(),
        codec="array",
        summary={"shape": shape, "dtype": str(value.dtype)},
    )


def _load_array(data: bytes) -> object:
    import numpy as np  # noqa: PLC0415 - workers start without it

    return np.load(io.BytesIO(data), allow_pickle=False)


def _is_of(value: object, module: str, name: str) -> bool:
    """Return whether a value is of a class, without importing the module of the class."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(value, getattr(loaded, name))


def _is_frame(value: object) -> bool:
    if _is_of(value, "tidemill.practices.versioning.tables", "RowBatches"):
        return True
    if _is_of(value, "polars", "DataFrame") or _is_of(value, "polars", "LazyFrame"):
        return True
    is_series = _is_of(value, "polars", "Series") or type(value).__name__ in {
        "Series", "ChunkedArray", "Array",
    }  # fmt: skip
    return hasattr(value, "__arrow_c_stream__") and not is_series


def _store_table(objects: ObjectStore, value: object, what: str) -> Value:
    del what
    import polars as pl  # noqa: PLC0415 - workers start without it

    from tidemill.practices.versioning.tables import (  # noqa: PLC0415 - as above
        RowBatches,
        store_table,
    )

    frame = (
        value
        if isinstance(value, pl.DataFrame | pl.LazyFrame | RowBatches)
        else pl.DataFrame(cast("Any", value))
    )
    stored = store_table(objects, frame)
    return msgspec.structs.replace(value_of(stored.artifact, "table"), objects=stored.objects)


def _load_table(objects: ObjectStore, value: Value, wanted: object) -> object:
    from tidemill.practices.versioning.tables import scan_table  # noqa: PLC0415 - workers start light

    if value.manifest is None:
        raise InvalidInputError(
            f"table {value.artifact[:20]} has no rows here", fix="run the step that made it again"
        )
    rows = scan_table(objects, value.manifest, value.artifact)
    text = f"{wanted.__module__}." if isinstance(wanted, type) else str(wanted)
    if "LazyFrame" in f"{wanted}":
        return rows
    frame = rows.collect()
    if _PANDAS.search(text):
        return frame.to_pandas()
    return frame.to_arrow() if _ARROW.search(text) else frame


def _store_model(objects: ObjectStore, value: Any, what: str) -> Value:  # noqa: ANN401 - a Model
    del what
    from tidemill.practices.versioning.registry import store_model  # noqa: PLC0415 - workers start light

    artifact, needed = store_model(objects, value)
    return msgspec.structs.replace(value_of(artifact, "model"), objects=tuple(needed))


def _load_model(objects: ObjectStore, value: Value, wanted: object) -> object:
    del wanted
    from tidemill.practices.versioning.model import Model  # noqa: PLC0415 - workers start light

    entries = msgspec.json.decode(value_bytes(objects, value), type=list[TreeEntry])
    with tempfile.TemporaryDirectory(prefix="tidemill-model-") as folder:
        for entry in entries:
            target = Path(folder) / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(objects.path(entry.digest), target)
        return Model.load(Path(folder), allow_code=True)


_LOADERS: Mapping[str, Callable[[ObjectStore, Value, object], object]] = {
    "table": _load_table, "model": _load_model, "folder": load_files, "external": load_files,
}  # fmt: skip
