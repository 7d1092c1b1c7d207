"""Commands, derived from operations: a room is imported when one of its commands is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tidemill.cli import pages
from tidemill.cli.first_page import first_page, version
from tidemill.cli.options import argument, given, option, rest_of
from tidemill.core.errors import UsageError
from tidemill.dispatch.call import call
from tidemill.dispatch.parameters import bind, parameters
from tidemill.dispatch.registry import commands, operation_at
from tidemill.lineage.suggestions import closest

if TYPE_CHECKING:
    from tidemill.cli.answers import Answers
    from tidemill.cli.opener import Opener
    from tidemill.core.operation import Operation

FOLDER = ("-C", "--project")


def _root_options() -> list[click.Parameter]:
    return [
        click.Option([*FOLDER, "folder"], metavar="DIR", help="work on the project in DIR"),
        click.Option(["--json", "is_json"], is_flag=True, help="answer with one JSON value"),
        click.Option(["--debug", "is_debug"], is_flag=True, help="show where an error came from"),
        click.Option(["--version", "wants_version"], is_flag=True, help="print the version"),
    ]


def _own_options() -> list[click.Option]:
    return [
        click.Option(["-C", "own_folder"], metavar="DIR", help="work on the project in DIR"),
        click.Option(["--json", "own_json"], is_flag=True, help="answer with one JSON value"),
        click.Option(["--debug", "own_debug"], is_flag=True, help="show where an error came from"),
    ]


class Lazy(click.Group):
    """A group whose commands are the operations that begin with its words."""

    def __init__(
        self,
        words: tuple[str, ...],
        opener: Opener,
        answers: Answers,
        **more: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(name=words[-1] if words else "tidemill", **more)
        self.words, self._opener, self._answers = words, opener, answers

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """Return the next word of every command below."""
        depth = len(self.words)
        return sorted(
            {one[depth] for one in commands() if one[:depth] == self.words and len(one) > depth}
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        """Return a command or a noun.

        Raises:
            UsageError: there is none; names the closest.
        """
        words = (*self.words, cmd_name)
        if any(one[: len(words)] == words and len(one) > len(words) for one in commands()):
            return Lazy(words, self._opener, self._answers)
        operation = operation_at(words)
        if operation is None or "cli" not in operation.faces:
            raise self._unknown(ctx, cmd_name)
        return OperationCommand(operation, self._opener, self._answers)

    def format_help(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the page of a noun."""
        formatter.write(pages.noun(self.words))

    def _unknown(self, ctx: click.Context, name: str) -> UsageError:
        known = self.list_commands(ctx)
        near = closest(name, known)
        typed = " ".join((*self.words, name))
        begins = " ".join(("tidemill", *self.words))
        fix = f"did you mean `{begins} {near}`?" if near else f"{begins} has: {', '.join(known)}"
        return UsageError(f"there is no command `tidemill {typed}`", fix=fix)


class Root(Lazy):
    """`tidemill` itself."""

    def __init__(self, opener: Opener, answers: Answers) -> None:
        super().__init__(
            (),
            opener,
            answers,
            params=_root_options(),
            invoke_without_command=True,
            callback=self._start,
            context_settings={"help_option_names": ["--help", "-h"]},
        )

    def format_help(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first page."""
        formatter.write(first_page())

    def _start(self, *, wants_version: bool, **_: object) -> None:
        ctx = click.get_current_context()
        if wants_version:
            self._answers.text(f"tidemill {version()}")
            ctx.exit(0)
        if ctx.invoked_subcommand is None:
            self._answers.text(first_page().rstrip())


class OperationCommand(click.Command):
    """One operation as a command."""

    def __init__(self, operation: Operation, opener: Opener, answers: Answers) -> None:
        self._operation, self._opener, self._answers = operation, opener, answers
        self._takes = parameters(operation)
        self._free: dict[str, str] = {}
        spelled: list[click.Parameter] = [
            (argument if parameter.is_positional else option)(parameter)
            for parameter in self._takes
            if parameter.form != "rest"
        ]
        super().__init__(operation.command[-1], params=[*spelled, *_own_options()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; free options are kept apart where the operation takes them."""
        if any(parameter.form == "rest" for parameter in self._takes):
            known = [one for one in self.params if isinstance(one, click.Option)]
            args, self._free = rest_of(args, known)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # an option without its value does not say of what
            raise

    def format_help(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the page of a command."""
        formatter.write(pages.command(self._operation, self._takes))

    def invoke(self, ctx: click.Context) -> int:
        """Open the record, call, answer; returns the exit code."""
        values = given(ctx, [one for one in self._takes if one.form != "rest"])
        values |= {one.name: self._free for one in self._takes if one.form == "rest"}
        arguments, options = bind(self._operation, values)
        folder = ctx.params["own_folder"] or ctx.find_root().params["folder"]
        operation = self._operation
        is_alone = any(values.get(name) for name in operation.alone)
        record, role_of = self._opener(
            folder, self._answers.tell, needs_project=operation.needs_project and not is_alone,
            begins=operation.begins,
        )  # fmt: skip
        try:
            result = call(record, self._operation, arguments, options, role_of=role_of)
        finally:
            record.ports.close()
        self._answers.result(result)
        failed = self._operation.failed
        return 3 if failed is not None and failed(result) else 0
