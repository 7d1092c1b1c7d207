"""Sweeps: a pipeline over many points, one child run a point, best by a figure.

A sweep keeps no state of its own: what its points computed is in the memo. One that was killed is
given again, asks for the same points, and goes on where nothing is known yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import (
    CancelledError,
    CheckFailedError,
    InvalidInputError,
    UsageError,
)
from tidemill.core.facts import RunOpened
from tidemill.core.ref import RefName
from tidemill.core.run import RunId
from tidemill.kernels.secret_text import without_secrets
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.refs import resolve
from tidemill.lineage.writing import RunDraft
from tidemill.practices.pipelines.leases import LEASE_TTL_S, Renewal, run_lease, seal_lost_runs
from tidemill.practices.pipelines.opening import RunWish
from tidemill.practices.pipelines.parameters import arguments_of
from tidemill.practices.pipelines.running import run
from tidemill.practices.pipelines.spelling import Speller, shown
from tidemill.practices.pipelines.sweep_figures import Told, better, finite, missing
from tidemill.practices.pipelines.sweep_lanes import Lanes
from tidemill.practices.pipelines.sweep_points import Generated, Listed
from tidemill.practices.pipelines.sweep_results import Sweep, SweepPoint, ranked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from tidemill.core.run import Scalar
    from tidemill.lineage.record import Record
    from tidemill.practices.pipelines.declare import Pipeline
    from tidemill.practices.pipelines.results import PipelineRun
    from tidemill.practices.pipelines.sweep_points import Point, Points
    from tidemill.practices.pipelines.sweep_results import Direction

KIND = "sweep"
MOST_LANES = 64


class SweepWish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be swept, and by what it is judged. `points` are asked one by one."""

    points: Any
    params: Any = {}
    """Parameters that all points have."""
    by: str = ""
    held_out: str = ""
    maximize: bool = False
    minimize: bool = False
    parallel: int = 1
    at: Any = None
    because: str = ""
    parent: RunId | None = None


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One point on its way."""

    number: int
    given: Any
    params: Any
    shown: Any


class _Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a point's run: its result, or why there is none."""

    result: Any = None
    error: str = ""


def sweep_pipeline(record: Record, pipeline: Pipeline[..., Any], wish: SweepWish) -> Sweep:
    """Run a pipeline over points and return them by rank.

    All points are of one effective time, so that they see the same data. A point whose step fails
    costs that point only.

    Raises:
        UsageError: a point does not fit the pipeline's parameters; nothing says how to rank.
        CancelledError: it was stopped; what had finished is kept.
    """
    if not 1 <= wish.parallel <= MOST_LANES:
        raise UsageError(
            f"{wish.parallel} points at once", fix=f"give --parallel from 1 to {MOST_LANES}"
        )
    if wish.maximize and wish.minimize:
        raise UsageError("a sweep cannot maximize and minimize", fix="leave out one of them")
    return _Sweeping(record, pipeline, wish).done()


class _Sweeping:
    """One sweep that goes on."""

    def __init__(self, record: Record, pipeline: Pipeline[..., Any], wish: SweepWish) -> None:
        self._record, self._pipeline, self._wish = record, pipeline, wish
        self._at: datetime = record.moment(wish.at)
        self._points: Points = wish.points
        self._by, self._held_name = wish.by, ""
        self._better: Direction | None = None
        self._ended: list[SweepPoint] = []
        self._asked: dict[str, int] = {}
        self._scores: dict[int, float | None] = {}
        self._again: dict[int, list[Point]] = {}
        self._reused = 0
        self._renewal = Renewal(record)
        self._draft = self._opened()

    def done(self) -> Sweep:
        """Run all points, and seal the sweep whatever happens."""
        clock, ledger = self._record.ports.clock, self._record.ports.ledger
        began = clock.monotonic_s()
        seal_lost_runs(self._record, self._pipeline.name, kind=KIND)
        lease = ledger.lease(run_lease(self._draft.id), ledger.owner(), LEASE_TTL_S)
        self._renewal.add(lease)
        try:
            first = self._first()
            self._draft.announce()
            with Lanes(self._record, self._run, self._wish.parallel) as lanes:
                for point in self._run_all(lanes, first):
                    self._ended.append(point)
            found = self._sealed()
        except (KeyboardInterrupt, CancelledError) as error:
            self._fail("cancelled", str(error) or "interrupted")
            raise CancelledError(
                f"the sweep was stopped; {len(self._ended)} points that had finished are kept",
                fix="run the same command again to go on",
            ) from None
        except BaseException as error:  # whatever it was, the run is sealed before it goes on
            self._fail("failed", getattr(error, "what", str(error)))
            raise
        finally:
            ledger.release(lease)
        return msgspec.structs.replace(
            found, run=self._draft.id, reused=self._reused, seconds=clock.monotonic_s() - began
        )

    def _opened(self) -> RunDraft:
        record, wish = self._record, self._wish
        params: dict[str, Scalar] = {
            name: shown(Speller(name).spell(value)) for name, value in wish.params.items()
        }
        params |= {"by": wish.by, "parallel": wish.parallel}
        return RunDraft(record, RunOpened(
            run=record.ports.clock.new_id(), kind=KIND, name=self._pipeline.name,
            project=record.project, actor=record.actor, opened_at=record.now(), at=self._at,
            parent=wish.parent, because=wish.because, owner=record.ports.ledger.owner(),
            params={name: value for name, value in params.items() if value not in {"", None}},
        ))  # fmt: skip

    def _fail(self, status: Any, error: str) -> None:  # noqa: ANN401 - one of the statuses
        if self._draft.is_announced:
            self._draft.fail(status, error)

    def _run_all(self, lanes: Lanes[_Asked, _Ended], first: _Asked) -> Iterator[SweepPoint]:
        """Yield points as they are known.

        The first runs alone: what all points share is computed once, and what nobody can rank is
        known early. Points that learn from others are asked for in rounds and told in their order,
        so that a sweep that is given again asks for the same ones.
        """
        lanes.give(first)
        yield self._judged(*self._taken(lanes))
        if isinstance(self._points, Listed):
            yield from self._stream(lanes)
        else:
            yield from self._rounds(lanes)

    def _stream(self, lanes: Lanes[_Asked, _Ended]) -> Iterator[SweepPoint]:
        for _ in range(self._wish.parallel):
            self._give(lanes)
        while lanes.under_way:
            asked, ended = self._taken(lanes)
            self._give(lanes)
            yield self._judged(asked, ended)

    def _rounds(self, lanes: Lanes[_Asked, _Ended]) -> Iterator[SweepPoint]:
        of_round = 1 if isinstance(self._points, Generated) else self._wish.parallel
        while True:
            for _ in range(of_round):
                self._give(lanes)
            if not lanes.under_way:
                return
            taken = [self._taken(lanes) for _ in range(lanes.under_way)]
            for asked, ended in sorted(taken, key=lambda pair: pair[0].number):
                yield self._judged(asked, ended)

    def _give(self, lanes: Lanes[_Asked, _Ended]) -> None:
        if (asked := self._next()) is not None:
            lanes.give(asked)

    def _taken(self, lanes: Lanes[_Asked, _Ended]) -> tuple[_Asked, _Ended]:
        return lanes.take(self._meanwhile)

    def _meanwhile(self) -> None:
        self._record.tell.check()
        self._renewal.renew_when_due()
        count = getattr(self._points, "count", None)
        self._record.tell.progress("points", len(self._ended), count)

    def _next(self) -> _Asked | None:
        """Return the next point that was not asked for before; None: there is none.

        Whoever asks for a point again is told again what became of it.
        """
        while (given := self._points.ask()) is not None:
            params = {**self._wish.params, **given}
            spelled = self._spelled(params)
            key = msgspec.json.encode(spelled).decode()
            if key not in self._asked:
                number = len(self._asked) + 1
                self._asked[key] = number
                varied = [name.replace("-", "_") for name in given]
                return _Asked(
                    number=number, given=given, params=params,
                    shown={name: shown(spelled[name]) for name in varied},
                )  # fmt: skip
            number = self._asked[key]
            if number in self._scores:
                self._points.tell(given, self._scores[number])
            else:
                self._again.setdefault(number, []).append(given)
        return None

    def _first(self) -> _Asked:
        if (first := self._next()) is None:
            raise UsageError("there are no points", fix="give points that yield at least one")
        return first

    def _spelled(self, params: Mapping[str, object]) -> dict[str, object]:
        arguments = arguments_of(self._pipeline, params)
        what = f"of pipeline {self._pipeline.name}"
        return {name: Speller(f"{name} {what}").spell(value) for name, value in arguments.items()}

    def _run(self, record: Record, asked: _Asked) -> _Ended:
        """Run one point, in a lane; what fails in the user's code costs this point."""
        wish = RunWish(
            at=self._at, because=self._wish.because, parent=self._draft.id, is_point=True
        )  # fmt: skip
        try:
            return _Ended(result=run(record, self._pipeline, asked.params, wish))
        except (InvalidInputError, CheckFailedError) as error:
            return _Ended(error=without_secrets(error.what))

    def _judged(self, asked: _Asked, ended: _Ended) -> SweepPoint:
        """Return a point with its figure, and tell whoever asked for it."""
        point = SweepPoint(number=asked.number, params=asked.shown, error=ended.error)
        if ended.result is not None:
            point = self._with_figure(point, ended.result)
        score = point.figure if self._better == "higher" or point.figure is None else -point.figure
        self._scores[asked.number] = score
        for given in (asked.given, *self._again.pop(asked.number, ())):
            self._points.tell(given, score)
        return point

    def _with_figure(self, point: SweepPoint, result: PipelineRun) -> SweepPoint:
        self._use(point.number, result)
        self._reused += result.is_reused
        point = msgspec.structs.replace(point, run=result.run, versions=result.versions)
        told = Told(self._record, result)
        self._by = self._by or told.metric()
        if not self._by:
            raise UsageError(
                f"pipeline {self._pipeline.name} registers no model with a report: nothing says"
                " what is best",
                fix=f"say which figure: --by NAME; told were {', '.join(told.names()) or 'none'}",
            )
        figure = told.find(self._by)
        if figure is None or finite(figure.value) is None:
            what = f"{self._by} is no number" if figure else missing(self._by, told.names())
            return msgspec.structs.replace(point, error=what)
        self._better = self._better or better(
            self._by, figure, maximize=self._wish.maximize, minimize=self._wish.minimize
        )
        return msgspec.structs.replace(
            point, figure=figure.value, low=finite(figure.low), high=finite(figure.high),
            held_out=self._held_out(told),
        )  # fmt: skip

    def _held_out(self, told: Told) -> float | None:
        """Return the figure of rows that chose nothing, where the pipeline tells one."""
        usual = [] if "." in self._by else [f"test_{self._by}", f"held_out_{self._by}"]
        for name in [self._wish.held_out] if self._wish.held_out else usual:
            if (figure := told.find(name)) is not None:
                self._held_name = name
                return finite(figure.value)
        return None

    def _use(self, number: int, result: PipelineRun) -> None:
        """Say that the sweep used what a point made: its models, else its last step's results."""
        for pointer in result.versions:
            version = resolve(self._record, pointer)
            self._draft.used(version.artifact, name=f"point {number}", source=version.run)
        steps = [line.run for line in result.steps if line.run is not None]
        if result.versions or not steps:
            return
        for edge in self._record.ports.ledger.edges(steps[-1:], "down", 1):
            if edge.role == "made":
                self._draft.used(edge.artifact, name=f"point {number}", source=edge.run)

    def _sealed(self) -> Sweep:
        """Keep the points as the next version of `sweep:NAME`, where one of them has a figure."""
        record, name = self._record, self._pipeline.name
        found = Sweep(
            pipeline=name, by=self._by or "figure", better=self._better or "higher",
            points=ranked(self._ended, self._better or "higher"), held_out=self._held_name,
        )  # fmt: skip
        if found.best is None:
            self._draft.fail("failed", f"no point told {found.by}")
            return found
        best = found.best.figure or 0.0
        summary: dict[str, Scalar] = {"points": len(found.points), found.by: best}
        artifact = self._draft.made(put_value(record, KIND, found, summary=summary), name=KIND)
        self._draft.version(RefName(kind=KIND, project=record.project, name=name), artifact)
        self._draft.figure(found.by, best)
        self._draft.seal()
        return found
