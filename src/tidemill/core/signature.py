"""Signature: what a model takes and gives, one row each, with types in Open Inference V2's words.

One way to say everything: a table is one field a column; an array is a field with a `shape`; a
record in a row is one field a member, with dotted names (`customer.age`); a list of records is a
field with `fields`, whose values are JSON texts where a protocol has no lists of records.
"""

from typing import Literal

import msgspec

Datatype = Literal[
    "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
    "FP32", "FP64", "BYTES",
]  # fmt: skip


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One column. `categories` are the levels of a text column that the model was trained with.

    `shape` is that of one row's value: () a single value, (3, 32, 32) an array, -1 any length.
    `is_binary` BYTES are any bytes (an image's file), not text. `fields` are the members of a
    record: with the shape (-1,) a row's value is a list of such records.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...] = ()
    is_optional: bool = True
    categories: tuple[str, ...] | None = None
    is_binary: bool = False
    fields: "tuple[Field, ...]" = ()

    @property
    def is_single(self) -> bool:
        """Whether a row's value is one number, truth value or text, which figures can count."""
        return not (self.shape or self.fields or self.is_binary)

    @property
    def kind(self) -> str:
        """What a row's value is, as people say it: `FP32 [3, 32, 32]`."""
        name: str = "binary BYTES" if self.is_binary else self.datatype
        if self.fields:
            members = ", ".join(f"{field.name} {field.kind}" for field in self.fields)
            name = f"{{{members}}}"
        return f"{name} {list(self.shape)}" if self.shape else name


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
