"""Exact sums of doubles by 32-bit digits: free of their order, subtractable, rounded once.

Every finite double is a sum of at most three signed 32-bit digits at fixed places: digit `p` counts
units of 2**(32 * p - 1088), so that place 34 counts ones. Digits of one place add up as int64
without a rounding, whatever the order, and so does their difference. Only the last step rounds: a
total is the double nearest to the exact sum. It depends on that sum alone, not on which rows or
digits it was made of, so that two sides which hold different rows give the same bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

ONES = 34
"""The place whose digit counts ones."""

_BITS = 32
_BASE = _BITS * ONES
_MASK = 2**_BITS - 1
_EXACT = 2**53
_SPLIT = 2.0**27 + 1.0


class ExactSums(msgspec.Struct, frozen=True, kw_only=True):
    """Exact sums as a double and what it lacks, both in units of 2**`exponent`; shape (sums,)."""

    nearest: NDArray[np.float64]
    rest: NDArray[np.float64]
    exponent: NDArray[np.int64]

    def totals(self) -> Floats:
        """Return the double nearest to each sum; infinite where no double is as large."""
        with np.errstate(over="ignore"):
            totals: Floats = np.ldexp(self.nearest, self.exponent)
        return totals

    def means(self, counts: Ints) -> Floats:
        """Return each sum divided by its count (at least 1), within 1 ulp.

        The remainder of the division is exact. Source: Dekker, Numerische Mathematik 18 (1971).
        """
        divisor = counts.astype(np.float64)
        quotient = self.nearest / divisor
        product = quotient * divisor
        error = _product_error(quotient, divisor, product)
        remainder = (self.nearest - product) - error
        means: Floats = np.ldexp(quotient + (remainder + self.rest) / divisor, self.exponent)
        return means


def digits(values: Floats) -> dict[int, Ints]:
    """Return the digits of finite doubles by place: int64 below 2**32, with the value's sign.

    A place at which every digit is 0 is left out. O(places * n).

    >>> digits(np.array([3.0, -(2.0**32)]))
    {34: array([3, 0]), 35: array([ 0, -1])}
    """
    if np.abs(values).max(initial=0.0) <= _MASK and (np.rint(values) == values).all():
        return {ONES: values.astype(np.int64)}  # whole numbers, the usual case
    fraction, exponent = np.frexp(values)
    mantissa = np.ldexp(np.abs(fraction), 53).astype(np.uint64)
    start = exponent.astype(np.int64) - 53 + _BASE
    subnormal = np.maximum(_BASE - 1074 - start, 0)  # their lowest bits are zeros
    mantissa >>= subnormal.astype(np.uint64)
    place, shift = np.divmod(start + subnormal, _BITS)
    found: dict[int, Ints] = {}
    for first in np.unique(place[mantissa != 0]).tolist():
        here = place == first
        for step in range(3):
            digit = _digit(mantissa[here], shift[here] - _BITS * step)
            if digit.any():
                whole = found.setdefault(first + step, np.zeros(len(values), dtype=np.int64))
                whole[here] = np.where(values[here] < 0, -digit, digit)
    return found


def exact_sums(by_place: Mapping[int, Ints]) -> ExactSums:
    """Return sums of digits as sums of doubles; each digit's sum is below 2**63 in size.

    Args:
        by_place: sums of the digits of each place, shape (sums,); at least one place.
    """
    if list(by_place) == [ONES] and (np.abs(by_place[ONES]) < _EXACT).all():
        nearest = by_place[ONES].astype(np.float64)
        zeros = np.zeros_like(nearest)
        return ExactSums(nearest=nearest, rest=zeros, exponent=zeros.astype(np.int64))
    low, high = min(by_place) - 2, max(by_place) + 2  # below: a first digit has two that follow
    none = np.zeros(len(next(iter(by_place.values()))), dtype=np.int64)
    rows = [by_place.get(place, none) for place in range(low, high + 1)]
    carried = np.array(_carried(rows))
    is_negative = carried[-1] < 0
    magnitude = np.where(is_negative, np.array(_carried(list(-carried))), carried)
    found = _rounded(magnitude)
    sign = np.where(is_negative, -1.0, 1.0)
    return ExactSums(
        nearest=found.nearest * sign, rest=found.rest * sign,
        exponent=found.exponent + _BITS * low - _BASE,
    )  # fmt: skip


def _digit(mantissa: NDArray[np.uint64], shift: Ints) -> Ints:
    """Return the 32 bits from bit 0 of mantissas that are moved up by `shift` (down below 0)."""
    up = mantissa << np.maximum(shift, 0).astype(np.uint64)
    down = mantissa >> np.minimum(np.maximum(-shift, 0), 63).astype(np.uint64)
    return (np.where(shift >= 0, up, down) & np.uint64(_MASK)).astype(np.int64)


def _carried(rows: Sequence[Ints]) -> list[Ints]:
    """Return digits of 0 to 2**32 - 1, but the last, which has the sign of the whole."""
    found: list[Ints] = []
    carry = np.zeros_like(rows[0])
    for row in rows[:-1]:
        whole = (row & _MASK) + (carry & _MASK)
        found.append(whole & _MASK)
        carry = (row >> _BITS) + (carry >> _BITS) + (whole >> _BITS)
    return [*found, rows[-1] + carry]


def _rounded(rows: Ints) -> ExactSums:
    """Return non-negative digits, shape (places, sums), rounded once to the nearest double.

    The first two digits give a double and its error without a loss; the third, with half a unit
    more where anything follows, fits the error exactly: so one addition rounds.
    """
    top = len(rows) - 1 - np.argmax(rows[::-1] != 0, axis=0)
    top = np.maximum(np.where((rows != 0).any(axis=0), top, 2), 2)
    places = np.arange(len(rows))[:, np.newaxis]
    follows = ((rows != 0) & (places < top - 2)).any(axis=0)
    first, second, third = (
        np.take_along_axis(rows, (top - step)[np.newaxis], axis=0)[0].astype(np.float64)
        for step in range(3)
    )
    high, middle = first * 2.0**64, second * 2.0**32
    total = high + middle
    left = (middle - (total - high)) + (third + 0.5 * follows)
    nearest = total + left
    rest = left - (nearest - total)
    return ExactSums(nearest=nearest, rest=rest, exponent=_BITS * (top - 2))


def _product_error(left: Floats, right: Floats, product: Floats) -> Floats:
    """Return what `left * right` lacks: exactly. Source: Dekker (1971), as above."""
    scaled_left, scaled_right = left * _SPLIT, right * _SPLIT
    high_left = scaled_left - (scaled_left - left)
    high_right = scaled_right - (scaled_right - right)
    low_left, low_right = left - high_left, right - high_right
    return (
        ((high_left * high_right - product) + high_left * low_right) + low_left * high_right
    ) + low_left * low_right
