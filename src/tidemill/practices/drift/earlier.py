"""The reference of a model without companions: what it answered in days before, as sealed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tidemill.core.errors import InvalidInputError
from tidemill.core.times import Window
from tidemill.kernels.e_detector import day_detector
from tidemill.practices.drift.reference import (
    MIN_DAY_ROWS,
    NoReference,
    Reference,
    performance_detector,
    performance_scores,
    thinned,
)
from tidemill.practices.drift.watched import counted, scores_of, watched_columns
from tidemill.practices.monitoring.blocks import stored_name
from tidemill.practices.monitoring.labels import labels_known, labels_of_task, with_labels
from tidemill.practices.monitoring.quality import day_losses
from tidemill.practices.monitoring.seals import scan_seals, seals_within
from tidemill.practices.monitoring.window_rows import judged_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.deployments import ServedModel
    from tidemill.practices.monitoring.window_rows import WindowRows

MIN_DAYS = 10
"""With fewer days before, nothing is known of how days differ by themselves; 30 are good."""


class Earlier:
    """What a model answered in days before a window, with the labels that were known."""

    def __init__(
        self, record: Record, rows: WindowRows, served: ServedModel, window: Window | None
    ) -> None:
        """Look at the days of `window`, or at all before the tested one.

        Raises:
            InvalidInputError: the reference overlaps what is tested.
        """
        if window is not None and window.end > rows.window.start:
            raise InvalidInputError(
                f"the reference {window} is not before the tested window {rows.window}",
                fix="name an earlier reference: --reference START..END",
            )
        first = datetime(1970, 1, 1, tzinfo=UTC)
        self.window = window or Window(start=first, end=rows.window.start)
        self.rows, self.served, self._grows = rows, served, window is None
        seals = seals_within(rows.every_seal, self.window)
        found = scan_seals(record, seals, self.window, known_by=rows.at)
        self.artifact = seals[-1].artifact if seals else None
        if found is None:
            self.frame = pl.DataFrame()
            return
        told = with_labels(found, labels_known(record, rows.name, rows.at), rows.row_key)
        known = labels_of_task(told, rows.task).drop("unknown_label", strict=False)
        own = known.filter(pl.col("model") == str(served.artifact), pl.col("status") == "ok")
        self.frame = own.sort("at", "prediction_id").collect(engine="streaming")

    def _days(self, frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
        """Yield days with enough rows, and not fewer than half of a usual one."""
        days = frame.with_columns(__day=pl.col("at").dt.date()).partition_by(
            "__day", as_dict=True, maintain_order=True, include_key=False
        )
        least = max(MIN_DAY_ROWS, float(np.median([d.height for d in days.values()] or [0])) / 2)
        for (date,), rows in days.items():
            if rows.height >= least:
                yield str(date), rows

    def _too_few(self, days: int, what: str) -> NoReference:
        """Days add up while it answers; those of a reference that was named do not."""
        why = (
            f"there are {days} earlier days with {MIN_DAY_ROWS} {what}; {MIN_DAYS} are needed, 30 "
            "are good (or name them: --reference START..END)"
        )
        return NoReference(why=why, waits=self._grows and not self.frame.is_empty())

    def _told(self) -> tuple[str, ...]:
        if self.frame.is_empty():
            return ()
        first, last = self.frame["at"].dt.date()[0], self.frame["at"].dt.date()[-1]
        return (f"the reference is what it answered from {first} to {last}",)

    def data(self, rows_a_day: int) -> Reference | NoReference:
        """Return the reference of inputs and outputs, or why there is none."""
        if self.frame.is_empty() or self.artifact is None:
            return self._too_few(0, "rows")
        signature = self.served.signature
        outputs = [field.name for field in signature.outputs]
        roles = [*(("input", f.name) for f in signature.inputs), *(("output", o) for o in outputs)]
        names = {name: stored_name(role, name) for role, name in roles}
        there = {n: stored for n, stored in names.items() if stored in self.frame.columns}
        sample = self.frame.select(pl.col(stored).alias(n) for n, stored in there.items())
        watched, notes = watched_columns(signature.inputs, outputs, sample, has_rules=False)
        if not watched.features:
            return NoReference(why="none of its inputs and outputs was logged")
        days = [
            counted(watched, thinned(rows, rows_a_day), day, names)
            for day, rows in self._days(self.frame)
        ]
        if len(days) < MIN_DAYS:
            return self._too_few(len(days), "rows")
        scores = np.array([scores_of(watched, day) for day in days])
        return Reference(
            model=self.served.artifact, made_from=self.artifact, watched=watched, days=len(days),
            detector=day_detector(watched.names, scores, weights=watched.weights),
            rows_a_day=int(np.median([day.rows for day in days])), window=str(self.window),
            notes=(*self._told(), *notes),
        )  # fmt: skip

    def performance(self) -> Reference | NoReference:
        """Return the reference of loss and labels, or why there is none."""
        if self.frame.is_empty() or self.artifact is None:
            return self._too_few(0, "labelled rows")
        finite = pl.all_horizontal(pl.col(name).is_finite() for name in self.rows.outputs)
        usable = self.frame.filter(finite.fill_null(value=False), pl.col("label").is_not_null())
        days = list(self._days(usable))
        if len(days) < MIN_DAYS:
            return self._too_few(len(days), "labelled rows")
        scores = []
        for day, rows in days:
            judged = judged_rows(self.rows, rows, window=day)
            scores += [performance_scores(loss.loss, loss.labels) for loss in day_losses(judged)]
        return Reference(
            model=self.served.artifact, made_from=self.artifact, days=len(days),
            detector=performance_detector(self.rows.task, np.array(scores)),
            rows_a_day=int(np.median([rows.height for _, rows in days])),
            window=str(self.window), notes=self._told(),
        )  # fmt: skip
