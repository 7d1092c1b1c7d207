"""Every kind of thing is shown, compared and logged as text that people read, in 100 columns."""

import os
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tidemill.app.places import open_record
from tidemill.core.artifact import Artifact
from tidemill.core.policy import Policy
from tidemill.core.query import Query, Where
from tidemill.core.ref import RefName
from tidemill.core.signature import Field, Signature
from tidemill.core.text import WIDTH
from tidemill.dispatch.registry import Kinds, all_operations
from tidemill.kernels.e_detector import DayDetector, DetectorState
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.operations import diff, impact, listing, log, search, show, why
from tidemill.lineage.teams import Team
from tidemill.lineage.writing import opened
from tidemill.practices.collaboration.roles import RoleGrant
from tidemill.practices.delivery.deployment import DeploymentSpec
from tidemill.practices.drift.reference import Reference
from tidemill.practices.drift.results import DriftCheck
from tidemill.practices.drift.states import Detector
from tidemill.practices.features.declare import Feature, ViewSpec
from tidemill.practices.features.view_definitions import ViewDefinition
from tidemill.practices.governance.audit_keys import AuditKey
from tidemill.practices.pipelines.sweep_results import Sweep, SweepPoint, ranked
from tidemill.practices.training.outcome import Decision
from tidemill.practices.training.trigger import Trigger
from tidemill.practices.validation.folder_contract import FolderSpec
from tidemill.practices.versioning.external import ExternalData, ExternalFile

ENVIRONMENT = {"TIDEMILL_ACTOR": "ada lovelace of the team that loads orders"}
RAW = re.compile(r"\w\(\w+=|\bb'|\{'|Some\(|<\w+ object|\\n")
"""What only a programmer reads: the `repr` of a value."""
DIGEST = re.compile(r"[0-9a-f]{32}")
MODEL = "tree1:" + "ab" * 32


def view(minutes: int) -> ViewDefinition:
    features = tuple(
        (f"orders_{n}m", Feature(kind="count", column="", window_us=n * 60_000_000))
        for n in range(minutes, minutes + 12)
    )
    spec = ViewSpec(name="history", source="orders", entity=("customer",), time="at", known="at",
                    delay_us=0, features=features)  # fmt: skip
    return ViewDefinition(spec=spec, path="views:history", digest=MODEL)


def detector(days: int) -> Detector:
    return Detector(
        check="drift.data", model=MODEL, model_version="model:late@1", reference=MODEL,
        state=DetectorState(days=days, past=bytes(300)), window="2013-06", evidence=days / 7,
        threshold=365.0, days=tuple(f"2013-06-{day:02}" for day in range(1, days)),
    )  # fmt: skip


def reference(rows: int) -> Reference:
    scores = DayDetector(names=("a", "b"), weights=(0.5, 0.5), reference=bytes(64), threshold=365.0)
    return Reference(model=MODEL, detector=scores, days=90, rows_a_day=rows, made_from=MODEL)


def trigger(share: float) -> Trigger:
    return Trigger(name="new", kind="data", pipeline="late", model="late", ref="orders",
                   params={"until": "{window.start}"}, min_share=share)  # fmt: skip


def deployment(threads: int) -> DeploymentSpec:
    fields = tuple(Field(name=f"column_{n}", datatype="FP64") for n in range(20))
    return DeploymentSpec(
        name="late", model="model:mill/late", number=1, artifact=MODEL, run="ab" * 16,
        signature=Signature(inputs=fields, outputs=fields[:1], context=()), host="127.0.0.1",
        threads=threads, log="fast", max_rows=1024, rules='[{"rule":"' + "x" * 90 + '"}]',
    )  # fmt: skip


def external(size_bytes: int) -> ExternalData:
    files = (ExternalFile(path="a.csv", size_bytes=size_bytes, mtime_us=7),)
    return ExternalData(place="lake/" + "deep/" * 8, shape="folder", files=files)


def swept(*trees: int) -> Sweep:
    points = [
        SweepPoint(number=n, params={"trees": one, "how": "boosted " * 9}, figure=one / 1000,
                   run="ab" * 16, versions=(f"model:late@{n}",))
        for n, one in enumerate(trees, start=1)
    ]  # fmt: skip
    return Sweep(pipeline="late", by="auc", better="higher", points=ranked(points, "higher"))


WRITTEN = {
    "deployment": (deployment(1), deployment(4), "threads"),
    "trigger": (trigger(0.25), trigger(0.5), "min_share"),
    "decision": (
        Decision(trigger="new", action="fired", why="many rows " * 30, model="late"),
        Decision(trigger="new", action="held", why="few rows", model="late"),
        "action",
    ),
    "key": (
        AuditKey(key="tidemill/ab/audit+00+AA=="),
        AuditKey(key="tidemill/ab/audit+00+AA==", endorsed="by the one before"), "before",
    ),
    "policy": (Policy(alias="prod"), Policy(alias="prod", approvals=2), "approvals"),
    "team": (
        Team(name="sea", members=("ada",)), Team(name="sea", members=("ada", "bo")), "ada, bo",
    ),
    "role": (
        RoleGrant(actor="ada", role="reader"), RoleGrant(actor="ada", role="owner"), "owner",
    ),
    "view": (view(1), view(3), "feature orders_1m"),
    "detector": (detector(5), detector(29), "evidence"),
    "drift": (
        DriftCheck(check="drift.data", state="pass", model="late", window="2013-06", days=9),
        DriftCheck(check="drift.data", state="fail", model="late", window="2013-06", days=9,
                   promise="one false alarm a year, " * 10),
        "state",
    ),
    "drift_reference": (reference(100), reference(120), "rows_a_day"),
    "external": (external(12), external(15), "a.csv has 15 bytes instead of 12"),
    "folder_contract": (
        FolderSpec(name="Pictures", data="pictures", suffixes=(".png",)),
        FolderSpec(name="Pictures", data="pictures", suffixes=(".jpg",)), "suffixes",
    ),
    "sweep": (swept(100, 200), swept(100, 200, 400), "400"),
}  # fmt: skip
"""Kinds that this test writes itself: before, after, and what the diff must name."""
LIVED = {
    "contract", "profile", "verdict", "model", "report", "table", "code", "environment",
    "machine", "step_code",
}  # fmt: skip
"""Kinds that the life of a new project leaves behind."""
AS_TABLES = {"sample", "predictions", "labels", "quarantine"}
"""Kinds that are tables, shown and compared as those are."""
ELSEWHERE = {
    "prediction", "value", "chart", "file", "folder", "pipeline", "lock", "watched", "scoring",
    "outside_model",
}  # fmt: skip
"""Tested where model servers, steps, folders, releases, runs by hand and told predictions are."""


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """A record of a project from the template that has lived a little, and of every kind two."""
    folder = tmp_path_factory.mktemp("lived")
    project = folder / "mill"
    _tidemill(folder, "init", "mill", "--template", "minimal")
    _tidemill(project, "data", "add", "machines", "data/machines.csv")
    for penalty in (1, 2):
        _tidemill(project, "run", "failure", "--penalty", str(penalty))
    record = open_record(project, environment=ENVIRONMENT)
    for kind, (old, new, _) in WRITTEN.items():
        for value in (old, new):
            with opened(record, kind="test", name=kind, because="to look at it " * 12) as run:
                made = run.made(put_value(record, kind, value, summary={"size": len(str(value))}))
                run.version(RefName(kind=kind, project="mill", name="seen"), made)
    yield record
    record.ports.close()


def _tidemill(folder: Path, *arguments: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tidemill.app.command_line", *arguments],
        cwd=folder, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode in {0, 3}, ended.stderr


def readable(answer: object) -> str:
    """Return an answer's text, which must be for people and fit into the width."""
    text = str(answer)
    assert not RAW.search(text), RAW.search(text)
    assert repr(answer) == text
    wide = [line for line in text.split("\n") if len(line) > WIDTH and not DIGEST.search(line)]
    assert not wide
    return text


def test_every_kind_is_looked_at_here() -> None:
    assert set(Kinds()) == set(WRITTEN) | LIVED | AS_TABLES | ELSEWHERE


@pytest.mark.parametrize("kind", sorted(WRITTEN))
def test_a_written_kind_is_shown_and_compared_in_words(lived, kind: str) -> None:
    old, new, named = WRITTEN[kind]
    assert old != new
    readable(show(lived, f"{kind}:seen@1"))
    assert named in readable(diff(lived, f"{kind}:seen@1", f"{kind}:seen@2"))
    assert "the same content" in readable(diff(lived, f"{kind}:seen@1", f"{kind}:seen@1"))
    history = readable(log(lived, f"{kind}:seen"))
    assert "version 1" in history
    assert "to look at it" in history
    readable(why(lived, f"{kind}:seen"))
    readable(impact(lived, f"{kind}:seen"))


@pytest.mark.parametrize("kind", sorted(LIVED))
def test_a_lived_kind_is_shown_and_compared_in_words(lived, kind: str) -> None:
    found = _artifacts(lived, kind)
    assert found
    for identity in found[:2]:
        assert len(readable(show(lived, identity)).split("\n")) > 3
        readable(log(lived, identity))
        readable(why(lived, identity))
        readable(impact(lived, identity))
    if len(found) > 1:
        assert "nothing that the record knows" not in readable(diff(lived, found[0], found[1]))


def test_versions_of_a_model_tell_what_changed(lived) -> None:
    assert re.search(r"penalty +1 +2", readable(diff(lived, "model:failure@1", "model:failure@2")))


def test_lists_keep_one_line_a_thing_and_tell_how_to_see_more(lived) -> None:
    lines = readable(listing(lived)).split("\n")
    assert len(lines) == 1 + len(listing(lived).items)
    assert "--limit 20" in readable(listing(lived, "run", limit=2))
    readable(listing(lived, "run"))
    readable(search(lived, "look"))


def test_every_answer_is_its_own_words_in_a_notebook_too() -> None:
    raw = [
        f"{operation.name}: {answer.__name__}"
        for operation in all_operations()
        if isinstance(answer := _answer(operation.function), type)
        and issubclass(answer, msgspec.Struct)
        and answer.__repr__ is msgspec.Struct.__repr__
    ]
    assert not raw


def _answer(function) -> object:
    """Return what an operation's result is by its annotation, None where only types know it."""
    annotation = function.__annotations__.get("return")
    known = vars(sys.modules[function.__module__])
    return known.get(annotation) if isinstance(annotation, str) else annotation


def _artifacts(record, kind: str) -> list[str]:
    query = Query(Artifact, where=(Where("kind", "=", kind),), limit=10)
    return [artifact.id for artifact in record.ports.ledger.find(query)]
