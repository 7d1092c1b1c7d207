"""Autologging of PyTorch: the loss of each optimizer step, inside an open run.

`backward` on a scalar is taken for a loss, and the next step of an optimizer says that it counted.
Nothing is copied from a device while the loop goes on: the thread that writes reads the number.
"""

from __future__ import annotations

import functools
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tidemill.client.autolog_runs import log_parameters, quietly
from tidemill.client.live_run import current_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from tidemill.client.live_run import LiveRun


class _Loop:
    """What is known of the loop that goes on."""

    def __init__(self) -> None:
        self.loss: Any = None
        self.run: LiveRun | None = None
        self.steps = 0
        self.optimizers: set[int] = set()


def patch(_module_name: str) -> Callable[[], None]:
    """Follow losses and steps; returns how to undo it."""
    torch: Any = import_module("torch")
    optimizers: Any = import_module("torch.optim.optimizer")
    loop = _Loop()
    backward = torch.Tensor.backward

    @functools.wraps(backward)
    def noted(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as PyTorch has it
        if self.dim() == 0:
            loop.loss = self.detach()
        return backward(self, *args, **kwargs)

    def stepped(optimizer: Any, _args: Any, _kwargs: Any) -> None:  # noqa: ANN401 - PyTorch's own
        run = current_run()
        if run is not None:
            quietly(lambda: _log(loop, run, optimizer))

    torch.Tensor.backward = noted
    hook = optimizers.register_optimizer_step_post_hook(stepped)

    def undo() -> None:
        torch.Tensor.backward = backward
        hook.remove()

    return undo


def _log(loop: _Loop, run: LiveRun, optimizer: Any) -> None:  # noqa: ANN401 - an optimizer
    if loop.run is not run:
        loop.run, loop.steps = run, 0
        loop.optimizers.clear()
    if id(optimizer) not in loop.optimizers:
        loop.optimizers.add(id(optimizer))
        group = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
        log_parameters(run, {"optimizer": type(optimizer).__name__, **group})
    if loop.loss is not None:
        run.figure("loss", loop.loss, step=loop.steps)
        loop.loss = None
    loop.steps += 1
