"""The views that a project declares, of sources and on demand, found by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.lineage.suggestions import closest
from tidemill.practices.features.declare import FeatureView
from tidemill.practices.features.on_demand import OnDemandView
from tidemill.practices.features.view import View
from tidemill.practices.infrastructure.project import declared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.lineage.record import Record

    AnyView = FeatureView | OnDemandView


def declared_views(record: Record) -> dict[str, AnyView]:
    """Return all views that the project declares, by name. Raises as `declared`."""
    return {
        name: view
        for name, view in declared(record, View).items()
        if isinstance(view, FeatureView | OnDemandView)
    }


def find_views(record: Record, names: tuple[str, ...] = ()) -> list[AnyView]:
    """Return views that the project declares, by name; none named: all of them.

    Raises:
        NotFoundError: no such view is declared, or none at all; names the closest.
    """
    known = declared_views(record)
    if not known:
        raise NotFoundError(
            "the project declares no feature view",
            fix="decorate a function with @tm.feature_view in a module of the project",
        )
    for name in names:
        if name not in known:
            near = closest(name, list(known))
            raise NotFoundError(
                f"the project declares no feature view {name!r}",
                fix=f"did you mean {near}?" if near else f"there are: {', '.join(known) or 'none'}",
            )
    return [known[name] for name in names or known]


def check_distinct(views: Sequence[View]) -> None:
    """Raise where two views give a feature of one name. Raises InvalidInputError."""
    owner: dict[str, str] = {}
    for view in views:
        for name in view.feature_names:
            if owner.setdefault(name, view.name) != view.name:
                raise InvalidInputError(
                    f"the views {owner[name]} and {view.name} both give {name!r}",
                    fix=f"ask one of them by its name, or rename {name!r} in one",
                )
