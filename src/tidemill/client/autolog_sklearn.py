"""Autologging of scikit-learn: every estimator's `fit`, those of classes made later too."""

from __future__ import annotations

import functools
import sys
import time
from typing import TYPE_CHECKING, Any

from tidemill.client.autolog_runs import log_model, log_parameters, logged, outermost, quietly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidemill.client.live_run import LiveRun

_MARK = "_tidemill_fit"


def patch(module_name: str) -> Callable[[], None]:
    """Patch all estimators; returns how to undo it."""
    root: Any = sys.modules[module_name].BaseEstimator
    own_hook = root.__dict__.get("__init_subclass__")
    patched: list[type] = []

    def also_later(cls: type, /, **options: Any) -> None:  # noqa: ANN401 - of the subclass
        super(root, cls).__init_subclass__(**options)
        if _wrap(cls):
            patched.append(cls)

    patched += [cls for cls in _below(root) if _wrap(cls)]
    if own_hook is None:
        root.__init_subclass__ = classmethod(also_later)

    def undo() -> None:
        for cls in patched:
            _unwrap(cls)
        if own_hook is None:
            del root.__init_subclass__

    return undo


def _below(root: type) -> Iterator[type]:
    seen: set[type] = set()
    waiting = [root]
    while waiting:
        cls: type
        for cls in waiting.pop().__subclasses__():
            if cls not in seen:
                seen.add(cls)
                waiting.append(cls)
                yield cls


def _wrap(cls: Any) -> bool:  # noqa: ANN401 - a class
    fit = cls.__dict__.get("fit")
    if not callable(fit) or hasattr(fit, _MARK):
        return False

    @functools.wraps(fit)
    def fitted(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the estimator has it
        with outermost() as is_outer:
            if not is_outer:
                return fit(self, *args, **kwargs)
            return logged(type(self).__name__, lambda run: _fit(run, fit, self, args, kwargs))

    setattr(fitted, _MARK, fit)
    cls.fit = fitted
    return True


def _unwrap(cls: Any) -> None:  # noqa: ANN401 - a class
    original = getattr(cls.__dict__.get("fit"), _MARK, None)
    if original is not None:
        cls.fit = original


def _fit(
    run: LiveRun | None,
    fit: Any,  # noqa: ANN401 - a method
    estimator: Any,  # noqa: ANN401 - an estimator
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:  # noqa: ANN401 - the estimator, as a rule
    if run is None:
        return fit(estimator, *args, **kwargs)
    quietly(lambda: _before(run, estimator))
    start = time.perf_counter()
    result = fit(estimator, *args, **kwargs)
    seconds = time.perf_counter() - start
    rows, labels = [*args, None, None][:2]
    rows, labels = kwargs.get("X", rows), kwargs.get("y", labels)
    quietly(lambda: _after(run, estimator, rows, labels, seconds))
    return result


def _before(run: LiveRun, estimator: Any) -> None:  # noqa: ANN401 - an estimator
    log_parameters(run, {"estimator": type(estimator).__name__, **estimator.get_params()})


def _after(run: LiveRun, estimator: Any, rows: Any, labels: Any, seconds: float) -> None:  # noqa: ANN401
    run.figure("time.fit_s", seconds)
    if hasattr(estimator, "best_params_"):
        run.figure("best_score", estimator.best_score_)
        log_parameters(run, {f"best.{k}": v for k, v in estimator.best_params_.items()})
    if labels is None or not hasattr(estimator, "predict"):
        return
    if hasattr(estimator, "score"):
        quietly(lambda: run.figure("train.score", float(estimator.score(rows, labels))))
    quietly(lambda: log_model(run, estimator, rows))
