"""Exact sums of floats: the same bits in any order, kept as one dyadic number in text."""

from __future__ import annotations

from fractions import Fraction
from typing import NewType

Dyadic = NewType("Dyadic", str)
"""An exact integer times a power of two, `HEXp-BITS` as in "-1ap-3" = -26 / 8; odd or "0p-0"."""

ZERO = Dyadic("0p-0")


def dyadic(value: Fraction) -> Dyadic:
    """Return a fraction whose denominator is a power of two as text; equal values, equal text.

    >>> dyadic(Fraction(-13, 4))
    '-dp-2'
    """
    bits = value.denominator.bit_length() - 1
    return Dyadic(f"{value.numerator:x}p-{bits}")


def fraction(text: Dyadic) -> Fraction:
    """Return the exact value of a dyadic text.

    >>> fraction(dyadic(Fraction(0.1))) == Fraction(0.1)
    True
    """
    digits, _, bits = text.partition("p-")
    return Fraction(int(digits, 16), 1 << int(bits))


def exact_total(left: Dyadic, right: Dyadic) -> Dyadic:
    """Return the exact sum of two dyadic numbers."""
    return dyadic(fraction(left) + fraction(right))
