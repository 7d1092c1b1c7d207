"""Help pages of nouns and commands: what it does, examples, what it takes; one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.cli.first_page import cut
from tidemill.cli.options import option, option_name
from tidemill.dispatch.parameters import summary
from tidemill.dispatch.registry import offers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.core.operation import Operation
    from tidemill.dispatch.parameters import Parameter

_WIDTH = 98


def noun(words: tuple[str, ...]) -> str:
    """Return the page of a noun."""
    below = [
        offer for offer in offers() if offer.command[: len(words)] == words and "cli" in offer.faces
    ]
    title = " ".join(("tidemill", *words))
    width = max(len(" ".join(offer.command)) for offer in below) + 2
    lines = [f"  {' '.join(offer.command):<{width}}{offer.summary}" for offer in below]
    return cut("\n".join([f"{title} VERB", "", *lines, "", f"{title} VERB --help has examples"]))


def command(operation: Operation, takes: Sequence[Parameter]) -> str:
    """Return the page of a command: what it does, examples, what it takes."""
    typed = " ".join(("tidemill", *operation.command))
    arguments = " ".join(_argument(one) for one in takes if one.is_positional)
    lines = [summary(operation), ""]
    lines += [f"  {example}" for example in operation.examples[:3] or (typed,)]
    lines.append("")
    lines.append(f"Usage: {typed} {arguments}".rstrip() + " [OPTIONS]")
    rows = [(_argument(one), one.help) for one in takes if one.is_positional]
    rows += [_option(one) for one in takes if not one.is_positional and not one.is_hidden]
    rows += [
        ("-C DIR", "work on the project in DIR"),
        ("--json", "answer with one JSON value"),
        ("--debug", "show where an error came from"),
    ]
    return "\n".join([*lines, "", *_columns(rows)]) + "\n"


def _argument(one: Parameter) -> str:
    name = option_name(one.name).upper() + ("..." if one.is_many else "")
    return name if one.is_required else f"[{name}]"


def _option(one: Parameter) -> tuple[str, str]:
    if one.form == "rest":
        return "--NAME VALUE", one.help
    spelled = option(one)
    name = "/".join((*spelled.opts[:1], *spelled.secondary_opts[:1]))
    value = "" if one.form == "flag" else f" {spelled.metavar}"
    more = [text for text in (_default(one), "required" if one.is_required else "",
                              "repeated" if one.is_many else "") if text]  # fmt: skip
    return name + value, one.help + (f" ({', '.join(more)})" if more else "")


def _default(one: Parameter) -> str:
    if one.form == "flag" or one.default in (None, "", ()):
        return ""
    return f"default {one.default}"


def _columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = min(max(len(name) for name, _ in rows) + 2, 30)
    lines: list[str] = []
    for name, text in rows:
        pieces = _wrapped(text, _WIDTH - width - 2)
        lines.append(f"  {name:<{width}}{pieces[0]}".rstrip())
        lines += [" " * (width + 2) + piece for piece in pieces[1:]]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return lines
