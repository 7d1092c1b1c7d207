"""FolderContract: what a folder of files promises, declared as a class.

class Pictures(tm.FolderContract):
    data = "pictures"
    suffixes = (".png", ".jpg")
    files = (1, 100_000)
    size_bytes = (1, 10_000_000)
    folders = ("cats", "dogs")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

from tidemill.core.check import Finding, Verdict, worst
from tidemill.core.errors import CheckFailedError, InvalidInputError, NotFoundError
from tidemill.core.ref import Version
from tidemill.core.text import counted
from tidemill.lineage.artifacts import find_artifact, put_value, tree_entries
from tidemill.lineage.judged import judged, kept_verdict
from tidemill.lineage.policies import VERDICT
from tidemill.lineage.refs import ref_name
from tidemill.lineage.suggestions import closest
from tidemill.lineage.writing import newest_version, opened
from tidemill.practices.infrastructure.project import declared
from tidemill.practices.validation.keeping import keep, put_verdict
from tidemill.practices.versioning.folders import suffix_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tidemill.core.artifact import Artifact
    from tidemill.core.digest import ArtifactId, TreeEntry
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import RunDraft
    from tidemill.practices.versioning.folders import StoredFolder

KIND = "folder_contract"
REF_KIND = "contract"

Bounds = tuple[int | None, int | None]
"""Least and most, both allowed; None: no bound."""


class FolderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A folder contract as a value. Empty: anything goes."""

    name: str
    data: str
    suffixes: tuple[str, ...] = ()
    files: Bounds = (1, None)
    size_bytes: Bounds = (None, None)
    folders: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"contract {self.name} of data:{self.data}", f"files: {_spelled(self.files)}"]
        if self.suffixes:
            lines.append(f"suffixes: {', '.join(self.suffixes)}")
        if self.size_bytes != (None, None):
            lines.append(f"bytes of a file: {_spelled(self.size_bytes)}")
        if self.folders:
            lines.append(f"folders: {', '.join(self.folders)}")
        return "\n".join(lines)

    __repr__ = __str__


class FolderContract:
    """Base of folder contracts. `files` and `size_bytes` are (least, most); None is no bound."""

    data: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    files: ClassVar[Bounds] = (1, None)
    size_bytes: ClassVar[Bounds] = (None, None)
    folders: ClassVar[tuple[str, ...]] = ()
    contract_name: ClassVar[str] = ""
    contract_spec: ClassVar[FolderSpec]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        known = {"data", "suffixes", "files", "size_bytes", "folders"}
        for name in vars(cls):
            if not name.startswith("__") and name not in known:
                near = closest(name, sorted(known))
                raise InvalidInputError(
                    f"folder contract {cls.__name__} says {name!r}, which means nothing",
                    fix=f"did you mean {near}?" if near else f"it can say {', '.join(known)}",
                )
        cls.contract_name = cls.data or cls.__name__.lower()
        cls.contract_spec = FolderSpec(
            name=cls.__name__, data=cls.contract_name, files=cls.files,
            suffixes=tuple(suffix.lower() for suffix in cls.suffixes),
            size_bytes=cls.size_bytes, folders=tuple(cls.folders),
        )  # fmt: skip

    @classmethod
    def contract_verdict(cls, record: Record, version: Version, at: datetime | None) -> Verdict:
        """Return what the contract says of a version. Raises as `folder_checked`."""
        artifact = find_artifact(record, version.artifact)
        return folder_checked(record, version, artifact, cls.contract_spec, at)


class Contracted:
    """Judges a folder that is added against its contract; `verdict` is there afterwards."""

    def __init__(self, record: Record, spec: FolderSpec, contract: Version, at: datetime) -> None:
        self._record, self._spec, self._contract, self._at = record, spec, contract, at
        self.verdict: Verdict | None = None
        self.verdict_artifact: Artifact | None = None

    def finish(self, run: RunDraft, stored: StoredFolder) -> None:
        """Add contract and verdict to the run.

        Raises:
            CheckFailedError: a rule is broken; nothing may be kept.
        """
        self.verdict = folder_verdict(
            self._spec, stored.entries, (stored.artifact.id, self._contract.artifact), self._at
        )
        self.verdict_artifact = put_verdict(self._record, self.verdict)
        if not self.verdict.has_passed:
            told = (
                f"{one.rule}: {one.what}" for one in self.verdict.findings if one.state != "pass"
            )
            raise CheckFailedError("; ".join(told), fix="correct the folder or the contract")
        self.attach(run)

    def attach(self, run: RunDraft) -> None:
        """Add contract and verdict to a run."""
        run.used(self._contract.artifact, name="contract", source=self._contract.run)
        if self.verdict_artifact is not None:
            run.made(self.verdict_artifact, name=VERDICT)


def find_folder_contract(record: Record, data: str, name: str = "") -> FolderSpec | None:
    """Return the folder contract that the project declares for data, or the one with a name.

    Raises:
        NotFoundError: no folder contract has this name.
    """
    classes = declared(record, FolderContract, class_objects=True)
    specs = [one.contract_spec for one in classes.values() if one is not FolderContract]
    found = [
        spec for spec in specs if (name in (spec.name, spec.data) if name else spec.data == data)
    ]
    if name and not found:
        raise NotFoundError(
            f"the project declares no folder contract {name!r}",
            fix=f"there are: {', '.join(spec.name for spec in specs) or 'none'}",
        )
    return found[0] if found else None


def put_folder_contract(record: Record, spec: FolderSpec, at: datetime | None) -> Version:
    """Return the version of `contract:DATA` that is this contract; a new one where it changed."""
    ref = ref_name(record, REF_KIND, spec.data)
    artifact = put_value(record, KIND, spec, summary={"data": spec.data})
    newest = newest_version(record, ref)
    if isinstance(newest, Version) and newest.artifact == artifact.id:
        return newest
    with opened(record, kind=REF_KIND, name=spec.data, at=at) as run:
        run.made(artifact, name=REF_KIND)
        pending = run.version(ref, artifact)
    return pending.version


def folder_checked(
    record: Record, version: Version, artifact: Artifact, spec: FolderSpec, at: datetime | None
) -> Verdict:
    """Return the verdict on a folder: the one that is kept, else its files are judged now.

    Raises:
        InvalidInputError: it is no folder.
    """
    if not artifact.id.startswith("tree1:"):
        raise InvalidInputError(
            f"{version} is no folder of files, of which the contract {spec.name} speaks",
            fix="declare a tm.Contract for a table",
        )
    declared = put_folder_contract(record, spec, at)
    before = judged(record, artifact.id, spec)
    known = kept_verdict(record, before)
    if known is not None:
        return known
    subjects = (artifact.id, declared.artifact)
    verdict = folder_verdict(spec, tree_entries(record, artifact), subjects, record.moment(at))
    return keep(record, version, verdict, at, (declared, before))


def folder_verdict(
    spec: FolderSpec,
    entries: Sequence[TreeEntry],
    subjects: tuple[ArtifactId, ...],
    at: datetime,
) -> Verdict:
    """Return what a contract says of the files of a folder."""
    findings = tuple(_findings(spec, entries))
    return Verdict(
        check="contract", subjects=subjects, state=worst(findings), findings=findings, at=at
    )


def _findings(spec: FolderSpec, entries: Sequence[TreeEntry]) -> Iterator[Finding]:
    is_enough = _is_within(len(entries), spec.files)
    yield Finding(
        rule="files", state="pass" if is_enough else "fail", bound=_spelled(spec.files),
        what=counted(len(entries), "file"), measured=float(len(entries)),
    )  # fmt: skip
    if spec.suffixes:
        bad = [one.path for one in entries if suffix_of(one.path) not in spec.suffixes]
        yield _finding("suffixes", bad, len(entries), ", ".join(spec.suffixes))
    if spec.size_bytes != (None, None):
        bad = [one.path for one in entries if not _is_within(one.size_bytes, spec.size_bytes)]
        yield _finding("size_bytes", bad, len(entries), _spelled(spec.size_bytes))
    if spec.folders:
        there = {one.path.partition("/")[0] for one in entries if "/" in one.path}
        missing = [name for name in spec.folders if name not in there]
        yield Finding(
            rule="folders", state="fail" if missing else "pass", bound=", ".join(spec.folders),
            what=f"{', '.join(missing)} missing" if missing else "all there",
        )  # fmt: skip


def _finding(rule: str, bad: list[str], files: int, bound: str) -> Finding:
    shown = ", ".join(bad[:3]) + (" …" if bad[3:] else "")
    return Finding(
        rule=rule, state="fail" if bad else "pass", bound=bound, rows_checked=files,
        rows_failed=len(bad), what=f"{counted(len(bad), 'file')}: {shown}" if bad else "all files",
    )  # fmt: skip


def _is_within(value: int, bounds: Bounds) -> bool:
    least, most = bounds
    return (least is None or value >= least) and (most is None or value <= most)


def _spelled(bounds: Bounds) -> str:
    least, most = bounds
    if least is None:
        return "any" if most is None else f"at most {most:,}"
    return f"at least {least:,}" if most is None else f"{least:,} to {most:,}"
