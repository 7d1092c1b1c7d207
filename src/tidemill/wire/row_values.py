"""Values of one row that are no single number or text: arrays, records, lists of records.

Where a protocol or the prediction log has no such type they are JSON text; here it is read, checked
against the declared field, and written. Large ones are logged by the digest of their bytes only.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tidemill.core.digest import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tidemill.core.signature import Field

DIGEST = "b3:"
"""How the text of a value begins that was logged by its digest only."""
BASE64 = "base64:"
MOST_DIMENSIONS = 8
NUMPY_TYPES: Mapping[str, str] = {
    "BOOL": "|b1", "INT8": "|i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "UINT8": "|u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8", "FP32": "<f4", "FP64": "<f8",
    "BYTES": "O",
}  # fmt: skip
_FITS: Mapping[str, str] = {"FP": "fiu", "IN": "iu", "UI": "iu", "BO": "b", "BY": "OUS"}


class RowValueError(ValueError):
    """A value is not what its field declares; the text says where in the value, and why."""


def value_of_text(field: Field, text: str | bytes) -> Any:  # noqa: ANN401 - an array, a record or a list
    """Return the value that a JSON text spells, checked against its field; null is None.

    Raises:
        RowValueError: the text is no JSON, or its value is not what the field declares.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RowValueError(f"not JSON: {error}") from None
    return None if value is None else row_value(field, value)


def row_value(field: Field, value: object) -> Any:  # noqa: ANN401 - an array, a record or a list
    """Return one row's value as its model takes it, checked.

    Arrays become NumPy arrays of the field's type, records dictionaries with exactly the declared
    members, lists of records lists of them; what is optional may be None.

    Raises:
        RowValueError: it is not what the field declares; says where.
    """
    return _nested(field, value, "") if field.fields else _array(field, value, "")


def array_of(field: Field, given: NDArray[Any]) -> NDArray[Any]:
    """Return arrays of many rows as the field's type; shape (rows, *shape).

    Raises:
        RowValueError: another shape, or another type than the field's.
    """
    found = list(given.shape[1:])
    if len(found) != len(field.shape) or any(
        wanted not in (-1, length) for wanted, length in zip(field.shape, found, strict=True)
    ):
        raise RowValueError(f"each row has the shape {found}, not {list(field.shape)}")
    return _typed(field, given, "")


def stacked(values: Sequence[Any]) -> NDArray[Any]:
    """Return the values of rows as one array: (rows, *shape) where all are arrays of one shape.

    Else an object a row: arrays of several lengths, records, None.
    """
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    if arrays and len(arrays) == len(values) and len({array.shape for array in arrays}) == 1:
        return np.stack(arrays)
    objects = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        objects[row] = value
    return objects


def logged_texts(values: Sequence[Any], limit_bytes: int) -> NDArray[Any]:
    """Return one text a row for the log: JSON (bytes: base64), or the digest of a large value.

    The digest is BLAKE3 of an array's little-endian bytes in C order, of bytes themselves, of
    records their JSON text. Shape (rows,), objects of str and None.
    """
    texts = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        texts[row] = None if value is None else _logged(value, limit_bytes)
    return texts


def is_by_digest(field: Field, text: object) -> bool:
    """Whether a logged value of a field is only a digest of what it was."""
    return not field.is_single and isinstance(text, str) and text.startswith(DIGEST)


def binary_of_text(text: str) -> bytes:
    """Return the bytes that base64 spells. Raises RowValueError."""
    try:
        return base64.b64decode(text.removeprefix(BASE64), validate=True)
    except ValueError as error:
        raise RowValueError(f"no base64: {error}") from None


def _logged(value: Any, limit_bytes: int) -> str:  # noqa: ANN401 - any row's value
    if isinstance(value, bytes):
        if len(value) > limit_bytes:
            return digest_of(value)
        return BASE64 + base64.b64encode(value).decode()
    is_number = isinstance(value, np.ndarray) and value.dtype.kind in "biuf"
    if is_number and value.nbytes > limit_bytes:
        little = value.astype(value.dtype.newbyteorder("<"), copy=False)
        return digest_of(np.ascontiguousarray(little).tobytes())
    data = msgspec.json.encode(_plain(value), enc_hook=str)
    return digest_of(data) if not is_number and len(data) > limit_bytes else data.decode()


def _plain(value: Any) -> Any:  # noqa: ANN401 - walks any value
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist()) if value.dtype.kind == "O" else value.tolist()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _nested(field: Field, value: object, where: str) -> Any:  # noqa: ANN401 - a record or a list
    if not field.shape:
        return _record(field, value, where)
    if not isinstance(value, list | tuple | np.ndarray):
        raise RowValueError(f"{where or 'the value'} is {_called(value)}, not a list of records")
    wanted = field.shape[0]
    if wanted not in (-1, len(value)):
        raise RowValueError(f"{where or 'the list'} has {len(value)} records instead of {wanted}")
    return [_record(field, item, f"{where}[{place}]") for place, item in enumerate(value)]


def _record(field: Field, value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RowValueError(f"{where or 'the value'} is {_called(value)}, not a record")
    known = {member.name: member for member in field.fields}
    for name in value:
        if name not in known:
            raise RowValueError(
                f"{where}.{name} is not declared; there are {', '.join(known)}".lstrip(".")
            )
    return {
        name: _member(member, value.get(name), f"{where}.{name}".lstrip("."))
        for name, member in known.items()
    }


def _member(field: Field, value: object, where: str) -> Any:  # noqa: ANN401 - any value
    if value is None:
        if not field.is_optional:
            raise RowValueError(f"{where} is missing, but a value is needed")
        return None
    if field.fields:
        return _nested(field, value, where)
    return _array(field, value, where) if field.shape else _single(field, value, where)


def _single(field: Field, value: object, where: str) -> Any:  # noqa: ANN401 - any scalar
    wanted: Mapping[str, tuple[type, ...]] = {
        "FP": (int, float, np.integer, np.floating), "IN": (int, np.integer),
        "UI": (int, np.integer), "BO": (bool, np.bool_), "BY": (str, bytes),
    }  # fmt: skip
    types = wanted[field.datatype[:2]]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise RowValueError(f"{where} is {_called(value)}, not {field.datatype}")
    if field.datatype[:2] in ("IN", "UI"):
        limits = np.iinfo(NUMPY_TYPES[field.datatype])
        if not limits.min <= int(value) <= limits.max:  # type: ignore[call-overload]
            raise RowValueError(f"{where} is {value}, which is no {field.datatype}")
    return float(value) if field.datatype[:2] == "FP" else value  # type: ignore[arg-type]


def _array(field: Field, value: object, where: str) -> NDArray[Any]:
    try:
        given = np.asarray(value)
    except ValueError:
        raise RowValueError(f"{where or 'the array'} is ragged") from None
    except OverflowError as error:
        raise RowValueError(f"{where or 'the array'}: {error}") from None
    if given.size == 0 and given.ndim <= len(field.shape) and -1 in field.shape:
        rest = (0, *(max(length, 0) for length in field.shape[1:]))
        return np.empty(rest, dtype=NUMPY_TYPES[field.datatype])
    if given.ndim != len(field.shape) or any(
        wanted not in (-1, length) for wanted, length in zip(field.shape, given.shape, strict=False)
    ):
        raise RowValueError(
            f"{where or 'the array'} has the shape {list(given.shape)}, not {list(field.shape)}"
        )
    return _typed(field, given, where)


def _typed(field: Field, given: NDArray[Any], where: str) -> NDArray[Any]:
    head = field.datatype[:2]
    if given.dtype.kind == "O" and head != "BY":
        given = _without_null(field, given, where)
    if given.size and given.dtype.kind not in _FITS[head]:
        raise RowValueError(
            f"{where or 'the array'} holds {given.dtype.name}, not {field.datatype}"
        )
    if head == "BY":
        return given.astype(object)
    code = np.dtype(NUMPY_TYPES[field.datatype])
    if code.kind in "iu" and given.size and given.dtype != code:
        limits = np.iinfo(code)
        if int(given.min()) < limits.min or int(given.max()) > limits.max:
            raise RowValueError(f"{where or 'the array'} holds what is no {field.datatype}")
    with np.errstate(over="ignore"):  # infinity, as the datatype says
        return given.astype(code, copy=False)


def _without_null(field: Field, given: NDArray[Any], where: str) -> NDArray[Any]:
    """Return numbers among which there are nulls: NaN, where the type has it."""
    if field.datatype[:2] != "FP":
        raise RowValueError(f"{where or 'the array'} holds null or mixed values")
    try:
        return np.array(
            [np.nan if item is None else _number(item) for item in given.ravel()], dtype=np.float64
        ).reshape(given.shape)
    except (TypeError, ValueError, OverflowError):
        raise RowValueError(f"{where or 'the array'} holds what is no number") from None


def _number(item: object) -> float:
    if isinstance(item, bool) or not isinstance(item, int | float | np.integer | np.floating):
        raise TypeError(item)
    return float(item)


def _called(value: object) -> str:
    names = {
        "NoneType": "null", "dict": "a record", "list": "a list", "str": "text",
        "bool": "a truth value", "int": "a number", "float": "a number", "bytes": "bytes",
    }  # fmt: skip
    return names.get(type(value).__name__, f"of type {type(value).__name__}")
