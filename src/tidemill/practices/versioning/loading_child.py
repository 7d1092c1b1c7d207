"""Entry of a process that reads models made elsewhere: `python -P -m …loading_child MEMORY`.

A damaged file kills whoever reads it, so it is read here first: with little memory, no core dump,
one thread. It answers one question after the other on its standard streams.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidemill.core.errors import CorruptError, InvalidInputError, NotAllowedError, TidemillError
from tidemill.practices.versioning.drawn_inputs import (
    blank_row,
    can_be_made_up,
    drawn_rows,
    extreme_rows,
    most_rows,
)
from tidemill.practices.versioning.loading_messages import Ask, Told, packed, read, unpacked, write
from tidemill.practices.versioning.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_loaded: dict[str, Model] = {}


def main() -> int:
    """Answer until the other side is gone; returns the exit code."""
    _limit(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    while (ask := read(sys.stdin.buffer, Ask)) is not None:
        write(answers, _told(ask))
    return 0


def _told(ask: Ask) -> Told:
    try:
        return {"read": _read, "convert": _convert, "predict": _predict}[ask.do](ask)
    except TidemillError as error:
        return Told(error=error.what, fix=error.fix, error_code=error.code)
    except Exception as error:  # noqa: BLE001 - the outermost loop: a library may raise anything
        told = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return Told(error=told, fix="store it again from where it was trained", error_code="TM420")


def _read(ask: Ask) -> Told:
    """Load a model, and see that it answers rows of its own signature, and survives all others."""
    from tidemill.practices.versioning.loading_files import code_of_folder  # noqa: PLC0415 - one reader

    _loaded.clear()
    code = code_of_folder(Path(ask.folder))
    _permit(code, ask)
    model = _loaded[ask.folder] = Model.load(Path(ask.folder), allow_code=True)
    if not can_be_made_up(model.signature):
        return Told(code=code)
    try:
        model.predict(blank_row(model.signature))
        model.predict(drawn_rows(model.signature, 2))
    except InvalidInputError:
        if not code:
            raise
    except Exception as error:  # noqa: BLE001 - a damaged model may raise anything
        if not code:  # what code of its own takes, only it knows
            raise CorruptError(
                f"the model is read, and cannot answer: {' '.join(str(error).split())[:300]}",
                fix="compare its signature with what it was trained on",
            ) from None
    if not code:
        _try(model, unpacked(ask.rows))
    return Told(code=code)


def _try(model: Model, sample: Mapping[str, NDArray[Any]]) -> None:
    """Ask whatever a server may be asked: it may refuse the rows, and may not end or hang."""
    many = drawn_rows(model.signature, most_rows(model.signature))
    for rows in (sample, many, *extreme_rows(model.signature)):
        try:
            model.predict(rows)
        except Exception:  # noqa: BLE001, S112 - a refusal, whatever the library calls it
            continue


def _convert(ask: Ask) -> Told:
    """Turn a file made elsewhere into a folder of ours."""
    from tidemill.practices.versioning.loading_files import code_of_file, model_of_file  # noqa: PLC0415

    code = code_of_file(Path(ask.path))
    _permit(code, ask)
    if ask.task is None:
        raise InvalidInputError("no task was given", fix="--task binary --label NAME")
    model_of_file(Path(ask.path), ask.task, ask.sample).save(Path(ask.folder))
    return _read(ask)


def _predict(ask: Ask) -> Told:
    """Answer rows with a model that may run its code: that was permitted when it was added."""
    if ask.folder not in _loaded:
        _loaded.clear()
        _loaded[ask.folder] = Model.load(Path(ask.folder), allow_code=True)
    return Told(outputs=packed(_loaded[ask.folder].predict(unpacked(ask.rows))))


def _permit(code: tuple[str, ...], ask: Ask) -> None:
    if code and not ask.allow_code:
        more = f" and {len(code) - 5} more" if len(code) > 5 else ""
        raise NotAllowedError(
            f"loading this model runs code that was not made here: {', '.join(code[:5])}{more}",
            fix='read it, then give --allow-code --because "..."; it needs a maintainer',
        )


def _limit(memory_bytes: int) -> None:
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_AS, memory_bytes),
    ):
        try:
            resource.setrlimit(what, (most, most))
        except (OSError, ValueError):  # macOS has no limit of addresses
            continue


if __name__ == "__main__":
    sys.exit(main())
