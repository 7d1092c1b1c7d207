"""Checks of a model that did not pass: told where it is promoted or deployed all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.lineage.policies import verdict_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record

GATES = "gates"
"""The check that stands for all gates of a model; what a policy asks for."""


def unpassed_checks(record: Record, version: Version) -> tuple[str, ...]:
    """Return the checks of a version that did not pass, sorted; of a model `gates` that never ran.

    What no model is needs no gates: then only checks that ran are told.
    """
    states = verdict_states(record, version.artifact)
    failing = {check for check, state in states.items() if state not in {"pass", "warn"}}
    if version.ref.kind == "model" and GATES not in states:
        failing.add(f"{GATES} (never ran)")
    return tuple(sorted(failing))


def note_of(failing: Sequence[str], model: str, alias: str) -> str:
    """Return the note on checks that did not pass and the policy to set, "" where all did.

    Args:
        failing: from `unpassed_checks`.
        model: the version, like model:churn@7.
        alias: the alias that a policy could guard.
    """
    if not failing:
        return ""
    check = failing[0].partition(" ")[0]
    name = model.rpartition("@")[0]
    return (
        f"\nnote: {', '.join(failing)} of {model} did not pass, and no policy asks for it:\n"
        f"  tidemill check {model}\n"
        f"  tidemill policy set {name} {alias} --verdict {check} --because ..."
    )
