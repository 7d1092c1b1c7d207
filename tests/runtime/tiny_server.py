"""A model server with a tiny model of numbers: what tests start in place of a real one.

The model folder holds `tiny.json`: {"factor": 2.0} and how it should misbehave.
"""

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from tidemill.app import model_server
from tidemill.core.signature import Field, Signature
from tidemill.core.task import Task


class TinyModel:
    """Its score is `x` times a factor; 1000 for an unknown `carrier`."""

    def __init__(self, folder: Path) -> None:
        self.settings = json.loads((folder / "tiny.json").read_text())
        if self.settings.get("dies") == "at start":
            sys.stderr.write("the tiny model cannot be loaded\n")
            raise SystemExit(3)
        self.signature = Signature(
            inputs=(
                Field(name="x", datatype="FP64"),
                Field(name="carrier", datatype="BYTES", categories=("AA", "UA")),
            ),
            outputs=(Field(name="score", datatype="FP64"),),
            context=(
                Field(name="at", datatype="INT64", is_optional=False),
                Field(name="flight", datatype="BYTES"),
            ),
            time="at",
            row_key="flight",
        )
        self.task = Task(kind="regression", label="y")
        self.is_warm = False

    def predict(self, columns):
        if self.is_warm and self.settings.get("dies") == "at the first request":
            os._exit(4)
        self.is_warm = True
        if (columns["x"] == 666).any():
            message = "the beast"
            raise ValueError(message)
        time.sleep(self.settings.get("takes_s", 0))
        score = columns["x"] * self.settings["factor"]
        if self.task.kind == "multiclass":
            return {"score": np.column_stack([1 - score, score])}
        return {"score": score}


if __name__ == "__main__":
    sys.exit(model_server.run(sys.argv[1:], TinyModel))
