"""One spelling of a value, so that equal values have equal digests on every machine.

Canonical JSON: keys sorted, no spaces, UTF-8, floats in shortest form, NaN and infinities as the
strings "NaN", "Infinity", "-Infinity" (JSON has no words for them), times as RFC 3339 in UTC.
"""

import math
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="deterministic")

_SPECIAL = {math.inf: "Infinity", -math.inf: "-Infinity"}


def _spell(value: Any) -> Any:  # noqa: ANN401 - walks any JSON value
    if isinstance(value, float) and not math.isfinite(value):
        return _SPECIAL.get(value, "NaN")
    if isinstance(value, dict):
        return {key: _spell(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spell(item) for item in value]
    return value


def canonical_json(value: object) -> bytes:
    """Return the canonical JSON of a struct, mapping, sequence or scalar.

    Raises:
        TypeError: the value holds something that is not data (a function, an open file).

    >>> canonical_json({"b": 1.0, "a": float("nan")})
    b'{"a":"NaN","b":1.0}'
    """
    return _encoder.encode(_spell(msgspec.to_builtins(value)))
