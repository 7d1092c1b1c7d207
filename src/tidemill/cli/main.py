"""One run of the command line: parse, call, answer; every end has its exit code."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import click

from tidemill.cli.answers import Answers
from tidemill.cli.commands import Root
from tidemill.cli.faults import as_error, unexpected
from tidemill.core.errors import CancelledError, TidemillError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.cli.opener import Opener


def run(arguments: Sequence[str], opener: Opener) -> int:
    """Run one command line; returns its exit code.

    0 done, 1 our fault, 2 usage, 3 a check failed, 4 not found, 5 invalid input, 6 conflict,
    7 not allowed, 8 unavailable, 130 interrupted.
    """
    answers = Answers(is_json="--json" in arguments, is_debug="--debug" in arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = Root(opener, answers).main(
            list(arguments), prog_name="tidemill", standalone_mode=False
        )
    except BaseException as error:  # noqa: BLE001 - the outermost loop: every error is told here
        return _told(answers, error, arguments)
    return answers.finish(code if isinstance(code, int) else 0)


def _told(answers: Answers, error: BaseException, arguments: Sequence[str]) -> int:
    """Tell an error the way it deserves; returns the exit code."""
    known = _known(error)
    if known is None:
        known = unexpected(error, arguments)
    answers.error(known, error)
    return answers.finish(known.exit_code)


def _known(error: BaseException) -> TidemillError | None:
    if isinstance(error, TidemillError):
        return error
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return CancelledError(
            "interrupted; what had finished is kept", fix="run the same command again to go on"
        )
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "tidemill"
        return UsageError(error.format_message(), fix=f"{path} --help")
    if isinstance(error, click.ClickException):
        return UsageError(error.format_message(), fix="tidemill --help")
    return as_error(error)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
