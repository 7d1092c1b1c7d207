"""Autologging of LightGBM and XGBoost: their `train`, which their estimators call too."""

from __future__ import annotations

import functools
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from tidemill.client.autolog_runs import log_parameters, logged, outermost, quietly
from tidemill.client.live_run import current_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.client.live_run import LiveRun

_PLACES = {
    "lightgbm.engine": ("lightgbm", "lightgbm.engine", "lightgbm.sklearn"),
    "xgboost.training": ("xgboost", "xgboost.training", "xgboost.sklearn"),
}


def patch(module_name: str) -> Callable[[], None]:
    """Patch `train` wherever it is imported from; returns how to undo it."""
    library = module_name.partition(".")[0]
    train = sys.modules[module_name].train
    traced = _traced(library, train)
    changed = [(name, "train") for name in _PLACES[module_name]]
    for name, attribute in changed:
        module = sys.modules.get(name)
        if module is not None and getattr(module, attribute, train) is train:
            setattr(module, attribute, traced)

    def undo() -> None:
        for name in _PLACES[module_name]:
            module = sys.modules.get(name)
            if module is not None and getattr(module, "train", None) is traced:
                module.train = train  # type: ignore[attr-defined]

    return undo


def _traced(library: str, train: Any) -> Any:  # noqa: ANN401 - functions of a library
    callback = {"lightgbm": _lightgbm_callback, "xgboost": _xgboost_callback}[library]

    @functools.wraps(train)
    def traced(params: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the library has it
        with outermost() as is_outer:
            if is_outer:
                return logged(library, lambda run: _train(run, params, args, kwargs))
            run = current_run()  # an estimator's fit, which is logged itself
            more = quietly(lambda: callback(run)) if run is not None else None
            return train(params, *args, **_with(kwargs, more))

    def _train(
        run: LiveRun | None,
        params: Any,  # noqa: ANN401 - a mapping
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:  # noqa: ANN401 - a booster
        if run is None:
            return train(params, *args, **kwargs)
        quietly(lambda: log_parameters(run, dict(params)))
        more = quietly(lambda: callback(run))
        start = time.perf_counter()
        booster = train(params, *args, **_with(kwargs, more))
        seconds = time.perf_counter() - start
        quietly(lambda: _after(run, booster, seconds))
        return booster

    return traced


def _with(kwargs: dict[str, Any], callback: object) -> dict[str, Any]:
    if callback is None:
        return kwargs
    return {**kwargs, "callbacks": [*(kwargs.get("callbacks") or []), callback]}


def _after(run: LiveRun, booster: Any, seconds: float) -> None:  # noqa: ANN401 - a booster
    run.figure("time.fit_s", seconds)
    best = getattr(booster, "best_iteration", None)
    if best:
        run.figure("best_iteration", int(best))


def _lightgbm_callback(run: LiveRun) -> Any:  # noqa: ANN401 - a callback of LightGBM
    def after_iteration(env: Any) -> None:  # noqa: ANN401 - LightGBM's own
        for entry in env.evaluation_result_list or ():
            quietly(partial(run.figure, f"{entry[0]}.{entry[1]}", entry[2], step=env.iteration))

    after_iteration.order = 30  # type: ignore[attr-defined]
    return after_iteration


def _xgboost_callback(run: LiveRun) -> Any:  # noqa: ANN401 - a callback of XGBoost
    from xgboost.callback import TrainingCallback  # noqa: PLC0415 - it is imported already

    class Logged(TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:  # noqa: ANN401, ARG002
            for data, metrics in evals_log.items():
                for name, values in metrics.items():
                    last = values[-1]
                    value = last[0] if isinstance(last, tuple) else last
                    quietly(partial(run.figure, f"{data}.{name}", value, step=epoch))
            return False

    return Logged()
