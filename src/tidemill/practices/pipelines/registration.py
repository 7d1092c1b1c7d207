"""Registration: what becomes of a candidate when its pipeline's run is sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.practices.pipelines.codecs import artifact_of
from tidemill.practices.versioning.registry import register_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.lineage.record import Record
    from tidemill.lineage.writing import PendingVersion, RunDraft
    from tidemill.ports.executor import Value
    from tidemill.practices.pipelines.outputs import Output


class Candidate:
    """A model to be registered, with what was said of it."""

    def __init__(self, name: str, model: Output, others: dict[str, Output]) -> None:
        self.name, self.model, self.others = name, model, others

    def outputs(self) -> Iterator[tuple[str, Output]]:
        """Yield what must be known before it can be registered."""
        yield "model", self.model
        yield from self.others.items()

    def content(self) -> list[str]:
        """Return what is registered, for the identity of the pipeline's run."""
        return [self.name, *(f"{name} {output.artifact}" for name, output in self.outputs())]

    def register(self, record: Record, run: RunDraft) -> PendingVersion:
        """Register it as part of a run; the version has its number once the run is sealed."""
        for name, output in self.outputs():
            run.used(output.artifact, name=name, source=output.source)
        value = self._value(self.model)
        report, sample = self.others.get("report"), self.others.get("sample")
        return register_model(
            record, self.name, artifact_of(value), run=run,
            report=report.artifact if report is not None else None,
            sample=sample.artifact if sample is not None else None,
            summary=value.summary, objects=value.objects,
        )  # fmt: skip

    def _value(self, output: Output) -> Value:
        if output.value is None:
            message = f"{output} is not known yet"
            raise RuntimeError(message)
        return output.value
