"""Policies and approvals as people edit them; `lineage` judges them whoever moves an alias."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import InvalidInputError, NotAllowedError, NotFoundError
from tidemill.core.facts import Batch, Noted
from tidemill.core.pointer import parse_pointer
from tidemill.core.policy import Policy
from tidemill.core.query import Query, Where
from tidemill.core.ref import Ref, RefName, Version
from tidemill.core.text import table
from tidemill.lineage.artifacts import find_artifact, put_value, read_value
from tidemill.lineage.policies import approval_key, policy_ref
from tidemill.lineage.refs import check_alias, resolve
from tidemill.lineage.writing import find_ref, newest_version, opened

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.lineage.record import Record


class PolicyRow(msgspec.Struct, frozen=True, kw_only=True):
    """The policy of one alias of one ref, and its version."""

    ref: str
    alias: str
    number: int
    policy: Policy

    def __str__(self) -> str:
        return f"{self.ref}{self.policy} (policy version {self.number})"

    __repr__ = __str__


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Policies as they are now."""

    policies: tuple[PolicyRow, ...]

    def __str__(self) -> str:
        if not self.policies:
            return "no policy was set: whoever may write moves an alias, with a reason"
        head = ["alias", "moved by", "verdicts", "approvals", "policy version"]
        return table(head, [_cells(row) for row in self.policies])

    __repr__ = __str__


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody approves that a version gets an alias."""

    version: str
    alias: str
    actor: str
    because: str

    def __str__(self) -> str:
        return f"{self.actor} approves {self.version} as @{self.alias}: {self.because}"

    __repr__ = __str__


def _cells(row: PolicyRow) -> list[object]:
    policy = row.policy
    return [
        f"{row.ref}@{row.alias}",
        ", ".join(policy.actors) or "anybody who may write",
        ", ".join(policy.verdicts) or "none",
        policy.approvals,
        row.number,
    ]


def put_policy(
    record: Record, ref: RefName, policy: Policy, *, because: str, at: datetime | None = None
) -> PolicyRow:
    """Replace the policy of an alias.

    Raises:
        NotFoundError: there is no such ref.
        InvalidInputError: no reason, fewer than no approvals, or what cannot be an alias.
    """
    check_alias(policy.alias)
    name = f"{ref.kind}:{ref.name}"
    if find_ref(record, ref) is None:
        raise NotFoundError(f"there is no {name}", fix=f"tidemill list {ref.kind}")
    if policy.approvals < 0:
        raise InvalidInputError(f"{policy.approvals} approvals cannot be", fix="--approvals 1")
    if not because.strip():
        raise InvalidInputError(
            f"changing the policy of {name}@{policy.alias} needs a reason", fix='--because "..."'
        )
    held_by = policy_ref(ref, policy.alias)
    with opened(record, kind="policy", name=held_by.name, at=at, because=because) as run:
        kept = run.made(put_value(record, "policy", policy, summary={"of": str(ref)}))
        version = run.version(held_by, kept)
    return PolicyRow(ref=name, alias=policy.alias, number=version.version.number, policy=policy)


def find_policies(record: Record, pointer: str = "") -> Policies:
    """Return the policies of one ref, or of all refs of this project.

    Raises:
        NotFoundError: there is no such ref; names the closest.
    """
    parsed = parse_pointer(pointer, project=record.project) if pointer else None
    wanted = parsed.ref if parsed else None
    if parsed is not None and find_ref(record, parsed.ref) is None:
        resolve(record, parsed)
    where = (Where("ref.kind", "=", "policy"), Where("ref.project", "=", record.project))
    rows = []
    for held_by in record.ports.ledger.find(Query(Ref, where=where)):
        newest = newest_version(record, held_by.ref)
        if not isinstance(newest, Version):
            continue
        artifact = find_artifact(record, newest.artifact)
        policy = read_value(record, artifact, Policy)
        kind, _, rest = held_by.ref.name.partition(".")
        name = rest.removesuffix(f".{policy.alias}")
        if wanted is None or (wanted.kind, wanted.name) == (kind, name):
            rows.append(
                PolicyRow(
                    ref=f"{kind}:{name}", alias=policy.alias, number=newest.number, policy=policy
                )
            )
    return Policies(policies=tuple(rows))


def put_approval(record: Record, pointer: str, alias: str, because: str) -> Approval:
    """Approve that a version gets an alias; given again, the newest reason counts.

    Raises:
        NotAllowedError: a trigger cannot approve; there must be a reason.
    """
    if record.actor.kind == "trigger":
        raise NotAllowedError("a trigger cannot approve", fix="let a person run the same command")
    if not because.strip():
        raise NotAllowedError("an approval needs a reason", fix='--because "..."')
    version, now = resolve(record, pointer), record.now()
    noted = Noted(
        subject=f"{version.ref}@{version.number}", key=approval_key(alias, str(record.actor)),
        text=because, actor=record.actor, at=now,
    )  # fmt: skip
    record.ports.ledger.commit(Batch(facts=(noted,), at=now))
    return Approval(version=str(version), alias=alias, actor=str(record.actor), because=because)
