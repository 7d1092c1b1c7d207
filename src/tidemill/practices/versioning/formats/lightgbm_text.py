"""LightGBM's own text format: safe to read, equal bytes for equal trainings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from tidemill.core.errors import CorruptError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

_FILE = "model.txt"
_HEAD, _TAIL = b"tree\n", b"end of parameters\n"


class LightgbmText:
    """Boosters, and scikit-learn wrappers by their booster."""

    name = "lightgbm-text"
    needless: tuple[str, ...] = (
        "sklearn",
        "pandas",
        "pyarrow",
        "dask",
        "matplotlib",
        "graphviz",
        "polars",
    )

    def accepts(self, model: object) -> bool:
        """Whether it is a LightGBM booster, or a fitted wrapper of one."""
        return type(model).__module__.partition(".")[0] == "lightgbm"

    def save(self, model: Any, folder: Path) -> None:  # noqa: ANN401 - a LightGBM object
        """Write the booster's text."""
        booster = getattr(model, "booster_", model)
        (folder / _FILE).write_text(booster.model_to_string(num_iteration=-1), encoding="utf-8")

    def load(self, folder: Path) -> Any:  # noqa: ANN401 - a LightGBM booster
        """Read the booster's text; a text cut short kills LightGBM, so its ends are looked at.

        Raises:
            CorruptError: the text is not a whole LightGBM model.
            MissingExtraError: LightGBM is not installed.
        """
        text = (folder / _FILE).read_bytes()
        if not text.startswith(_HEAD) or _TAIL not in text:
            raise CorruptError(
                f"{_FILE} is not a whole LightGBM model", fix="store it with Booster.save_model"
            )
        try:
            import lightgbm  # noqa: PLC0415 - heavy, and an extra
        except ImportError:
            raise MissingExtraError(
                "this model needs LightGBM, which is not installed",
                fix="pip install 'tidemill[lightgbm]'",
            ) from None
        try:
            return lightgbm.Booster(model_str=text.decode("utf-8"))
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError, ValueError) as error:
            raise CorruptError(
                f"LightGBM cannot read {_FILE}: {error}", fix="store it with Booster.save_model"
            ) from None

    def predict(
        self,
        model: Any,  # noqa: ANN401 - a LightGBM booster or wrapper
        inputs: Inputs,
        task: Task,
    ) -> Mapping[str, NDArray[Any]]:
        """Return `score`: a probability, one a class, or a number, as the task says."""
        booster = getattr(model, "booster_", model)
        threads = _threads()
        answer = np.asarray(booster.predict(inputs.matrix, num_threads=threads), dtype=np.float64)
        if task.kind == "multiclass" and answer.ndim == 1:
            answer = np.column_stack([1 - answer, answer])
        return {"score": answer}


def _threads() -> int:
    """Return OpenMP's threads as pinned for this process: LightGBM takes all cores otherwise."""
    return int(os.environ.get("OMP_NUM_THREADS", "0") or 0)
