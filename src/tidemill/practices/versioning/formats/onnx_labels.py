"""The classes that an ONNX graph names, read from its bytes: no package is needed to find them.

ONNX Runtime does not tell a node's attributes. A graph is a Protocol Buffers message, of which four
fields lead to them; everything else, weights above all, is skipped without being copied.

Source: onnx.proto (ModelProto.graph 7, GraphProto.node 1, NodeProto.attribute 5, AttributeProto
name 1, ints 8, strings 9) and the Protocol Buffers encoding guide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.practices.versioning.formats.answers import class_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_GRAPH, _NODE, _ATTRIBUTE = 7, 1, 5
_NAME, _INTS, _STRINGS = 1, 8, 9
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_SKIPPED = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_LABELS = b"classlabels_"


def class_labels(content: bytes) -> tuple[str, ...]:
    """Return the classes of a serialized graph, in the order of its columns; none: it names none.

    The last node that names them counts. Linear in the number of nodes.

    Raises:
        ValueError: it is no such message, or is cut off.
    """
    nodes = [
        node
        for graph in _messages(memoryview(content), _GRAPH)
        for node in _messages(graph, _NODE)
    ]  # fmt: skip
    for node in reversed(nodes):
        for attribute in _messages(node, _ATTRIBUTE):
            name = next(_messages(attribute, _NAME), memoryview(b""))
            if bytes(name[: len(_LABELS)]) == _LABELS:
                return tuple(class_name(one) for one in _values(attribute))
    return ()


def _values(attribute: memoryview) -> Iterator[int | bytes]:
    for number, value in _fields(attribute):
        if number == _STRINGS and isinstance(value, memoryview):
            yield bytes(value)
        elif number == _INTS and isinstance(value, memoryview):  # packed
            place = 0
            while place < len(value):
                one, place = _varint(value, place)
                yield _signed(one)
        elif number == _INTS and isinstance(value, int):
            yield _signed(value)


def _messages(message: memoryview, wanted: int) -> Iterator[memoryview]:
    for number, value in _fields(message):
        if number == wanted and isinstance(value, memoryview):
            yield value


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield every field's number and its number or bytes."""
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        kind = key & 7
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield key >> 3, value
            continue
        if kind == _LENGTH:
            size, place = _varint(message, place)
        elif kind in _SKIPPED:
            size = _SKIPPED[kind]
        else:
            raise ValueError(f"a field of the graph has the kind {kind}, which there is not")
        if place + size > len(message):
            raise ValueError("the graph is cut off")
        yield key >> 3, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise ValueError("the graph is cut off")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number of the graph has no end")


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value
