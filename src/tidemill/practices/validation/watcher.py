"""ContractWatcher: judges rows while they stream into a version, and puts the bad ones aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.check import Verdict, worst
from tidemill.core.errors import CheckFailedError
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.policies import VERDICT
from tidemill.lineage.refs import ref_name
from tidemill.practices.validation.findings import (
    quarantine_finding,
    row_findings,
    table_findings,
)
from tidemill.practices.validation.judge import FILE, Judge, check_columns, with_types
from tidemill.practices.validation.keeping import put_verdict
from tidemill.practices.validation.profile import Profiler
from tidemill.practices.versioning.tables import TableWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.check import Finding
    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import PendingVersion, RunDraft
    from tidemill.practices.validation.spec import ContractSpec
    from tidemill.practices.versioning.tables import StoredTable

_BATCH_ROWS = 65_536


class ContractWatcher:
    """One source against one contract; `contract` is None where only a key was asked for.

    After `finish`: `verdict`, its artifact, and the pending version of the quarantine.
    """

    def __init__(
        self, record: Record, spec: ContractSpec, contract: Version | None, at: datetime
    ) -> None:
        self._record, self._spec, self._contract, self._at = record, spec, contract, at
        self.judge = Judge(spec)
        self._profiler = Profiler(names[0] for names in spec.unique_sets if len(names) == 1)
        self._quarantine: TableWriter | None = None
        self._is_begun = False
        self._unread: list[pl.DataFrame] = []
        self.verdict: Verdict | None = None
        self.verdict_artifact: Artifact | None = None
        self.quarantine: PendingVersion | None = None

    def begin(self, base: pl.LazyFrame | None) -> None:
        """Learn the keys of the rows that an append adds to."""
        sets = self._spec.unique_sets
        if base is None or not sets:
            return
        columns = list(dict.fromkeys(name for names in sets for name in names))
        check_columns(base.collect_schema(), self._only_keys(columns))
        self.judge.learn(batches_of(base.select(columns)))

    def unread(self, rows: pl.DataFrame) -> None:
        """Take rows of the next batch that could not be read, as `ports/source.py` says them."""
        self._unread.append(rows)

    def watch(self, batch: pl.DataFrame, first_row: int, file: str = "") -> pl.DataFrame:
        """Return the rows that break no rule; the others go into the quarantine."""
        if not self._is_begun:
            check_columns(batch.schema, self._spec)
            self._is_begun = True
        unread = pl.concat(self._unread) if self._unread else None
        self._unread = []
        self.judge.turn_to(file, first_row)
        judged = self.judge.judge(with_types(batch, self._spec), first_row, unread)
        if judged.bad.height:
            if self._quarantine is None:
                self._quarantine = TableWriter(self._record.ports.objects)
            bad = judged.bad.with_columns(pl.lit(file).alias(FILE)) if file else judged.bad
            self._quarantine.write(bad)
        self._profiler.update(judged.kept)
        return judged.kept

    def finish(self, run: RunDraft, stored: StoredTable) -> None:
        """Add contract, profile, verdict and quarantine to the run.

        Raises:
            CheckFailedError: the source breaks the contract; nothing of it may be kept.
        """
        findings = tuple(self._findings(stored.manifest.rows))
        if findings:
            self._judged(findings, stored)
        if self.verdict is not None and not self.verdict.has_passed:
            raise CheckFailedError(failed_text(self.verdict), fix="correct the source")
        self.attach(run)
        run.made(put_value(self._record, "profile", self._profiler.result()), name="profile")

    def attach(self, run: RunDraft) -> None:
        """Add contract, verdict and quarantined rows to a run."""
        if self._contract is not None:
            run.used(self._contract.artifact, name="contract", source=self._contract.run)
        if self.verdict_artifact is not None:
            run.made(self.verdict_artifact, name=VERDICT)
        if self._quarantine is None:
            return
        stored = self._quarantine.finish()
        aside = msgspec.structs.replace(stored.artifact, kind="quarantine")
        run.made(aside, name="quarantine", objects=stored.objects)
        ref = ref_name(self._record, "data", f"{self._spec.data}.quarantine")
        self.quarantine = run.version(ref, aside)

    def close(self) -> None:
        """Let go of temporary files."""
        self.judge.close()

    def _judged(self, findings: tuple[Finding, ...], stored: StoredTable) -> None:
        contract = (self._contract.artifact,) if self._contract else ()
        self.verdict = Verdict(
            check="contract", subjects=(stored.artifact.id, *contract), state=worst(findings),
            findings=findings, at=self._at,
        )  # fmt: skip
        self.verdict_artifact = put_verdict(self._record, self.verdict)

    def _findings(self, version_rows: int) -> Iterator[Finding]:
        yield from row_findings(self.judge, broken="warn")
        if self.judge.counts:
            yield quarantine_finding(self.judge)
        yield from table_findings(self.judge, version_rows=version_rows, at=self._at)

    def _only_keys(self, columns: list[str]) -> ContractSpec:
        kept = tuple(column for column in self._spec.columns if column.name in columns)
        return msgspec.structs.replace(self._spec, columns=kept, takes_more_columns=True)


def failed_text(verdict: Verdict) -> str:
    """Return what a verdict holds against its subject, worst rules first."""
    told = sorted(
        (finding for finding in verdict.findings if finding.state != "pass"),
        key=lambda finding: (finding.state == "warn", -(finding.rows_failed or 0)),
    )
    parts = [f"{finding.rule}: {finding.what}" for finding in told[:4]]
    return "; ".join(parts) + ("; …" if len(told) > 4 else "")


def batches_of(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Yield the rows of a lazy frame in order, never all of them in memory."""
    yield from frame.collect_batches(
        chunk_size=_BATCH_ROWS, maintain_order=True, lazy=True, engine="streaming"
    )
