"""A scoring process: loads a model, scores the rows of a job, sends frames to who started it.

`python -m tidemill.practices.delivery.scoring_process` reads the job from its input; threads are
pinned by the environment that it is started with. It opens no record, and dies with its reader.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

import msgspec

from tidemill.core.errors import InvalidInputError, TidemillError
from tidemill.practices.delivery.scored_batches import batches
from tidemill.practices.delivery.scored_rows import Scorer
from tidemill.practices.delivery.scoring_job import (
    ScoringFault,
    ScoringJob,
    send_end,
    send_fault,
    send_frame,
)
from tidemill.practices.versioning.model import load_to_predict


def main() -> int:
    """Score what the input says; returns the exit code."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=ScoringJob)
    pipe = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)  # what the model prints must not lie among the frames
    try:
        _score(job, pipe)
        send_end(pipe)
    except BrokenPipeError:
        os._exit(1)  # nobody reads any more
    except TidemillError as error:
        is_input = isinstance(error, InvalidInputError)
        send_fault(pipe, ScoringFault(what=error.what, fix=error.fix, is_input=is_input))
        return error.exit_code
    return 0


def _score(job: ScoringJob, pipe: IO[bytes]) -> None:
    model = load_to_predict(Path(job.model_folder))
    scorer = Scorer(job, model)
    for batch in batches(job, model.signature):
        for frame in scorer.frames(batch):
            send_frame(pipe, frame)
    for frame in scorer.rest():
        send_frame(pipe, frame)


if __name__ == "__main__":
    sys.exit(main())
