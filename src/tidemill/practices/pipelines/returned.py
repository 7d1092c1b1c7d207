"""Returned: what a pipeline function gave back, where it is small enough to be read at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.text import cut
from tidemill.practices.pipelines.outputs import Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.practices.pipelines.plan import Plan

LONGEST = 200
"""Characters of a value that are shown."""
_BIGGEST = 2_000


def returned_values(plan: Plan, result: object) -> Mapping[str, str]:
    """Return the plain small values that a pipeline function returned, as texts by their names.

    Where it returned none, those of its last step. Frames, models and large values are left out.
    """
    if result is None and plan.schedule.nodes:
        result = plan.schedule.nodes[-1].outputs
    return dict(_texts(plan, "returned", result))


def _texts(plan: Plan, name: str, given: object) -> list[tuple[str, str]]:
    if isinstance(given, Output):
        value = given.value
        if value is None or value.codec != "value" or value.size_bytes > _BIGGEST:
            return []
        return _plain(given.label, plan.load(value, None))
    if isinstance(given, dict):
        return [pair for key, one in given.items() for pair in _texts(plan, str(key), one)]
    if isinstance(given, list | tuple) and any(isinstance(one, Output) for one in given):
        return [pair for place, one in enumerate(given) for pair in _texts(plan, str(place), one)]
    return _plain(name, given)


def _plain(name: str, value: object) -> list[tuple[str, str]]:
    if value is None:
        return []
    if isinstance(value, str):
        return [(name, cut(value, LONGEST))]
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):  # no plain value
        return []
    return [(name, cut(text, LONGEST))] if len(text) <= _BIGGEST else []
