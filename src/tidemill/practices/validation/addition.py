"""Addition and DataAdded: what is to be added to data, and what became of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from tidemill.core.check import Finding, State, Verdict, findings_table
from tidemill.core.digest import ArtifactId
from tidemill.core.errors import UsageError
from tidemill.core.text import counted
from tidemill.lineage.wording import short_id
from tidemill.ports.source import SqlQuery


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be added, and how."""

    name: str
    source: object
    append: bool
    key: tuple[str, ...]
    again: bool
    contract: str
    because: str
    shape: Literal["auto", "table", "files"] = "auto"
    """What a folder is to be; auto: told from its files."""
    is_hashed: bool = False
    snapshot: str = ""


class FileChanges(msgspec.Struct, frozen=True, kw_only=True):
    """How many files differ from the version before, and what was left out of the folder."""

    added: int
    removed: int
    changed: int
    renamed: int
    left_out: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{self.added:,} added, {self.removed:,} removed, {self.changed:,} changed,"
            f" {self.renamed:,} renamed"
        )

    __repr__ = __str__


class DataAdded(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a source. `contract` is empty where none is declared."""

    version: str
    is_new: bool
    source: str
    rows: int
    rows_read: int
    rows_added: int
    rows_quarantined: int
    artifact: ArtifactId
    contract: str = ""
    state: State | None = None
    verdict: ArtifactId | None = None
    quarantine: str = ""
    findings: tuple[Finding, ...] = ()
    shape: Literal["table", "folder", "external"] = "table"
    files: int = 0
    size_bytes: int = 0
    file_changes: FileChanges | None = None

    def __str__(self) -> str:
        return self._files_told() if self.shape != "table" else self._table_told()

    __repr__ = __str__

    def _files_told(self) -> str:
        if not self.is_new:
            what = "is the same there" if self.shape == "external" else "has these files already"
            return self._nothing_told(what)
        size = f"{counted(self.files, 'file')}, {counted(self.size_bytes, 'byte')}"
        head = f"{self.version} {short_id(self.artifact)} from {self.source}"
        if self.shape == "external":
            return f"{head}: external, not held; {size if self.files else 'not looked at'}"
        changes = self.file_changes
        parts = [f"{head}: {size}; {changes}", *_rules_told(self.findings)]
        if changes is not None and changes.left_out:
            parts.append(f"left out: {', '.join(changes.left_out[:5])}")
        return "\n".join(parts)

    def _nothing_told(self, what: str) -> str:
        head = f"{self.version} {what} ({self.source}); nothing was added"
        if self.state is None:
            return head
        rules = _rules_told(self.findings)
        return "\n".join([f"{head}; checked against {self.contract}: {self.state}", *rules])

    def _table_told(self) -> str:
        if not self.is_new:
            return self._nothing_told("has these rows already")
        head = (
            f"{self.version} {short_id(self.artifact)} from {self.source}: {self.rows_read:,} rows"
            f" read, {self.rows_added:,} added, {self.rows_quarantined:,} put aside;"
            f" {self.rows:,} in all"
        )
        parts = [head, *_rules_told(self.findings)]
        if self.quarantine:
            parts.append(f"rows put aside: tidemill data get {self.quarantine}")
        if not self.contract:
            parts.append("no contract is declared for these data: tidemill contract infer"
                         f" {self.version}")  # fmt: skip
        return "\n".join(parts)


def there_already(added: DataAdded, verdict: Verdict, artifact: ArtifactId) -> DataAdded:
    """Return what became of a source that is a version already: what was said of that version."""
    return msgspec.structs.replace(
        added, state=verdict.state, verdict=artifact, findings=verdict.findings
    )


def _rules_told(findings: tuple[Finding, ...]) -> list[str]:
    """Return what holds as a count and what does not as a table."""
    if not findings:
        return []
    broken = tuple(finding for finding in findings if finding.state != "pass")
    held = len(findings) - len(broken)
    if not broken:
        return [f"all {held} rules hold"]
    return [f"{held} of {len(findings)} rules hold", findings_table(broken)]


def asked_source(source: object, sql: str, place: str) -> object:
    """Return what rows are read from: what was given, or a query of a place.

    Raises:
        UsageError: neither, or both.
    """
    if not sql:
        if isinstance(source, str) and not source:
            raise UsageError(
                "nothing was given to add", fix="tidemill data add NAME SOURCE, or --sql and --from"
            )
        if place:
            raise UsageError("--from says where a query is asked", fix="give --sql too")
        return source
    if not (isinstance(source, str) and not source):
        raise UsageError("a source and a query were given", fix="give one of them")
    if not place:
        raise UsageError(
            "the query has no place to be asked at",
            fix="--from duckdb:///FILE, sqlite:///FILE or a glob of files",
        )
    return SqlQuery(place=place, sql=sql)


def refuse_idle(wish: Addition) -> None:
    """Raise where something is asked for that means nothing unless data are external.

    Raises:
        UsageError: names it.
    """
    idle = "--hash" if wish.is_hashed else "--snapshot" if wish.snapshot else ""
    if idle:
        raise UsageError(f"{idle} is said of external data only", fix="add --external")
    if isinstance(wish.source, str) and "://" in wish.source:
        raise UsageError(
            f"nothing here reads {wish.source}",
            fix="record where the data are: --external --snapshot VERSION-OR-ETAG; or ask a"
            " database: --sql QUERY --from URL",
        )
