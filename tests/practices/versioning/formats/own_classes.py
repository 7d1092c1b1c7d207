"""Classes of a project: a model with files, and a transformer inside a pipeline."""

import json
from pathlib import Path

import numpy as np
import own_constants
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin


class Table:
    """Answers by weights that lie in a file."""

    def __init__(self, folder: Path, shift: float = 0.0) -> None:
        self.weights = np.array(json.loads((folder / "weights.json").read_text()))
        self.shift = shift

    def predict(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one number a row."""
        return np.nan_to_num(rows) @ self.weights * own_constants.SCALE + self.shift


class Clip(BaseEstimator, TransformerMixin):
    """Clips numbers."""

    def __init__(self, most: float = 1.0) -> None:
        self.most = most

    def fit(self, rows, label=None):
        """Learn nothing."""
        self.fitted_ = True
        return self

    def transform(self, rows):
        """Return clipped rows."""
        return np.clip(rows, -self.most, self.most)
