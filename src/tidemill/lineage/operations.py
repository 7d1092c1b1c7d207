"""The verbs for any kind: show, list, search, why, impact, diff, log, rm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError, NotAllowedError, UsageError
from tidemill.core.facts import Batch, Hidden
from tidemill.core.operation import Kind, Operation
from tidemill.core.pointer import parse_pointer
from tidemill.core.text import folded
from tidemill.lineage.comparison import Difference, difference
from tidemill.lineage.explain import Why, explained
from tidemill.lineage.history import History, history
from tidemill.lineage.holders import holders
from tidemill.lineage.impact import Impact, impact_of
from tidemill.lineage.refs import resolve
from tidemill.lineage.search import Listing, found, listed_refs, listed_runs, require_project
from tidemill.lineage.show import Shown, shown
from tidemill.lineage.wording import ref_text

if TYPE_CHECKING:
    from tidemill.lineage.record import Record


MOST_HOLDERS = 6
"""Holders of a ref that are named when it is hidden."""


class RefHidden(msgspec.Struct, frozen=True, kw_only=True):
    """A ref is hidden from lists, or shown in them again."""

    ref: str
    is_hidden: bool
    held_by: tuple[str, ...] = ()
    """What still points at it or serves it: aliases and deployments."""

    def __str__(self) -> str:
        if not self.is_hidden:
            return f"{self.ref} is shown in lists again"
        lines = [
            f"{self.ref} is hidden from lists; its history and bytes stay",
            f'  undo: tidemill rm {self.ref} --restore --because "..."',
        ]
        if self.held_by:
            lines.append(
                f"  note: still in use, nothing of it was stopped: {_spelled(self.held_by)}"
            )
        return folded("\n".join(lines))

    __repr__ = __str__


def show(record: Record, ref: str) -> Shown:
    """Show everything that is known of one thing.

    Args:
        ref: a ref, version, run, artifact or prediction, such as model:delay@3.
    """
    return shown(record, ref)


def listing(  # noqa: PLR0913 - the options of a command
    record: Record,
    kind: str = "",
    *,
    project: str = "",
    all_projects: bool = False,
    owner: str = "",
    limit: int = 50,
    hidden: bool = False,
) -> Listing:
    """List refs with their newest version, or runs.

    Args:
        kind: data, model, deployment, ... or run; left out: every ref.
        project: name of another project in the same record.
        all_projects: of every project in the record.
        owner: only refs of a person (and of the teams that have them), or of team:NAME.
        limit: how many to list.
        hidden: hidden refs too.
    """
    _check_limit(limit)
    if project and all_projects:
        raise UsageError("one project is not all of them", fix="leave out --all-projects")
    if project:
        require_project(record, project)
    of = "" if all_projects else project or record.project
    if kind == "run" and owner:
        raise UsageError("runs have no owner", fix="leave out --owner, or list refs")
    if kind == "run":
        return listed_runs(record, of, limit)
    return listed_refs(record, kind, of, limit, hidden=hidden, owner=owner)


def search(record: Record, text: str, *, project: str = "", limit: int = 50) -> Listing:
    """Search names, reasons, errors and notes for a text, in every project of the record.

    Args:
        text: part of a name or of a sentence, or the beginning of an artifact's id.
        project: only of one project; notes are of none.
        limit: how many to list.
    """
    _check_limit(limit)
    if not text.strip():
        raise InvalidInputError("an empty text is in everything", fix="tidemill list")
    if project:
        require_project(record, project)
    return found(record, text, limit, project=project)


def why(record: Record, ref: str, *, depth: int = 30) -> Why:
    """Say what made it: runs, code, environment, data, back to the first source.

    Args:
        ref: what to explain, such as model:delay@3, prediction:ID or run:ID.
        depth: how many runs back to go.
    """
    return explained(record, ref, depth)


def impact(record: Record, ref: str, *, depth: int = 30) -> Impact:
    """List everything that was built on it, by kind.

    Args:
        ref: what to start from, such as data:flights@2.
        depth: how many runs forward to go.
    """
    return impact_of(record, ref, depth)


def diff(record: Record, old: str, new: str) -> Difference:
    """Say what changed between two of the same kind.

    Args:
        old: the one before, such as model:delay@3.
        new: the one after, such as model:delay@4.
    """
    return difference(record, old, new)


def log(record: Record, ref: str, *, limit: int = 100) -> History:
    """Say who did what to it, when and why; oldest first.

    Args:
        ref: a ref, one version of it, a run or an artifact.
        limit: how many of the newest events to list.
    """
    _check_limit(limit)
    return history(record, ref, limit)


def hide(record: Record, ref: str, *, because: str = "", restore: bool = False) -> RefHidden:
    """Hide a ref from lists; its history and bytes stay.

    Args:
        ref: the ref, such as model:delay.
        because: why it is not wanted any more.
        restore: show it again.
    """
    pointer = parse_pointer(ref, project=record.project)
    version = resolve(record, msgspec.structs.replace(pointer, number=None, at=None, word=None))
    held_by = () if restore else holders(record, version.ref)
    if not because.strip():
        held = f"; still in use: {_spelled(held_by)}" if held_by else ""
        does = "showing" if restore else "hiding"
        flag = " --restore" if restore else ""
        raise NotAllowedError(
            f"{does} {ref} needs a reason{held}", fix=f'tidemill rm {ref}{flag} --because "..."'
        )
    fact = Hidden(
        ref=version.ref, is_hidden=not restore, actor=record.actor, at=record.now(),
        because=because,
    )  # fmt: skip
    record.ports.ledger.commit(Batch(facts=(fact,), at=record.now()))
    return RefHidden(
        ref=ref_text(version.ref, record.project), is_hidden=not restore, held_by=held_by
    )


def _spelled(held_by: tuple[str, ...]) -> str:
    more = len(held_by) - MOST_HOLDERS
    return "; ".join(held_by[:MOST_HOLDERS]) + (f"; and {more} more" if more > 0 else "")


MOST_LISTED = 1_000_000


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise InvalidInputError(
            f"a limit of {limit} lists nothing", fix="give --limit 1 or more, or leave it out"
        )
    if limit > MOST_LISTED:
        raise InvalidInputError(
            f"a limit of {limit} is more than can be listed", fix=f"give --limit {MOST_LISTED}"
        )


OPERATIONS = (
    Operation(
        function=show, command=("show",),
        examples=("tidemill show model:delay@champion", "tidemill show run:4f1c09aa"),
    ),
    Operation(
        function=listing, command=("list",),
        examples=("tidemill list", "tidemill list model", "tidemill list run --limit 5",
                  "tidemill list --all-projects --owner team:delays"),
    ),
    Operation(function=search, command=("search",), examples=("tidemill search delay",)),
    Operation(
        function=why, command=("why",),
        examples=("tidemill why model:delay@champion", "tidemill why data:flights@2"),
    ),
    Operation(function=impact, command=("impact",), examples=("tidemill impact data:flights@1",)),
    Operation(function=diff, command=("diff",),
              examples=("tidemill diff model:delay@1 model:delay@2",)),
    Operation(
        function=log, command=("log",),
        examples=("tidemill log model:delay", "tidemill log data:flights@2"),
    ),
    Operation(
        function=hide, command=("rm",), role="maintainer",
        examples=('tidemill rm data:scratch --because "was a test"',),
    ),
)  # fmt: skip
KINDS: tuple[Kind, ...] = ()
