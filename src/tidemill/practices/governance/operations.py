"""What governs: the audit of the journal, policies of aliases, approvals, model cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.operation import Kind, Operation
from tidemill.core.pointer import parse_pointer
from tidemill.core.policy import Policy
from tidemill.core.text import counted, table
from tidemill.lineage.artifact_audit import artifact_problems
from tidemill.lineage.artifacts import read_value
from tidemill.lineage.journal import Problem, verify_journal
from tidemill.practices.governance.model_card import ModelCard, model_card
from tidemill.practices.governance.policies import (
    Approval,
    Policies,
    PolicyRow,
    find_policies,
    put_approval,
    put_policy,
)

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.lineage.record import Record


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit of the journal found. Keep `head` elsewhere: it proves the end of it too."""

    blocks: int
    entries: int
    head: str
    problems: tuple[Problem, ...]
    external: tuple[str, ...] = ()
    """Versions of data that are not held: their bytes lie elsewhere and were not looked at."""

    def __str__(self) -> str:
        size = (
            f"{counted(self.entries, 'entry')} in {counted(self.blocks, 'block')}, "
            f"head {self.head[:16]}{self._external_told()}"
        )
        if not self.problems:
            return f"intact: nobody has rewritten the record; {size}"
        rows = [[problem.where, problem.what] for problem in self.problems]
        return f"{counted(len(rows), 'problem')}; {size}\n{table(['where', 'what'], rows)}"

    __repr__ = __str__

    def _external_told(self) -> str:
        if not self.external:
            return ""
        more = f" and {len(self.external) - 5} more" if self.external[5:] else ""
        return (
            "\nexternal, not held, their bytes were not looked at: "
            f"{', '.join(self.external[:5])}{more}"
        )


def verify_audit(record: Record, *, quick: bool = False) -> Audit:
    """Prove that nobody has rewritten the record and that its bytes are sound, or say what is not.

    Changes nothing. Reads all bytes and hashes the rows of tables again.

    Args:
        quick: look only whether large bytes are there, without reading them.
    """
    from tidemill.practices.versioning.file_versions import external_versions  # noqa: PLC0415 - few
    from tidemill.practices.versioning.table_audit import TableAudit  # noqa: PLC0415 - brings Polars

    found = verify_journal(record)
    problems = artifact_problems(record, is_quick=quick, look_into=TableAudit())
    artifacts = (Problem(where=p.where, what=p.what) for p in problems)
    return Audit(
        blocks=found.blocks, entries=found.entries, head=found.head,
        problems=(*found.problems, *artifacts), external=external_versions(record),
    )  # fmt: skip


def set_policy(  # noqa: PLR0913 - a policy has this many parts
    record: Record,
    ref: str,
    alias: str,
    *,
    actor: tuple[str, ...] = (),
    verdict: tuple[str, ...] = (),
    approvals: int = 0,
    because: str,
    at: datetime | None = None,
) -> PolicyRow:
    """Say what the move of an alias needs; it replaces the policy that there was.

    Args:
        ref: whose alias, like model:delay.
        alias: which alias, like champion.
        actor: who may move it, by name or team:NAME, repeated; none: anybody who may write.
        verdict: check that must have passed on the version (gates, comparison), repeated.
        approvals: how many others must have approved.
        because: why.
        at: effective time.
    """
    name = parse_pointer(ref, project=record.project).ref
    policy = Policy(alias=alias, actors=actor, verdicts=verdict, approvals=approvals)
    return put_policy(record, name, policy, because=because, at=at)


def show_policy(record: Record, ref: str = "") -> Policies:
    """Show what moving aliases needs.

    Args:
        ref: whose aliases; left out: every policy of the project.
    """
    return find_policies(record, ref)


def approve(record: Record, ref: str, alias: str, *, because: str) -> Approval:
    """Approve that a version gets an alias; counts for everybody's move but one's own.

    Args:
        ref: the version, like model:delay@7.
        alias: the alias it may get.
        because: why.
    """
    return put_approval(record, ref, alias, because)


def card(record: Record, model: str) -> ModelCard:
    """Write a model card from the record alone, as Markdown.

    Args:
        model: the version, like model:delay@champion.
    """
    return model_card(record, model)


def show_policy_artifact(record: Record, artifact: Artifact) -> Policy:
    """Return a policy as it was kept."""
    return read_value(record, artifact, Policy)


OPERATIONS = (
    Operation(
        function=verify_audit,
        command=("audit", "verify"),
        examples=("tidemill audit verify", "tidemill audit verify --quick"),
        failed=lambda audit: bool(audit.problems),
    ),
    Operation(
        function=set_policy,
        command=("policy", "set"),
        role="maintainer",
        examples=(
            'tidemill policy set model:delay champion --verdict gates --because "no ungated model"',
        ),
    ),
    Operation(function=show_policy, command=("policy", "show")),
    Operation(
        function=approve,
        command=("approve",),
        role="contributor",
        examples=('tidemill approve model:delay@2 champion --because "read the card"',),
    ),
    Operation(function=card, command=("card",), examples=("tidemill card model:delay",)),
)
KINDS = (Kind(name="policy", what="what the move of an alias needs", show=show_policy_artifact),)
