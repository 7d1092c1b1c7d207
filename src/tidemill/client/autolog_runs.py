"""What the patches of all libraries share: which run they log into, and that they never fail."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tidemill.client.live_run import current_run
from tidemill.practices.pipelines.by_hand import tell
from tidemill.practices.pipelines.outputs import active_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidemill.client.live_run import LiveRun

_SAMPLE_ROWS = 200
_told: set[str] = set()


class _Options:
    """What was asked for."""

    def __init__(self) -> None:
        self.models = True
        self.depth = 0
        self.lock = threading.Lock()


options = _Options()


@contextmanager
def outermost() -> Iterator[bool]:
    """Say whether this training is no part of another one (a search, a pipeline, an ensemble)."""
    with options.lock:
        options.depth += 1
        is_outer = options.depth == 1
    try:
        yield is_outer
    finally:
        with options.lock:
            options.depth -= 1


def logged(name: str, train: Callable[[LiveRun | None], Any]) -> Any:  # noqa: ANN401 - what it returns
    """Train inside the open run, or inside one of its own; without any where none can be opened."""
    run = current_run()
    if run is not None or active_step.get():
        return train(run)
    own = quietly(lambda: _opened(name))
    if own is None:
        return train(None)
    with own:
        return train(own)


def _opened(name: str) -> LiveRun:
    import tidemill as tm  # noqa: PLC0415 - opens the project of the working directory

    return tm.run(name, because="autolog")


def quietly(action: Callable[[], Any]) -> Any:  # noqa: ANN401 - what it returns, or None
    """Do something of ours; where it fails say so, once, and go on."""
    try:
        return action()
    except Exception as error:  # noqa: BLE001 - nothing of ours stops a training
        text = f"autolog: {type(error).__name__}: {error}"
        if text not in _told:
            _told.add(text)
            tell(text)
        return None


def log_parameters(run: LiveRun, given: dict[str, Any]) -> None:
    """Log those parameters that are plain values; what was left open (None, NaN) is not named."""
    plain = {
        name: value
        for name, value in given.items()
        if isinstance(value, bool | int | float | str) and value == value  # noqa: PLR0124 - NaN
    }
    run.log(**plain)


def log_model(run: LiveRun, model: object, sample: object) -> None:
    """Register what was fitted, with some rows as it takes them."""
    if options.models and sample is not None:
        run.log_model(run.name, model, sample=_some(sample))


def _some(rows: Any) -> Any:  # noqa: ANN401 - rows of any library
    if hasattr(rows, "head"):
        return rows.head(_SAMPLE_ROWS)
    return rows[:_SAMPLE_ROWS]
