"""The step protocol: what an executor and its worker say to each other over a byte stream.

A frame is four bytes of length (big endian) and that many bytes of MessagePack: orders go to the
worker, outcomes come back in the order of the orders. What a step prints goes through another pipe,
where a mark ends what belongs to one order.
"""

import msgspec

from tidemill.ports.executor import StepOrder, StepOutcome

LONGEST_FRAME_BYTES = 256 * 1024 * 1024
"""Frames are small (values are handed on by digest); a longer one is a broken stream."""

MARK = b"\0tidemill:end "
"""How a mark in the output begins."""

_LENGTH_BYTES = 4
_encoder = msgspec.msgpack.Encoder()
_orders = msgspec.msgpack.Decoder(StepOrder)
_outcomes = msgspec.msgpack.Decoder(StepOutcome)


def encode_frame(message: StepOrder | StepOutcome) -> bytes:
    """Return an order or an outcome as one frame.

    Raises:
        TypeError: an argument of the order is not spelled as plain data.
    """
    body = _encoder.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


def decode_order(body: bytes) -> StepOrder:
    """Return the order that a frame holds."""
    return _orders.decode(body)


def decode_outcome(body: bytes) -> StepOutcome:
    """Return the outcome that a frame holds."""
    return _outcomes.decode(body)


class FrameReader:
    """Cuts a byte stream into frames, however the bytes arrive."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and return the bodies of all frames that are whole now.

        Raises:
            ValueError: the stream is broken: a frame would be longer than any of ours.
        """
        self._buffer += data
        frames: list[bytes] = []
        start = 0
        while len(self._buffer) - start >= _LENGTH_BYTES:
            length = int.from_bytes(self._buffer[start : start + _LENGTH_BYTES], "big")
            if length > LONGEST_FRAME_BYTES:
                message = f"a frame of {length} bytes; the stream is broken"
                raise ValueError(message)
            end = start + _LENGTH_BYTES + length
            if len(self._buffer) < end:
                break
            frames.append(bytes(self._buffer[start + _LENGTH_BYTES : end]))
            start = end
        del self._buffer[:start]
        return frames


def output_mark(order: str) -> bytes:
    """Return what a worker writes into its output when an order has ended."""
    return MARK + order.encode() + b"\0"
