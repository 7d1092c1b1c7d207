"""Signature: the columns that a model takes and gives, with types in Open Inference V2's words."""

from typing import Literal

import msgspec

Datatype = Literal[
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
    "FP32", "FP64", "BYTES",
]  # fmt: skip


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One column. `categories` are the levels of a text column that the model was trained with.

    `shape` is that of one row's value: () a single value, (3, 32, 32) an array, -1 any length.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...] = ()
    is_optional: bool = True
    categories: tuple[str, ...] | None = None


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What goes in, what comes out, one row each; and what is only sent along.

    `context` columns (entity keys, event time, slices) are logged and never given to the model.
    `time` names the context column that is the row's effective time (INT64, microseconds UTC),
    `row_key` the one by which labels find their row.
    """

    inputs: tuple[Field, ...]
    outputs: tuple[Field, ...]
    context: tuple[Field, ...] = ()
    time: str = ""
    row_key: str = ""
