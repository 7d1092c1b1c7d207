"""A column that data to be scored do not have: of a feature view, misspelt, or not there at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.errors import TidemillError
from tidemill.lineage.suggestions import closest
from tidemill.practices.features.declared_views import find_views

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.lineage.record import Record


def missing_column_fix(record: Record, name: str, known: Sequence[str]) -> str:
    """Return what to do about a column that a model takes and data do not have.

    A feature of a declared view is never a misspelt column of the data, however like one it looks.
    """
    try:
        views = find_views(record)
    except TidemillError:  # the project's code cannot be loaded: that is another error than this
        views = []
    for view in views:
        if name in {feature for feature, _ in view.spec.features}:
            return (
                f"{name} is a feature of the view {view.name}, and data are scored as they are: "
                f"join it in a pipeline with tm.training_set(rows, views=[{view.name}]), add the "
                "joined rows with tidemill data add, and predict those; the pipeline that trains "
                "predicts with tm.predict(model, rows)"
            )
    near = closest(name, known)
    if near:
        return f"is it {near!r}? rename it in the data"
    return f"its columns are {', '.join(known)}"
