"""skops archives made canonical: equal models give equal bytes in every process.

skops writes memory addresses, the clock, and sets in the order of their hashes; here addresses
become places in order of appearance, the time is fixed, and sets are sorted.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import numpy as np

_EPOCH = (1980, 1, 1, 0, 0, 0)
_ADDRESSES = {"_stop_words_id"}
"""What vectorizers keep to see whether their stop words are those that they checked before; of a
loaded one they never are, so another number says the same."""
_ID = re.compile(r'"__id__": \d+,? ?')


def canonical_archive(content: bytes) -> bytes:
    """Return a skops archive without addresses, times and chance: the same for equal objects."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read("schema.json"))
        members: dict[str, str] = {}
        _without_chance(schema)
        _renumber(schema, {}, members)
        parts = {new: _without_gaps(archive.read(old)) for old, new in members.items()}
    parts["schema.json"] = json.dumps(schema, indent=1).encode()
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return written.getvalue()


def _without_chance(node: Any) -> None:  # noqa: ANN401 - JSON
    """Sort sets, whose order is that of hashes, and blank the addresses that estimators keep."""
    if isinstance(node, list):
        for item in node:
            _without_chance(item)
    elif isinstance(node, dict):
        for value in node.values():
            _without_chance(value)
        if node.get("__loader__") == "SetNode":
            node["content"].sort(key=_without_ids)
        elif node.get("__loader__") == "ObjectNode":
            attributes = (node.get("content") or {}).get("content")
            if isinstance(attributes, dict):
                for name in _ADDRESSES & set(attributes):
                    attributes[name]["content"] = "0"


def _without_ids(node: dict[str, Any]) -> str:
    return _ID.sub("", json.dumps(node, sort_keys=True))


def _renumber(node: Any, ids: dict[int, int], members: dict[str, str]) -> None:  # noqa: ANN401 - JSON
    """Give ids and members their place in order of appearance."""
    if isinstance(node, list):
        for item in node:
            _renumber(item, ids, members)
    elif isinstance(node, dict):
        if isinstance(identity := node.get("__id__"), int):
            if node.get("__loader__") == "JsonNode":  # whether plain values are shared is chance
                identity = -len(ids)
            node["__id__"] = ids.setdefault(identity, len(ids) + 1)
        if isinstance(name := node.get("file"), str) and "__loader__" in node:
            suffix = name.rpartition(".")[2]
            node["file"] = members.setdefault(name, f"{len(members) + 1}.{suffix}")
        for value in node.values():
            _renumber(value, ids, members)


def _without_gaps(data: bytes) -> bytes:
    """Return an array's file with zeros between the fields of its records.

    What lies there is whatever the memory held: nodes of trees have such gaps.
    """
    if not data.startswith(b"\x93NUMPY"):
        return data
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None or array.ndim != 1:
        return data
    clean = np.zeros(array.shape, array.dtype)  # zeros_like leaves the gaps as they are
    for name in array.dtype.names:
        clean[name] = array[name]
    return data[: len(data) - clean.nbytes] + clean.view(np.uint8).tobytes()
