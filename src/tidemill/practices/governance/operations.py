"""What governs: the audit of the journal, policies of aliases, approvals, model cards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from tidemill.core.errors import UsageError
from tidemill.core.operation import Kind, Operation
from tidemill.core.pointer import parse_pointer
from tidemill.core.policy import Policy
from tidemill.core.text import counted, table
from tidemill.lineage.artifact_audit import artifact_problems
from tidemill.lineage.artifacts import read_value
from tidemill.lineage.journal import Problem, verify_journal
from tidemill.lineage.out_files import writing_to
from tidemill.practices.governance.audit_keys import (
    KeyRow,
    key_problems,
    newest_key,
    rotate_key,
    show_key,
)
from tidemill.practices.governance.checkpoints import (
    SignedCheckpoint,
    checkpoint_problems,
    make_checkpoint,
)
from tidemill.practices.governance.model_card import ModelCard, model_card
from tidemill.practices.governance.policies import (
    Approval,
    Policies,
    PolicyRow,
    find_policies,
    put_approval,
    put_policy,
)
from tidemill.practices.governance.proofs import Proof, check_proof, prove_fact, prove_growth

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
    proven: str = ""
    """What a checkpoint or a proof showed."""
    external: tuple[str, ...] = ()
    """Versions of data that are not held: their bytes lie elsewhere and were not looked at."""

    def __str__(self) -> str:
        size = (
            f"{counted(self.entries, 'entry')} in {counted(self.blocks, 'block')}, "
            f"head {self.head[:16]}{self._external_told()}"
        )
        if self.proven and not self.problems:
            return self.proven if not self.blocks else f"{self.proven}\nintact; {size}"
        if not self.problems:
            return f"intact: nobody has rewritten the record; {size}"
        rows = [[problem.where, problem.what] for problem in self.problems]
        of = f"; {size}" if self.blocks else ""
        return f"{counted(len(rows), 'problem')}{of}\n{table(['where', 'what'], rows)}"

    __repr__ = __str__

    def _external_told(self) -> str:
        if not self.external:
            return ""
        more = f" and {len(self.external) - 5} more" if self.external[5:] else ""
        return (
            "\nexternal, not held, their bytes were not looked at: "
            f"{', '.join(self.external[:5])}{more}"
        )


def verify_audit(
    record: Record, *, quick: bool = False, checkpoint: str = "", proof: str = "", key: str = ""
) -> Audit:
    """Prove that nobody has rewritten the record and that its bytes are sound, or say what is not.

    Changes nothing. Reads all bytes and hashes the rows of tables again. A record that was cut off
    or rolled back as a whole is found against a checkpoint that was kept elsewhere.

    Args:
        quick: look only whether large bytes are there, without reading them.
        checkpoint: a file that `audit checkpoint` wrote; the record must go on from it.
        proof: check this file of `audit prove` instead; no project is needed.
        key: the public key that must have signed the proof; default: the one that it names.
    """
    if proof:
        return _proven(record, proof, key)
    from tidemill.practices.versioning.file_versions import external_versions  # noqa: PLC0415 - few
    from tidemill.practices.versioning.table_audit import TableAudit  # noqa: PLC0415 - brings Polars

    against = list(key_problems(record))
    if checkpoint:
        against += checkpoint_problems(record, checkpoint)
    found = verify_journal(record)
    problems = artifact_problems(record, is_quick=quick, look_into=TableAudit())
    artifacts = (Problem(where=p.where, what=p.what) for p in problems)
    return Audit(
        blocks=found.blocks, entries=found.entries, head=found.head,
        problems=(*against, *found.problems, *artifacts),
        proven=f"the record goes on from {checkpoint}" if checkpoint else "",
        external=external_versions(record),
    )  # fmt: skip


def _proven(record: Record, path: str, key: str) -> Audit:
    found = check_proof(record, path, key)
    whose = "" if key else "\ncompare that key with the one that you know, or give it with --key"
    return Audit(
        blocks=0, entries=0, head="", problems=found.problems,
        proven=f"proved: {found.what}\nsigned by\n{found.key}{whose}",
    )  # fmt: skip


def make_audit_checkpoint(record: Record) -> SignedCheckpoint:
    """Sign how long the journal is and what it says; keep the text where the record is not.

    The first checkpoint makes the key that signs, in the user's own settings, outside the record.
    Whoever holds that key and the record can forge only what came after the last checkpoint that
    somebody keeps elsewhere.
    """
    return make_checkpoint(record)


def prove_audit(record: Record, pointer: str = "", *, since: str = "", out: str = "") -> Proof:
    """Make a small proof of one fact, or of growth since a checkpoint, to be checked by anybody.

    Args:
        pointer: a version (model:delay@3), an alias (model:delay@champion) or a run.
        since: a file with an older checkpoint: prove that the record goes on from it.
        out: the file to write; left out: it is printed.
    """
    if bool(pointer) == bool(since):
        raise UsageError(
            "one thing is proved at a time", fix="give a pointer, or --since FILE, not both"
        )
    proof = prove_fact(record, pointer) if pointer else prove_growth(record, since)
    if out:
        with writing_to(out, "--out") as path:
            path.write_text(f"{proof}\n", encoding="utf-8")
    return proof


def show_audit_key(record: Record) -> KeyRow:
    """Show the public key that signs checkpoints, to be known by whoever will check them."""
    return newest_key(record)


def rotate_audit_key(record: Record, *, because: str) -> KeyRow:
    """Make a new key for checkpoints; it is journaled, and signed by the old one if that is here.

    Args:
        because: why.
    """
    return rotate_key(record, because)


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
        examples=(
            "tidemill audit verify",
            "tidemill audit verify --checkpoint kept.txt",
            "tidemill audit verify --proof champion.json",
        ),
        failed=lambda audit: bool(audit.problems),
        alone=("proof",),
    ),
    Operation(
        function=make_audit_checkpoint,
        command=("audit", "checkpoint"),
        role="contributor",
        examples=("tidemill audit checkpoint > kept.txt",),
    ),
    Operation(
        function=prove_audit,
        command=("audit", "prove"),
        role="contributor",
        examples=(
            "tidemill audit prove model:delay@champion --out champion.json",
            "tidemill audit prove --since kept.txt --out growth.json",
        ),
    ),
    Operation(function=show_audit_key, command=("audit", "key")),
    Operation(
        function=rotate_audit_key,
        command=("audit", "rotate"),
        role="maintainer",
        examples=('tidemill audit rotate --because "the laptop was lost"',),
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
KINDS = (
    Kind(name="policy", what="what the move of an alias needs", show=show_policy_artifact),
    Kind(name="key", what="a public key that signs checkpoints of the journal", show=show_key),
)
