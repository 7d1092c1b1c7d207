"""What scores what, and what became of it: the values of scoring a data version."""

from __future__ import annotations

import msgspec

from tidemill.core.digest import ArtifactId, digest_of_value
from tidemill.core.run import RunId
from tidemill.core.signature import Signature
from tidemill.core.text import counted, table
from tidemill.practices.features.joined_views import JoinedView, joined_text

_MOST_TOLD = 5


class ScoringSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What scored what: stands in predictions where a deployment does; of kind `scoring`."""

    name: str
    model: str
    """The model's full name, `model:PROJECT/NAME`."""
    number: int
    artifact: ArtifactId
    run: RunId
    """The run that put this version of the model there."""
    signature: Signature
    data: str
    """The version that was scored, `data:NAME@N`."""
    data_artifact: ArtifactId
    window: str = ""
    threads: int = 1
    log_array_bytes: int = 4096
    contracts: tuple[ArtifactId, ...] = ()
    rules: str = ""
    views: tuple[JoinedView, ...] = ()
    """What was joined onto the rows, each at its own time."""

    @property
    def model_name(self) -> str:
        """The version of the model without its project, as one types it."""
        return f"model:{self.model.rpartition('/')[2].removeprefix('model:')}@{self.number}"

    @property
    def data_name(self) -> str:
        """What was scored, with the window."""
        return f"{self.data}, {self.window}" if self.window else self.data

    @property
    def identity(self) -> str:
        """A digest of what decides the predictions: model, rows, and what was joined onto them."""
        told: list[object] = [self.artifact, self.data_artifact, self.window]
        if self.views:
            told.append([[view.digest, view.source_artifact] for view in self.views])
        return digest_of_value(told).partition(":")[2]

    def __str__(self) -> str:
        rows: list[tuple[str, object]] = [
            ("model", f"{self.model}@{self.number}"),
            ("data", self.data_name),
            ("joined", joined_text(self.views) or "nothing"),
            ("contract rules", "yes" if self.rules else "none"),
        ]
        return table(["scoring", self.name], rows)

    __repr__ = __str__


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that were given to no model for one reason; `first_row` from 1."""

    because: str
    rows: int
    first_row: int


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a data version. `is_new` False: it was scored before, nothing was added."""

    name: str
    predictions: str
    """The version that holds the predictions, `predictions:NAME@N`."""
    model: str
    data: str
    rows: int
    rejected: int
    window: str
    is_new: bool
    run: str
    refusals: tuple[Refusal, ...] = ()
    """Why rows were rejected, most rows first; `refused_because` tells it of each row."""
    views: tuple[JoinedView, ...] = ()
    """What was joined onto the rows, each at its own time."""
    notes: tuple[str, ...] = ()
    """Columns of the data that were taken, though a view gives one of the name too."""

    def __str__(self) -> str:
        if not self.is_new:
            return (
                f"{self.model} has scored {self.data} already, nothing was added\n"
                f"  {self.predictions}, {counted(self.rows, 'prediction')}"
            )
        lines = [f"{self.model} scored {counted(self.rows, 'row')} of {self.data}"]
        lines.append(f"  {self.predictions}, {self.window}")
        lines += [f"  joined at the time of each row: {joined_text(self.views)}"] * bool(self.views)
        lines += [f"  note: {note}" for note in self.notes]
        lines += [
            f"  {counted(one.rows, 'row')} refused, first row {one.first_row:,}: {one.because}"
            for one in self.refusals[:_MOST_TOLD]
        ]
        if len(self.refusals) > _MOST_TOLD:
            lines.append(f"  {self.rejected:,} rows were refused in all: see `refused_because`")
        return "\n".join(lines)

    __repr__ = __str__
