"""Comparison on a data version: champion against challenger where nothing was ever deployed.

Neither may have been made from these rows, by what the record knows of either. What hangs together
are days where the rows have enough of them, and groups; else each row by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from tidemill.core.check import Finding
from tidemill.core.errors import InvalidInputError, NotAllowedError, NotFoundError
from tidemill.core.text import counted
from tidemill.kernels.comparison import MIN_BLOCKS
from tidemill.kernels.crossed_blocks import MOST_BLOCKS
from tidemill.kernels.resampling import random_parts
from tidemill.lineage.attested_facts import require_versions
from tidemill.lineage.refs import resolve
from tidemill.lineage.suggestions import closest
from tidemill.practices.integration.verdicts import Judged, Question, ask
from tidemill.practices.monitoring.judged_rows import day_codes
from tidemill.practices.training.compared_rows import answered_rows, contested
from tidemill.practices.training.comparison import (
    COMPARISON,
    count_look,
    data_versions_behind,
    gates_finding,
    looks_at,
    told_comparison,
)
from tidemill.practices.training.contest import hold_contest, spent_alpha
from tidemill.practices.versioning.data import scan_data

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    from tidemill.core.ref import Version
    from tidemill.lineage.record import Record
    from tidemill.practices.training.compared_rows import Contested
    from tidemill.practices.training.comparison import ModelComparison
    from tidemill.practices.training.contest import ContestRows

SAME_ROWS = 0.5
"""From this share of equal rows on, data without a key are the same data."""


def compare_on_data(  # noqa: PLR0913 - two models, rows, and how they count
    record: Record,
    challenger: str,
    champion: str,
    data: str,
    *,
    group: str = "",
    weight: str = "",
    at: datetime | None = None,
) -> ModelComparison:
    """Return the verdict on a challenger, on the labelled rows of a data version.

    Args:
        record: the context.
        challenger: the version that wants to replace.
        champion: the version to be replaced.
        data: the rows, with the models' inputs and the label.
        group: column of an entity whose rows hang together; default: that of the evaluation.
        weight: column of the weights of rows; default: that of the evaluation.
        at: effective time.

    Raises:
        NotAllowedError: one of the two was made from these rows.
        InvalidInputError: a column or all labels are missing, or two answer two questions.
    """
    version = resolve(record, data, kind="data")
    require_versions(record, version)
    pair = _pair(record, (challenger, champion), group, weight)
    ours, theirs, judging = pair.ours, pair.theirs, pair.judging
    rows = scan_data(record, str(version)).collect(engine="streaming")
    _require_columns(rows, version, label=pair.challenger.task.label, group=group, weight=weight)
    unseen = [_unseen(record, one, version, rows, pair) for one in (ours, theirs)]
    gates, look = gates_finding(record, ours), looks_at(record, str(version)) + 1
    named = (("challenger", ours), ("champion", theirs), (str(version), version))
    question = Question(
        check=COMPARISON, subject=f"{ours} against {theirs}", confidence=1.0 - spent_alpha(look),
        judged=tuple(Judged(artifact=v.artifact, source=v.run, name=name) for name, v in named),
        memo=(str(version), judging.group, judging.weight, gates.state),
    )  # fmt: skip
    may_look = gates.state in {"pass", "warn"}

    def judge() -> tuple[Finding, ...]:
        if not may_look:
            return (gates,)
        paired = _paired(rows, pair, version)
        return (*hold_contest(pair.challenger.task, paired, look=look).findings, *unseen, gates)

    look_kept = count_look(record, str(version), look) if may_look else None
    gate = ask(record, question, judge, at=record.moment(at), attach=look_kept)
    return told_comparison(record, question, gate, str(version))


def _pair(record: Record, models: tuple[str, str], group: str, weight: str) -> Contested:
    """Return challenger and champion, with what is asked in place of the evaluation's."""
    ours, theirs = (resolve(record, one, kind="model") for one in models)
    require_versions(record, ours, theirs)
    pair = contested(record, ours, theirs)
    pair.require_one_task()
    judging = msgspec.structs.replace(
        pair.judging, group=group or pair.judging.group, weight=weight or pair.judging.weight
    )
    return msgspec.structs.replace(pair, judging=judging)


def _paired(rows: pl.DataFrame, pair: Contested, version: Version) -> ContestRows:
    """Return both models' answers on the labelled rows, and what hangs together among them."""
    known = rows.with_columns(label=pl.col(pair.challenger.task.label)).filter(
        pl.col("label").is_not_null()
    )
    if known.is_empty():
        raise NotFoundError(
            f"no row of {version} has a {pair.challenger.task.label!r}",
            fix="bring rows with labels: tidemill data add NAME SOURCE",
        )
    days, told = _days(known, pair)
    independent = random_parts(known.height, min(MOST_BLOCKS, known.height))
    found = answered_rows(
        pair, known, window=str(version), days=independent if days is None else days
    )
    if days is None and found.groups is not None:
        found = msgspec.structs.replace(found, days=found.groups, groups=None)
    elif days is None:
        told = told or "each row by itself"
    basis = "; ".join(part for part in (told, found.basis) if part)
    return msgspec.structs.replace(found, basis=basis)


def _days(rows: pl.DataFrame, pair: Contested) -> tuple[NDArray[np.int64] | None, str]:
    """Return the day of each row, where there are enough of them, and what is said of it."""
    time = pair.challenger.signature.time
    if not time or time not in rows.columns:
        return None, ""
    days = day_codes(rows, time)
    count = len(set(days.tolist()))
    if count < MIN_BLOCKS:
        return None, f"{counted(count, 'day')} are too few to be blocks"
    return days, f"rows of one day of {time} hang together"


def _unseen(
    record: Record, model: Version, data: Version, rows: pl.DataFrame, pair: Contested
) -> Finding:
    """Return what is known of whether a model has seen the rows.

    Raises:
        NotAllowedError: it was made from them.
    """
    sources = data_versions_behind(record, model)
    name = f"unseen by {model.ref.kind}:{model.ref.name}@{model.number}"
    if not sources:
        return Finding(
            rule=name, state="warn", fix="use tm.data in its pipeline, so that the record knows",
            what=f"nothing in the record tells what {model} was made from",
        )  # fmt: skip
    shared = 0
    for source in {one.artifact: one for one in sources}.values():
        if source.artifact == data.artifact:
            raise _seen(model, data, f"it was made from {source}")
        equal = _equal_rows(record, rows, source, pair.challenger.signature.row_key)
        has_key = bool(pair.challenger.signature.row_key)
        if equal and (has_key or equal >= SAME_ROWS * rows.height):
            raise _seen(model, data, f"{equal:,} of them are in {source}, which it was made from")
        shared = max(shared, equal)
    what = f"the data that {model} was made from have none of these rows"
    if shared:
        what = f"{shared:,} of {rows.height:,} rows are equal to some that {model} was made from"
    return Finding(
        rule=name, state="warn" if shared else "pass", what=what, rows_checked=rows.height,
        rows_failed=shared, fix="name a row_key in its signature to tell them apart"
        if shared
        else "",
    )  # fmt: skip


def _equal_rows(record: Record, rows: pl.DataFrame, source: Version, key: str) -> int:
    """Return how many rows are in a source too: by their key, else by all columns of both."""
    try:
        other = scan_data(record, str(source))
    except (InvalidInputError, NotFoundError):  # files in a folder, or rows that are gone
        return 0
    types = other.collect_schema()
    common = [name for name in rows.columns if types.get(name) == rows.schema[name]]
    if key in common:
        common = [key]
    elif len(common) < len(rows.columns):
        return 0
    found = rows.lazy().join(other.select(common), on=common, how="semi", nulls_equal=True)
    return int(found.select(pl.len()).collect(engine="streaming").item())


def _seen(model: Version, data: Version, why: str) -> NotAllowedError:
    return NotAllowedError(
        f"{model} has learned from rows of {data}: {why}",
        fix="compare on rows that were held out of the training of both",
    )


def _require_columns(rows: pl.DataFrame, version: Version, **columns: str) -> None:
    for what, name in columns.items():
        if not name or name in rows.columns:
            continue
        near = closest(name, rows.columns)
        raise InvalidInputError(
            f"{version} has no column {name!r} ({what}); it has {', '.join(rows.columns)}",
            fix=f"did you mean {near!r}?" if near else "name a column of the data",
        )
