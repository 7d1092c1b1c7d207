"""Leakage: views that look into the future, and single features that give the label away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tidemill.core.check import Finding
from tidemill.core.times import from_microseconds
from tidemill.kernels.ranking_metrics import area_under_curve
from tidemill.practices.features.history import (
    entity_codes,
    event_rows,
    history_of,
    values_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from tidemill.core.signature import Field
    from tidemill.core.task import Task
    from tidemill.practices.features.declare import FeatureView
    from tidemill.practices.features.history import History

ASKED = 200
"""Entities asked at each moment."""
MOST_ROWS = 20_000
"""Rows from which a single feature is judged; more tell the same."""
MOST_CLASSES = 50
"""The largest classes are asked, each against all others."""
_ROW, _TIME = "__row", "__at"
_DAY_US = 86_400_000_000
_FIRST_US = -(2**60)


def future_finding(view: FeatureView, source: pl.LazyFrame, *, moments: int) -> Finding:
    """Return whether a view's values change when rows that were not known yet are taken away.

    At random moments the view is evaluated twice for the same entities, on all rows of the source
    and on those alone that were known by then. A view that looks only back cannot tell the two
    apart; of one that does not, view, feature, entity and moment are named.
    """
    rule = f"leak:{view.name}"
    whole = source.collect()
    events = event_rows(view, whole.lazy())
    (codes,), entities = entity_codes(view.spec, events)
    history = history_of(view, events, codes)
    if not view.spec.time or not len(history.known_us) or moments == 0:
        return Finding(rule=rule, state="pass", what=f"{view.name} has no times to look ahead of")
    if (history.rows < 0).any():
        return Finding(
            rule=rule, state="warn", fix="use with_columns and filter in the view's function",
            what=f"{view.name} gives rows that are not rows of its source: it cannot be replayed",
        )  # fmt: skip
    random = np.random.default_rng(0)
    numbered = whole.with_row_index(_ROW)
    asked_rows = 0
    for moment in random.choice(history.known_us, size=moments):
        asked = _asked(entities, view.spec.entity, int(moment), random)
        cut = event_rows(view, _known_by(numbered, history, int(moment)).lazy())
        found = _difference(
            _values(view, events, asked, int(moment)), _values(view, cut, asked, int(moment))
        )
        asked_rows += asked.height
        if found is not None:
            return _caught(rule, view, asked, found)
    return Finding(
        rule=rule, state="pass", rows_checked=asked_rows, rows_failed=0,
        what=f"{view.name} is the same with and without later rows, at {moments} moments",
    )  # fmt: skip


def _values(
    view: FeatureView, events: pl.DataFrame, asked: pl.DataFrame, moment: int
) -> pl.DataFrame:
    """Return the asked features; events that no window reaches are left out before the sorting."""
    oldest = max(moment - _DAY_US - view.spec.horizon_us, _FIRST_US)
    reached = pl.col(view.spec.time).cast(pl.Datetime("us", "UTC")) > pl.lit(oldest).cast(
        pl.Datetime("us", "UTC")
    )
    own = events.filter(reached).join(
        asked, on=view.spec.entity, how="semi", maintain_order="left"
    )  # fmt: skip
    (codes, asking), _ = entity_codes(view.spec, own, asked)
    at_us = asked[_TIME].dt.timestamp("us").to_numpy()
    return values_at(view.spec, history_of(view, own, codes), asking, at_us)


def _known_by(numbered: pl.DataFrame, history: History, moment: int) -> pl.DataFrame:
    """Return the source's rows that were known at a moment, as the source had them."""
    rows = np.sort(history.rows[history.known_us <= moment])
    return numbered[rows].drop(_ROW)


def _asked(
    entities: pl.DataFrame, keys: Sequence[str], moment: int, random: np.random.Generator
) -> pl.DataFrame:
    """Return entities with times at the moment or up to a day before it."""
    picked = random.permutation(entities.height)[:ASKED]
    back = random.integers(0, _DAY_US, len(picked)) * random.integers(0, 2, len(picked))
    times = pl.Series(_TIME, moment - back).cast(pl.Datetime("us", "UTC"))
    return entities[picked].select(keys).with_columns(times)


def _difference(whole: pl.DataFrame, cut: pl.DataFrame) -> tuple[str, int, object, object] | None:
    for name in whole.columns:
        differs = whole[name].ne_missing(cut[name])
        if differs.any():
            row = int(differs.arg_true()[0])
            return name, row, whole[name][row], cut[name][row]
    return None


def _caught(
    rule: str, view: FeatureView, asked: pl.DataFrame, found: tuple[str, int, object, object]
) -> Finding:
    feature, row, whole, cut = found
    who = ", ".join(f"{key} = {asked[key][row]}" for key in view.spec.entity)
    when = asked[_TIME].dt.timestamp("us")[row]
    return Finding(
        rule=rule, state="fail", rows_checked=asked.height, rows_failed=1,
        what=f"{view.name} looks into the future: {feature} of {who} at "
        f"{from_microseconds(when):%Y-%m-%d %H:%M} is {whole}, but {cut} from the rows known then",
        fix=f"compute {feature} of view {view.name} from earlier rows alone",
    )  # fmt: skip


def label_findings(
    sample: pl.DataFrame, fields: Sequence[Field], task: Task, *, bound: float
) -> Iterator[Finding]:
    """Yield a finding for each feature that alone tells the label, or one that none does.

    What counts is the AUC of the feature against each class, its being missing counted too; for a
    number as label the correlation of ranks.
    """
    label = task.label
    if label not in sample.columns:
        yield Finding(
            rule="leak:label", state="warn", what=f"the sample has no label column {label!r}",
            fix="keep the label in the sample that is given to candidate()",
        )  # fmt: skip
        return
    known = sample.filter(pl.col(label).is_not_null())
    known = known.gather_every(1 + known.height // MOST_ROWS)
    fields = [
        field
        for field in fields
        if field.name in known.columns and field.name != label and field.is_single
    ]
    told = {field.name: _tells(known, field.name, task) for field in fields}
    suspects = {name: share for name, share in told.items() if share > bound}
    for name, share in sorted(suspects.items(), key=lambda item: -item[1]):
        yield Finding(
            rule=f"leak:{name}", state="fail", measured=share, bound=f"<= {bound:g}",
            rows_checked=known.height, what=f"{name} alone tells the label: {share:.4f}",
            fix=f"find out when {name} is known; if it may be so, raise max_single_feature",
        )  # fmt: skip
    if not suspects:
        name, share = max(told.items(), key=lambda item: item[1], default=("", 0.0))
        yield Finding(
            rule="leak:label", state="pass", measured=share, bound=f"<= {bound:g}",
            what=f"the most telling feature alone is {name}: {share:.4f}" if name
            else "no feature is one number or text a row, which alone could tell the label",
            rows_checked=known.height,
        )  # fmt: skip


def _tells(known: pl.DataFrame, name: str, task: Task) -> float:
    """Return how well one column alone ranks the label: 0.5 (0 for numbers) is not at all."""
    label = task.label
    feature = _as_number(known, name, label)
    if not task.has_probabilities:
        ranks = known.select(a=feature.rank(), b=pl.col(label).rank())
        found = ranks.select(pl.corr("a", "b")).item()
        return abs(found) if found is not None and np.isfinite(found) else 0.0
    missing = known[name].is_null().to_numpy().astype(np.float64)
    best = 0.5
    for one in _largest_classes(known[label]):
        is_one = (known[label] == one).to_numpy()
        for column in (feature.to_numpy(), missing):
            best = max(best, _area(column, is_one))
    return best


def _largest_classes(labels: pl.Series) -> list[object]:
    counts = labels.value_counts(sort=True, name="rows")
    return counts[labels.name].head(MOST_CLASSES).sort().to_list()


def _area(column: NDArray[np.float64], is_one: NDArray[np.bool_]) -> float:
    if is_one.all() or not is_one.any():
        return 0.5
    area = area_under_curve(is_one.astype(np.float64), column)
    return max(area, 1.0 - area)


def _as_number(known: pl.DataFrame, name: str, label: str) -> pl.Series:
    """Return a column as numbers; a text's level by the mean label code of the other half's rows.

    Levels seen once would tell any label of their own rows: halves keep them apart.
    """
    series = known[name]
    if series.dtype.is_numeric() or series.dtype == pl.Boolean or series.dtype.is_temporal():
        numbers = series.cast(pl.Float64, strict=False).fill_nan(None)
        return numbers.clip(-1e300, 1e300).fill_null(-1e300)
    codes = known[label].cast(pl.String).rank("dense").cast(pl.Float64)
    half = pl.Series("half", np.arange(known.height) % 2)
    rows = pl.DataFrame({"level": series.cast(pl.String), "code": codes, "half": half})
    means = rows.group_by("level", "half").agg(pl.col("code").mean().alias("mean"))
    other = means.with_columns(half=1 - pl.col("half"))
    joined = rows.join(
        other, on=["level", "half"], how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["mean"].fill_null(codes.mean())
