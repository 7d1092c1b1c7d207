"""Points from Optuna: it is asked for each point and told how it went; nothing else is kept.

The study lives as long as the sweep. One that is given again with the same seed asks for the same
points, whose figures the record knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tidemill.core.errors import MissingExtraError, UsageError
from tidemill.core.extras import installing
from tidemill.practices.pipelines.sweep_points import Range, range_of

if TYPE_CHECKING:
    from tidemill.practices.pipelines.sweep_points import Point


class OptunaPoints:
    """Points that an Optuna study asks for; it learns from every figure."""

    def __init__(self, study: Any, space: Mapping[str, object], trials: int) -> None:  # noqa: ANN401 - Optuna's
        self._study, self._left = study, trials
        self._space = {name: _distribution(name, given) for name, given in space.items()}
        self._open: list[tuple[Point, Any]] = []

    def ask(self) -> Point | None:
        """Return the next point; None: all trials were asked for."""
        if self._left == 0:
            return None
        self._left -= 1
        trial = self._study.ask(self._space)
        point = dict(trial.params)
        self._open.append((point, trial))
        return point

    def tell(self, point: Point, score: float | None) -> None:
        """Tell the study how a point went; one that failed is a failed trial."""
        place = next(at for at, (one, _) in enumerate(self._open) if one is point)
        _, trial = self._open.pop(place)
        if score is None:
            from optuna.trial import TrialState  # noqa: PLC0415 - an extra

            self._study.tell(trial, state=TrialState.FAIL)
        else:
            self._study.tell(trial, score)


def optuna(
    space: Mapping[str, object],
    *,
    trials: int,
    seed: int = 0,
    sampler: Any = None,  # noqa: ANN401 - Optuna's
) -> OptunaPoints:
    """Return points for a sweep that Optuna chooses: `tm.sweep("delay", points=tm.optuna(...))`.

    Args:
        space: by parameter a range like `log:0.001..0.3` or `2..8`, a list of values, or one of
            Optuna's distributions.
        trials: how many points.
        seed: of the usual sampler; the same seed asks for the same points.
        sampler: another one of Optuna's samplers; give it a seed, else a sweep that was stopped
            does not go on where it was.

    Raises:
        MissingExtraError: Optuna is not installed.
        UsageError: the space says nothing to choose from.
    """
    try:
        import optuna as library  # noqa: PLC0415 - an extra
    except ImportError:
        raise MissingExtraError(
            "points from Optuna need Optuna, which is not installed",
            fix=installing("optuna"),
        ) from None
    if not space or trials < 1:
        raise UsageError(
            "Optuna needs a space and trials",
            fix='tm.optuna({"rate": "log:0.001..0.3"}, trials=30, seed=1)',
        )
    library.logging.set_verbosity(library.logging.WARNING)
    study = library.create_study(
        direction="maximize", sampler=sampler or library.samplers.TPESampler(seed=seed)
    )
    return OptunaPoints(study, space, trials)


def _distribution(name: str, given: object) -> Any:  # noqa: ANN401 - Optuna's
    from optuna import distributions  # noqa: PLC0415 - an extra

    if isinstance(given, distributions.BaseDistribution):
        return given
    if isinstance(given, str):
        given = range_of(name, given)
    if isinstance(given, Range):
        if given.is_whole:
            return distributions.IntDistribution(int(given.low), int(given.high), log=given.is_log)
        return distributions.FloatDistribution(given.low, given.high, log=given.is_log)
    if isinstance(given, Sequence) and given:
        return distributions.CategoricalDistribution(tuple(given))
    raise UsageError(
        f"{name} of the space is {given!r}",
        fix='give "log:0.001..0.3", "2..8", a list of values or a distribution of Optuna',
    )
