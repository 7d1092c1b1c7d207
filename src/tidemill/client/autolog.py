"""Autologging: one call, and what is trained from then on is logged.

    tm.autolog()          scikit-learn, LightGBM, XGBoost and PyTorch, imported now or later
    tm.autolog(False)     everything as it was before

`fit` and `train` log into the run that is open; where none is, each opens one of its own, called
after the class. A loop of PyTorch logs only inside a run, because nobody can tell where it ends.
An error of ours is told once as a warning, and never stops a training.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

_HOOKS = {
    "sklearn.base": "tidemill.client.autolog_sklearn",
    "lightgbm.engine": "tidemill.client.autolog_boosting",
    "xgboost.training": "tidemill.client.autolog_boosting",
    "torch.optim.optimizer": "tidemill.client.autolog_torch",
}
"""The module after whose import something is patched, and what patches it."""
_undo: dict[str, Callable[[], None]] = {}


def autolog(on: bool = True, *, models: bool = True) -> None:  # noqa: FBT001, FBT002 - reads as a switch
    """Log what is trained from now on; `autolog(False)` ends it. Calling it again is harmless.

    Args:
        on: whether to log.
        models: register what was fitted too, as `model:` and the name of the run.
    """
    from tidemill.client import autolog_runs  # noqa: PLC0415 - first used here

    autolog_runs.options.models = models
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]
    if not on:
        for undo in _undo.values():
            undo()
        _undo.clear()
        return
    for name in _HOOKS:
        if name in sys.modules:
            _patch(name)
    sys.meta_path.insert(0, _Finder())


def _patch(name: str) -> None:
    """Patch a module that is imported; what does not fit our idea of it is left alone."""
    from tidemill.practices.pipelines.by_hand import tell  # noqa: PLC0415 - first used here

    if name in _undo:
        return
    try:
        _undo[name] = import_module(_HOOKS[name]).patch(name)
    except Exception as error:  # noqa: BLE001 - another version of a library: no reason to stop
        tell(f"{name.partition('.')[0]} is not logged: {error}")


class _Finder(importlib.abc.MetaPathFinder):
    """Patches libraries right after they are imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of a module that is to be patched; None for every other one."""
        if fullname not in _HOOKS or fullname in _undo:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def executed(module: ModuleType) -> None:
            execute(module)
            _patch(fullname)

        spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec
