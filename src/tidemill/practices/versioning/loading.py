"""Reading models that were not made here: always in a process of its own first, with limits.

LightGBM, CatBoost and XGBoost's UBJ kill the process that loads a damaged file. What is in the
record is loaded only after its digest was compared; what comes from outside is loaded by a child.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import weakref
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from tidemill.core.errors import CorruptError, InvalidInputError, MissingExtraError, NotAllowedError
from tidemill.practices.versioning.formats.registry import format_named
from tidemill.practices.versioning.loading_messages import Ask, Told, packed, read, unpacked, write
from tidemill.practices.versioning.model import Model, read_card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO, Self

    from numpy.typing import NDArray

    from tidemill.core.task import Task
    from tidemill.practices.versioning.inputs import Inputs

TIMEOUT_S = 60.0
MEMORY_BYTES = 8 << 30
"""Of addresses: libraries reserve far more than they use."""

_ERRORS = {
    error.code: error
    for error in (CorruptError, InvalidInputError, MissingExtraError, NotAllowedError)
}


class LoadingProcess:
    """A child that reads models. One that died of a model is replaced at the next question."""

    def __init__(self, *, timeout_s: float = TIMEOUT_S, memory_bytes: int = MEMORY_BYTES) -> None:
        """Limit a question to some seconds, and the child to some memory."""
        self._timeout_s, self._memory_bytes = timeout_s, memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this does

    def ask(self, ask: Ask) -> Told:
        """Return the child's answer.

        Raises:
            CorruptError: the child died of the model, or took too long.
            NotAllowedError: loading it runs code, and that was not allowed.
            TidemillError: whatever else the child says.
        """
        process = self._running()
        deadline = monotonic() + self._timeout_s
        told: Told | None = None
        try:
            write(cast("BinaryIO", process.stdin), ask)
            answers = cast("BinaryIO", process.stdout)
            if not select.select([answers], [], [], max(deadline - monotonic(), 0))[0]:
                self._end()
                raise CorruptError(
                    f"the model was not read and asked within {self._timeout_s:.0f} s",
                    fix="store it again from where it was trained",
                )
            told = read(answers, Told)
        except BrokenPipeError:
            told = None
        if told is None:
            signal = self._end()
            raise CorruptError(
                f"the model killed the process that read and asked it ({signal})",
                fix="it is damaged: copy it whole, or store it again from where it was trained",
            )
        if told.error:
            raise _ERRORS.get(told.error_code, CorruptError)(told.error, fix=told.fix)
        return told

    def close(self) -> None:
        """End the child."""
        self._end()
        self._noise.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            module = "tidemill.practices.versioning.loading_child"
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
                [sys.executable, "-P", "-m", module, str(self._memory_bytes)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._noise,
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )  # fmt: skip
        return self._process

    def _end(self) -> str:
        """End the child; returns how it ended."""
        process, self._process = self._process, None
        if process is None:
            return "it had ended"
        for stream in (process.stdin, process.stdout):
            try:
                cast("BinaryIO", stream).close()
            except BrokenPipeError:
                continue
        try:
            process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        code = process.returncode
        return f"signal {-code}" if code < 0 else f"exit {code}"


class ModelApart:
    """A model whose code comes from outside: it lives, and answers, in a process of its own."""

    def __init__(self, folder: Path) -> None:
        """Take a folder that keeps its files for as long as this lives."""
        self.folder = folder
        self._process = LoadingProcess()
        weakref.finalize(self, self._process.close)

    @property
    def model_format(self) -> ApartFormat:
        """How it is stored: as it was."""
        return ApartFormat(read_card(self.folder).format)

    def answer(self, rows: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return what the model answers."""
        ask = Ask(do="predict", folder=str(self.folder), rows=packed(rows), allow_code=True)
        return unpacked(self._process.ask(ask).outputs)


class ApartFormat:
    """The format of a model that is loaded elsewhere."""

    needless: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        """Take the name of the format that reads it there."""
        self.name = name

    def accepts(self, model: object) -> bool:
        """Whether it is a model that is loaded elsewhere."""
        return isinstance(model, ModelApart)

    def save(self, model: ModelApart, folder: Path) -> None:
        """Copy its files."""
        for path in sorted(model.folder.rglob("*")):
            if path.is_file() and path.name != "model.json":
                target = folder / path.relative_to(model.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())

    def load(self, folder: Path) -> ModelApart:
        """Return it as it is."""
        return ModelApart(folder)

    def read_file(self, path: Path) -> Any:  # noqa: ANN401 - as the format does
        """Read a file as the format does."""
        return format_named(self.name).read_file(path)

    def inputs_of(self, model: ModelApart) -> tuple[Any, ...]:
        """Return what its card says."""
        return read_card(model.folder).signature.inputs

    def code_in(self, folder: Path) -> tuple[str, ...]:
        """Return what the format says."""
        return format_named(self.name).code_in(folder)

    def predict(
        self,
        model: ModelApart,
        inputs: Inputs,
        task: Task,  # noqa: ARG002 - the other process knows it
    ) -> Mapping[str, NDArray[Any]]:
        """Return what the other process answers."""
        return model.answer(inputs.columns)


def load_apart(folder: Path) -> Model:
    """Return a model whose own code runs in a process of its own, never in this one."""
    card = read_card(folder)
    return Model(ModelApart(folder), signature=card.signature, task=card.task)
