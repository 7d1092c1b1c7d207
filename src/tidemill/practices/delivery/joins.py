"""Which declared views give a model what the rows to be scored do not have."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from tidemill.core.errors import InvalidInputError, NotFoundError, TidemillError
from tidemill.practices.delivery.missing_columns import missing_column_fix
from tidemill.practices.features.declare import FeatureView
from tidemill.practices.features.declared_views import declared_views
from tidemill.practices.features.joined_views import JoinedView
from tidemill.practices.versioning.data import open_data

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from tidemill.core.ref import Version
    from tidemill.core.signature import Signature
    from tidemill.lineage.record import Record
    from tidemill.practices.features.declared_views import AnyView


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asking:
    """Rows that are to be scored, by their columns, and the model that takes them."""

    model: str
    signature: Signature
    data: str
    columns: Sequence[str]

    def has(self, name: str) -> bool:
        """Whether the rows have a column, or the record that it is a member of."""
        return name in self.columns or name.partition(".")[0] in self.columns

    @property
    def missing(self) -> dict[str, bool]:
        """The columns that the model takes and the rows do not have, and whether it needs them."""
        signature = self.signature
        needed = {field.name: True for field in signature.inputs}
        own = (signature.time, signature.row_key)
        needed |= {f.name: not f.is_optional or f.name in own for f in signature.context}
        return {name: is_needed for name, is_needed in needed.items() if not self.has(name)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Join:
    """A view that is joined onto rows, each at its own time; `source` is of no on-demand view."""

    view: AnyView
    features: tuple[str, ...]
    source: Version | None

    @property
    def told(self) -> JoinedView:
        """What is kept of it."""
        return JoinedView(
            name=self.view.name, digest=self.view.digest, features=self.features,
            source=str(self.source or ""),
            source_artifact=self.source.artifact if self.source else None,
        )  # fmt: skip


def planned_joins(record: Record, asking: Asking, at: datetime) -> tuple[Join, ...]:
    """Return the views that give what the rows lack; of each the features that the model takes.

    A view that is joined gives all of these, also those that the rows have a column of the name
    of: its own values are what the model was trained with. Sources are as they were newest at `at`.

    Raises:
        InvalidInputError: the model needs a column that neither rows nor views have, or one of a
            view that the rows cannot ask: names view, key and data.
        NotFoundError: a view's source has no version yet.
    """
    missing = asking.missing
    if not missing:
        return ()
    views, unread = _views(record)
    found = [view for view in views.values() if _is_joined(view, asking, missing)]
    fields = (*asking.signature.inputs, *asking.signature.context)
    taken = {
        view.name: tuple(f.name for f in fields if f.name in view.feature_names) for view in found
    }
    given = _owners(taken)
    for name, is_needed in missing.items():
        if is_needed and name not in given:
            raise InvalidInputError(
                f"{asking.data} has no column {name!r}, which {asking.model} takes",
                fix=missing_column_fix(name, asking.columns, unread),
            )
    return tuple(
        Join(view=view, features=taken[view.name], source=_source(record, view, at))
        for view in found
    )


def standing_columns(record: Record, asking: Asking, joins: Sequence[Join]) -> tuple[str, ...]:
    """Return a sentence for each column of the rows that a view which was not joined gives too."""
    joined = {join.view.name for join in joins}
    signature = asking.signature
    taken = {name for f in (*signature.inputs, *signature.context) if asking.has(name := f.name)}
    taken -= {feature for join in joins for feature in join.features}
    return tuple(
        f"{name} is the column of {asking.data}; the view {view.name}, which gives one of this "
        "name too, was not asked"
        for view in (_views(record)[0].values() if joins else ())
        if view.name not in joined
        for name in view.feature_names
        if name in taken
    )


def _views(record: Record) -> tuple[Mapping[str, AnyView], str]:
    try:
        return declared_views(record), ""
    except TidemillError as error:
        return {}, error.what


def _is_joined(view: AnyView, asking: Asking, missing: Mapping[str, bool]) -> bool:
    gives = [name for name in view.feature_names if name in missing]
    needed = [name for name in gives if missing[name]]
    lacking = _lacking(view, asking, needed[0] if needed else "") if gives else None
    if lacking is not None and needed:
        raise lacking
    return bool(gives) and lacking is None  # what the model can do without is left out


def _lacking(view: AnyView, asking: Asking, feature: str) -> InvalidInputError | None:
    """Return the error that the rows cannot ask a view for a feature; None: they can."""
    time, taken = asking.signature.time, f"{feature!r} that {asking.model} takes"
    of_source = isinstance(view, FeatureView)
    if of_source and not time:
        return InvalidInputError(
            f"{asking.model} names no time, at which the view {view.name} could be asked for "
            f"{taken} and {asking.data} does not have",
            fix='name it where the model is made: infer_signature(..., time="COLUMN")',
        )
    for name in (*view.asked, *([time] if of_source else [])):
        if name in asking.columns:
            continue
        why = f"a key of the view {view.name}, which gives {taken}"
        if not of_source:
            why = f"from which the view {view.name} computes {taken}"
        elif name not in view.asked:
            why = f"the time at which the view {view.name} is asked for {taken}"
        return InvalidInputError(
            f"{asking.data} has no column {name!r}, {why}",
            fix=f"add {name} to the rows, or {feature} itself",
        )
    return None


def _owners(taken: Mapping[str, tuple[str, ...]]) -> Mapping[str, str]:
    owner: dict[str, str] = {}
    for view, names in taken.items():
        for name in names:
            if owner.setdefault(name, view) != view:
                raise InvalidInputError(
                    f"the views {owner[name]} and {view} both give {name!r}",
                    fix=f"rename {name!r} in one of them, or add the column to the data",
                )
    return owner


def _source(record: Record, view: AnyView, at: datetime) -> Version | None:
    if not isinstance(view, FeatureView):
        return None
    try:
        return open_data(record, f"data:{view.spec.source}", at=at).version
    except NotFoundError as error:
        raise NotFoundError(f"the view {view.name}: {error.what}", fix=error.fix) from None
