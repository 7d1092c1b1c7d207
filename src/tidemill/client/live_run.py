"""Live run: what `with tm.run("try") as run:` gives, a run that a script or notebook fills."""

from __future__ import annotations

import atexit
import re
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

from tidemill.core.errors import CancelledError, InvalidInputError, UsageError
from tidemill.core.pointer import parse_pointer, proposed_name
from tidemill.lineage.artifacts import checkout, find_artifact, put_bytes, put_files
from tidemill.lineage.refs import resolve
from tidemill.practices.infrastructure.session import session_name
from tidemill.practices.pipelines.by_hand import HandRun

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from types import TracebackType
    from typing import Self

    from tidemill.core.artifact import Artifact
    from tidemill.core.run import RunId, Status
    from tidemill.core.task import Task
    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import PendingVersion, RunDraft
    from tidemill.practices.versioning.model import Model

_TABLE_ROWS = 1000
"""Rows of a sample that are kept beside a model."""

open_lives: list[LiveRun] = []
"""Live runs that are open in this process, the innermost last."""


class LiveRun:
    """A run by hand: parameters, figures, charts, tables, files, models and the data it used.

        with tm.run("try", trees=200) as run:
            rows = run.use("data:houses")
            run.figure("loss", 0.31, step=1)
            run.log_model("price", fitted, sample=rows.drop("price"))

    Leaving the block seals the run: done, failed (an error, which goes on), cancelled (Ctrl-C).
    In a notebook `start()` and `end()` do the same over several cells.
    """

    def __init__(
        self,
        record: Record,
        name: str = "",
        *,
        because: str = "",
        at: datetime | None = None,
        parent: RunId | None = None,
        parameters: Mapping[str, object] | None = None,
    ) -> None:
        self._record = record
        self.name = proposed_name(name or session_name()) or "run"
        self._because, self._at, self._parent = because, at, parent
        self._given = dict(parameters or {})
        self._hand: HandRun | None = None
        self._models: list[PendingVersion] = []
        self._names: dict[str, int] = {}
        self.status, self.error = "not begun", ""

    @property
    def id(self) -> RunId:
        """The run's id; `run:` and its last eight digits point at it."""
        if self._hand is None:
            return self._required().id
        return self._hand.id

    @property
    def parameters(self) -> Mapping[str, object]:
        """The parameters so far."""
        return self._hand.parameters if self._hand else self._given

    @property
    def history(self) -> Mapping[str, list[tuple[int, float]]]:
        """The figures so far, step and value; a long one is thinned."""
        return self._hand.history if self._hand else {}

    @property
    def versions(self) -> tuple[str, ...]:
        """Versions of models that the run made, once it has ended."""
        return tuple(str(one.result) for one in self._models if one.result is not None)

    @property
    def doubt(self) -> str:
        """What could not be captured, and why."""
        return self._hand.doubt if self._hand else ""

    def start(self) -> Self:
        """Open the run.

        Raises:
            UsageError: it was opened before.
        """
        if self._hand is not None:
            raise UsageError(f"run {self.name} was begun before", fix="make another: tm.run(NAME)")
        parent = self._parent or (open_lives[-1].id if open_lives else None)
        self._hand = HandRun(
            self._record, self.name, parameters=self._given, because=self._because, at=self._at,
            parent=parent,
        )  # fmt: skip
        self.status = "running"
        open_lives.append(self)
        atexit.register(_end_at_exit)
        return self

    def end(self, status: Status = "done", error: str = "") -> None:
        """Seal the run; once it has ended this does nothing."""
        if self._hand is None or not self._hand.is_open:
            return
        open_lives[:] = [one for one in open_lives if one is not self]
        self.status, self.error = status, error
        self._hand.end(status, error)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.end()
        elif isinstance(error, KeyboardInterrupt | CancelledError):
            self.end("cancelled", "interrupted")
        else:
            self.end("failed", _told(error))

    def log(self, **parameters: object) -> None:
        """Log parameters: `run.log(trees=200, depth=4)`; best at the beginning of the run."""
        self._required().set_parameters(parameters)

    def figure(self, name: str, value: SupportsFloat, *, step: int = 0) -> None:
        """Log a figure, such as a loss; returns at once, whatever the disk does.

        One that is nan or infinite is kept, told once, and left out of charts and rankings.

        Raises:
            InvalidInputError: the value is a text or something else that is no number.
        """
        self._required().figure(name, value, step)

    def figures(self, values: Mapping[str, SupportsFloat], *, step: int = 0) -> None:
        """Log several figures of one step."""
        for name, value in values.items():
            self.figure(name, value, step=step)

    def note(self, text: str) -> None:
        """Write a note on the run."""
        self._required().note(text)

    def tag(self, **tags: str) -> None:
        """Set tags: `run.tag(stage="draft")`; the newest text of a tag counts."""
        for name, text in tags.items():
            self._required().tag(name, str(text))

    def use(self, pointer: str) -> Any:  # noqa: ANN401 - a Polars frame, or the path of a folder
        """Return a data version, and say that the run used it.

        A table is a Polars frame, a folder of files the path of a copy of it.

        Raises:
            NotFoundError: there is no such version.
        """
        hand, record = self._required(), self._record
        kind = None if ":" in pointer.partition("@")[0] else "data"
        version = resolve(record, parse_pointer(pointer, project=record.project, kind=kind))
        artifact = find_artifact(record, version.artifact)
        hand.used(artifact.id, str(version), version.run)
        return _opened(record, artifact)

    def log_chart(self, name: str, chart: object) -> Artifact:
        """Keep a chart: a figure of Matplotlib, Plotly or Altair, an image, or SVG."""
        from tidemill.client.charts import chart_bytes  # noqa: PLC0415 - few runs draw

        ending, data = chart_bytes(chart)
        summary = {"name": name, "format": ending}
        return self._made(put_bytes(self._record, "chart", data, summary=summary), name)

    def log_table(self, name: str, rows: object) -> Artifact:
        """Keep a table: a frame (Polars, pandas, Arrow), a mapping of columns, or an array."""
        from tidemill.client.estimators import frame_of  # noqa: PLC0415 - brings NumPy
        from tidemill.practices.versioning.tables import store_table  # noqa: PLC0415 - as above

        stored = store_table(self._record.ports.objects, frame_of(rows))
        self._required().made(stored.artifact, self._named(name), stored.objects)
        return stored.artifact

    def log_file(self, path: str | Path, name: str = "") -> Artifact:
        """Keep a file, or a folder of files.

        Raises:
            InvalidInputError: there is no such file.
        """
        given = Path(path)
        if not given.exists():
            raise InvalidInputError(f"there is no file {given}", fix="log it once it is written")
        if given.is_dir():
            inside = [one for one in sorted(given.rglob("*")) if one.is_file()]
            files = [(one.relative_to(given).as_posix(), one) for one in inside]
        else:
            files = [(given.name, given)]
        stored = put_files(self._record, "file", files, summary={"name": name or given.name})
        return self._made(stored, name or given.name)

    def log_model(
        self,
        name: str,
        model: object,
        *,
        sample: object = None,
        label: str = "label",
        task: Task | None = None,
    ) -> Model:
        """Register a model: `model:NAME` gets its next number when the run ends well.

        Args:
            name: the model's name.
            model: a fitted estimator, or a `tm.Model`.
            sample: some rows as it takes them, with or without the label, for its signature and
                as reference of drift; of a model that reads text that one column.
            label: the column that it predicts.
            task: what it answers; default: told from the estimator.

        Raises:
            InvalidInputError: no format stores it, no sample says what it takes, or it cannot
                answer rows of the sample.
        """
        from tidemill.client.estimators import frame_of, model_of  # noqa: PLC0415 - brings NumPy
        from tidemill.practices.versioning.registry import (  # noqa: PLC0415 - as above
            register_model,
            store_model,
        )
        from tidemill.practices.versioning.tables import store_table  # noqa: PLC0415 - as above

        objects = self._record.ports.objects
        known = model_of(model, sample, label=label, task=task)
        parse_pointer(f"model:{name}", project=self._record.project)
        artifact, needed = store_model(objects, known)
        rows = None if sample is None else store_table(objects, frame_of(sample).head(_TABLE_ROWS))

        def register(draft: RunDraft) -> None:
            if rows is not None:
                draft.made(rows.artifact, name="sample", objects=rows.objects)
            self._models.append(
                register_model(
                    self._record, name, artifact, run=draft, objects=needed,
                    sample=rows.artifact.id if rows is not None else None,
                )
            )  # fmt: skip

        self._required().at_end(register)
        return known

    def flush(self) -> None:
        """Write what was logged now; it is written every second anyway."""
        self._required().flush()

    def __repr__(self) -> str:
        if self._hand is None:
            return f"<run {self.name}, not begun: use it as `with ... as run:`, or start()>"
        made = "".join(f", made {version}" for version in self.versions)
        return f"<run {self.name} run:{self.id[-8:]} {self.status}{made}>"

    def _repr_html_(self) -> str:
        from tidemill.client.html import live_run  # noqa: PLC0415 - notebooks only

        return live_run(self)

    def _made(self, artifact: Artifact, name: str) -> Artifact:
        needed = _objects_of(self._record, artifact)
        self._required().made(artifact, self._named(name), needed)
        return artifact

    def _named(self, name: str) -> str:
        """Return a name that no other thing of this run has: the second `roc` is `roc#2`."""
        self._names[name] = count = self._names.get(name, 0) + 1
        return name if count == 1 else f"{name}#{count}"

    def _required(self) -> HandRun:
        if self._hand is None or not self._hand.is_open:
            state = "has ended" if self._hand else "was not begun"
            raise UsageError(
                f"run {self.name} {state}",
                fix="log inside the block: with tm.run(NAME) as run: ...   (or run.start())",
            )
        return self._hand


def _objects_of(record: Record, artifact: Artifact) -> list[Any]:
    from tidemill.lineage.artifacts import tree_entries  # noqa: PLC0415 - files only

    if not artifact.id.startswith("tree1:"):
        return []
    return [entry.digest for entry in tree_entries(record, artifact)]


def _opened(record: Record, artifact: Artifact) -> Any:  # noqa: ANN401 - a frame, or a path
    if artifact.id.startswith("td1:"):
        from tidemill.practices.versioning.data import manifest_of  # noqa: PLC0415 - brings Polars
        from tidemill.practices.versioning.tables import scan_table  # noqa: PLC0415 - as above

        return scan_table(record.ports.objects, manifest_of(artifact), artifact.id).collect()
    if artifact.id.startswith("tree1:"):
        digits = artifact.id.partition(":")[2]
        folder = record.ports.workspace.root / ".tidemill" / "cache" / "folders" / digits
        return folder if folder.is_dir() else checkout(record, artifact, folder)
    from tidemill.lineage.artifacts import read_bytes  # noqa: PLC0415 - rarely

    return read_bytes(record, artifact)


def _told(error: BaseException) -> str:
    """Return an error in one line, with the place in the user's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if not re.search(r"site-packages|/tidemill/|lib/python", f.filename)]
    where = f"{Path(own[-1].filename).name}:{own[-1].lineno}: " if own else ""
    if own and "ipykernel" in own[-1].filename:
        where = f"line {own[-1].lineno} of the cell: "
    text = f"{type(error).__name__}: {error}"
    return f"{where}{text}"


def current_run() -> LiveRun | None:
    """Return the innermost run by hand that is open in this process, if one is."""
    return open_lives[-1] if open_lives else None


def _end_at_exit() -> None:
    """End what is still open when the process ends; as failed where an error ends it."""
    raised = getattr(sys, "last_value", None)
    for one in reversed(list(open_lives)):
        if raised is not None:
            one.end("failed", _told(raised))
        else:
            one.end()
