"""Writing the facts of a batch into the tables: which function writes which fact, and the order.

A fact that contradicts one that is there raises `ConflictError`; the caller's transaction undoes
what was written before it. Seals come last, so that they see all of their run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidemill.adapters.sql_ref_facts import (
    write_hidden,
    write_keyed,
    write_moved,
    write_noted,
    write_ref_created,
    write_versioned,
)
from tidemill.adapters.sql_run_facts import (
    write_artifact_made,
    write_edge,
    write_figured,
    write_placed,
    write_run_opened,
    write_run_sealed,
)
from tidemill.core.facts import (
    ArtifactMade,
    Edge,
    Fact,
    Figured,
    Hidden,
    Keyed,
    Moved,
    Noted,
    Placed,
    RefCreated,
    RunOpened,
    RunSealed,
    Versioned,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.adapters.sql_writer import BatchWriter


def write_facts(writer: BatchWriter) -> list[Fact]:
    """Write all facts of a batch and return those that changed something, in the batch's order.

    Raises:
        ConflictError: a fact contradicts the record.
    """
    facts = writer.batch.facts
    order = sorted(range(len(facts)), key=lambda place: isinstance(facts[place], RunSealed))
    changed = [place for place in order if _WRITERS[type(facts[place])](writer, facts[place])]
    return [facts[place] for place in sorted(changed)]


_WRITERS: dict[type, Callable[[BatchWriter, Any], bool]] = {
    ArtifactMade: write_artifact_made,
    Placed: write_placed,
    RunOpened: write_run_opened,
    RunSealed: write_run_sealed,
    Edge: write_edge,
    RefCreated: write_ref_created,
    Versioned: write_versioned,
    Moved: write_moved,
    Hidden: write_hidden,
    Keyed: write_keyed,
    Figured: write_figured,
    Noted: write_noted,
}
