"""e-detector over days: many scores watched under one promised rate of false alarms.

Each day brings one value a score (a mean of the day's rows). Its conformal p-value is its rank
among *all* days before it, ties broken at random; while days are exchangeable these p-values are
independent and uniform, with any number of reference days (Vovk et al. 2005, 2021). A bet is a
function f >= 0 of p with mean 1, and per score and bet runs the Shiryaev-Roberts sum

    R <- (1 + R) x f(p),   M = sum of weight x R,   alarm when M >= A, then R = 0 everywhere.

E[M today | past] <= M yesterday + 1 and each alarm takes away at least A, so that in T days there
are at most T / A alarms in the mean, however often one looks and however the scores depend on each
other (Shin, Ramdas, Rinaldo 2024, "E-detectors"). The ranks go on over an alarm: a reference that
is ranked against again and again from the start would break the promise.

The assumption is that *days* are exchangeable; rows of one day may depend on each other at will.
A season or a trend breaks it, and is then a true alarm: this was not seen in the reference. Where
neighbouring days are alike (correlation over about 0.3) give every second day, or differences
against the same weekday.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from tidemill.kernels.sample_checks import MisalignedError, TooFewRowsError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LINEAR_BETS = (-1.8, -1.0, -0.5, 0.5, 1.0, 1.8)
"""f(p) = 1 + lambda (p - 1/2): steady growth under a small shift; negative: values fall."""

POWER_BETS = (0.5, 0.2)
"""f(p) = a p^(a-1), and the same of 1 - p: fast growth where days lie beyond the reference."""

BETS = len(LINEAR_BETS) + 2 * len(POWER_BETS)
_BETS_ON_HIGHER = np.array([bet > 0 for bet in LINEAR_BETS] + [False, False, True, True])
SUSPECTS = 3

Direction = Literal["higher", "lower"]


class DayDetector(msgspec.Struct, frozen=True, kw_only=True):
    """What is watched, against which days, under which promise. Made by `day_detector`.

    `reference` holds the scores of its days as little-endian float64, shape (days, scores).
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    reference: bytes
    threshold: float


class DetectorState(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector has seen: `past` as the reference's layout, `log_sums` (scores, bets)."""

    days: int = 0
    alarms: int = 0
    days_since_alarm: int = 0
    past: bytes = b""
    log_sums: bytes = b""


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A score that carries much of the evidence; `evidence_share` of all, a hint, not a proof."""

    name: str
    evidence_share: float
    direction: Direction
    value: float


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a day said. An alarm is `evidence` >= `threshold`; suspects come largest first."""

    evidence: float
    threshold: float
    is_alarm: bool
    suspects: tuple[Suspect, ...]


def day_detector(
    names: tuple[str, ...],
    reference_days: ArrayLike,
    *,
    alarms_per_year: float = 1.0,
    days_per_year: float = 365.0,
    weights: ArrayLike | None = None,
) -> DayDetector:
    """Return a detector that gives at most `alarms_per_year` false alarms a year over all scores.

    Args:
        names: of the scores.
        reference_days: shape (days, scores); NaN where a day has no value.
        alarms_per_year: the promise, in the mean.
        days_per_year: units that arrive in a year (52 if the unit is a week).
        weights: of the scores, not negative; equal if left out.

    Raises:
        TooFewRowsError: there is no reference day.
        MisalignedError: columns, names and weights differ, or the promise is not above 0.
    """
    days = np.atleast_2d(np.asarray(reference_days, dtype="<f8"))
    weight = np.ones(len(names)) if weights is None else np.asarray(weights, dtype=np.float64)
    if days.shape[1] != len(names) or weight.shape != (len(names),) or not weight.sum() > 0:
        raise MisalignedError(
            f"{len(names)} scores, but reference days of shape {days.shape} and "
            f"weights of shape {weight.shape}",
            fix="give one column and one weight a score, not all of them 0",
        )
    if not len(days):
        raise TooFewRowsError(
            "the reference has no day", fix="record a few days first; 30 are good, 60 better"
        )
    if not 0 < alarms_per_year < days_per_year:
        raise MisalignedError(
            f"{alarms_per_year:g} false alarms in {days_per_year:g} days is no promise",
            fix="set a rate above 0 and below one a day, such as alarms_per_year=1",
        )
    return DayDetector(
        names=names,
        weights=tuple((weight / weight.sum()).tolist()),
        reference=days.tobytes(),
        threshold=days_per_year / alarms_per_year,
    )


def update(
    detector: DayDetector, state: DetectorState, scores: ArrayLike, draw: bytes
) -> tuple[DetectorState, Outcome]:
    """Return the state after a day and what the day said.

    Args:
        detector: from `day_detector`.
        state: `DetectorState()` before the first day.
        scores: of the day, shape (scores,), on any scale; NaN: no value, which says nothing.
        draw: breaks ties; must not depend on how the days turn out, such as the digest of the
            detector and the date. The same bytes give the same outcome.

    Raises:
        MisalignedError: there are not as many scores as names.
    """
    count = len(detector.names)
    today = np.asarray(scores, dtype="<f8")
    if today.shape != (count,):
        raise MisalignedError(
            f"the day has scores of shape {today.shape}; the detector watches {count}",
            fix="start a new detector where the watched scores have changed",
        )
    pool = np.frombuffer(detector.reference + state.past, dtype="<f8").reshape(-1, count)
    before = (
        np.frombuffer(state.log_sums, dtype="<f8").reshape(count, BETS)
        if state.log_sums
        else np.full((count, BETS), -np.inf)
    )
    p_values = conformal_p_values(pool, today, uniforms(draw, count))
    log_sums = shiryaev_roberts(before, bet_log_factors(p_values))
    weights = np.array(detector.weights)
    evidence = float(mixed_evidence(log_sums, weights))
    is_alarm = evidence >= detector.threshold
    outcome = Outcome(
        evidence=evidence,
        threshold=detector.threshold,
        is_alarm=is_alarm,
        suspects=_suspects(detector, log_sums, today),
    )
    following = DetectorState(
        days=state.days + 1,
        alarms=state.alarms + is_alarm,
        days_since_alarm=0 if is_alarm else state.days_since_alarm + 1,
        past=state.past + today.tobytes(),
        log_sums=b"" if is_alarm else log_sums.astype("<f8").tobytes(),
    )
    return following, outcome


def conformal_p_values(
    pool: NDArray[np.float64], today: NDArray[np.float64], draws: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (days below + U x (days equal + 1)) / (days + 1), in (0, 1); NaN where today is NaN.

    Args:
        pool: all days before, shape (days, ...); NaN days are left out.
        today: shape (...).
        draws: U, uniform in (0, 1), shape (...).

    Source: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005), smoothed.
    """
    below = (pool < today).sum(axis=0)
    equal = (pool == today).sum(axis=0)
    known = (~np.isnan(pool)).sum(axis=0)
    p_values: NDArray[np.float64] = (below + draws * (equal + 1)) / (known + 1)
    return np.where(np.isnan(today), np.nan, p_values)


def bet_log_factors(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log f(p) of each bet, shape (..., BETS); 0 where p is NaN. Each f has mean 1."""
    p = p_values[..., None]
    linear = np.log1p(np.array(LINEAR_BETS) * (p - 0.5))
    power = np.array(POWER_BETS)
    lower = np.log(power) + (power - 1.0) * np.log(p)
    higher = np.log(power) + (power - 1.0) * np.log1p(-p)
    factors = np.concatenate([linear, lower, higher], axis=-1)
    return np.where(np.isnan(p), 0.0, factors)


def shiryaev_roberts(
    log_sums: NDArray[np.float64], log_factors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return log((1 + R) x f), from log R (-inf before the first day) and log f."""
    total: NDArray[np.float64] = np.logaddexp(0.0, log_sums) + log_factors
    return total


def mixed_evidence(
    log_sums: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return M: the weighted mean over scores of the mean over bets; (..., scores, bets) -> (...).

    Weights sum to 1, shape (scores,).
    """
    evidence: NDArray[np.float64] = np.exp(np.minimum(log_sums, 700.0)).mean(axis=-1) @ weights
    return evidence


def uniforms(draw: bytes, count: int) -> NDArray[np.float64]:
    """Return `count` numbers in (0, 1) that depend on the bytes alone, on every machine."""
    words = np.frombuffer(hashlib.shake_256(draw).digest(8 * count), dtype="<u8")
    return ((words >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52


def _suspects(
    detector: DayDetector, log_sums: NDArray[np.float64], today: NDArray[np.float64]
) -> tuple[Suspect, ...]:
    sums = np.exp(np.minimum(log_sums, 700.0))
    parts = sums.mean(axis=1) * np.array(detector.weights)
    is_higher = (sums * _BETS_ON_HIGHER).sum(axis=1) > (sums * ~_BETS_ON_HIGHER).sum(axis=1)
    order = np.argsort(-parts, kind="stable")[:SUSPECTS]
    return tuple(
        Suspect(
            name=detector.names[k],
            evidence_share=float(parts[k] / parts.sum()) if parts.sum() > 0 else 0.0,
            direction="higher" if is_higher[k] else "lower",
            value=float(today[k]),
        )
        for k in order.tolist()
    )
