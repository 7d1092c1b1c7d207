# ruff: noqa: INP001
"""Write what faces know of every operation: `dispatch/index.py`, `client/methods.py`, root, docs.

python .ci/faces.py           write the files again
python .ci/faces.py --check   say which are old, exit 1
"""

import importlib
import re
import sys
import typing
from pathlib import Path

import msgspec

from tidemill.cli.pages import command
from tidemill.dispatch.parameters import parameters, summary
from tidemill.dispatch.registry import kinds_of, operations_of, rooms

SOURCE = Path(__file__).parents[1] / "src" / "tidemill"
INDEX = SOURCE / "dispatch" / "index.py"
METHODS = SOURCE / "client" / "methods.py"
ROOT = SOURCE / "__init__.py"
PAGES = SOURCE.parents[1] / "docs" / "commands.md"
SHAPES = PAGES.with_name("json.md")


def alias(module: str) -> str:
    """Return what a module is called in the methods file."""
    return "_".join(module.removeprefix("tidemill.").removeprefix("practices.").split("."))


def working() -> list[str]:
    """Return the rooms; with `--skip-broken` without those that cannot be imported now."""
    if "--skip-broken" not in sys.argv:
        return list(rooms())
    kept = []
    for room in rooms():
        try:
            operations_of(room)
        except ImportError as error:
            sys.stdout.write(f"without {room}: {error}\n")
        else:
            kept.append(room)
    return kept


def found() -> list[tuple[str, object]]:
    """Return every operation with its room, by command."""
    pairs = [(room, operation) for room in working() for operation in operations_of(room)]
    return sorted(pairs, key=lambda pair: pair[1].command)


def index_text() -> str:
    """Return `dispatch/index.py`."""
    head, _, _ = INDEX.read_text().partition('for line in """')
    lines = [
        f"{' '.join(op.command)} | {short(room)} | {op.name} | {' '.join(op.faces)} | {summary(op)}"
        for room, op in found()
    ]
    kinds = {kind.name: room for room in working() for kind in kinds_of(room)}
    rows = [f'    "{name}": "{room}",' for name, room in sorted(kinds.items())]
    tail = ['""".splitlines()', ")", "KIND_ROOMS: Mapping[str, str] = {", *rows, "}"]
    return head + "\n".join(['for line in """\\', *lines, *tail]) + "\n"


def short(room: str) -> str:
    """Return a room as the index spells it."""
    return room.removeprefix("tidemill.").removesuffix(".operations")


def python_operations() -> list[tuple[str, str]]:
    """Return module and name of each operation that Python code has."""
    pairs = [(op.function.__module__, op.name) for _, op in found() if "python" in op.faces]
    return sorted(pairs, key=lambda pair: pair[1])


def methods_text() -> str:
    """Return `client/methods.py`."""
    wanted = python_operations()
    imports = sorted(
        f"    from {package} import {name} as {alias(f'{package}.{name}')}"
        for package, _, name in {module.rpartition(".") for module, _ in wanted}
    )
    lines = [
        '"""Every operation as a method, for type checkers and editors; by `.ci/faces.py`."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import TYPE_CHECKING",
        "",
        "if TYPE_CHECKING:",
        "    from tidemill.client.method import method",
        *imports,
        "",
        "",
        "class Methods:",
        '    """What a project can do; `client/project.py` finds operations when called."""',
        "",
        "    if TYPE_CHECKING:",
        *(f"        {name} = method({alias(module)}.{name})" for module, name in wanted),
    ]
    return "\n".join(lines) + "\n"


def root_text() -> str:
    """Return the package's `__init__.py` with its operations."""
    lines = "".join(f"    {name} = _here.{name}\n" for _, name in python_operations())
    return re.sub(
        r"(    # operations, by `.ci/faces.py`\n).*?(?=\nelse:)",
        lambda match: match[1] + lines,
        ROOT.read_text(),
        flags=re.DOTALL,
    )


def pages_text() -> str:
    """Return `docs/commands.md`: the help page of every command."""
    parts = ["# Commands", "What `tidemill COMMAND --help` says. Written by `.ci/faces.py`."]
    for _, op in found():
        if "cli" in op.faces:
            title = " ".join(("tidemill", *op.command))
            parts.append(f"## {title}\n\n```text\n{command(op, parameters(op)).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def shapes_text() -> str:
    """Return `docs/json.md`: the fields of every command's `--json` answer and of what is in it."""
    answers: list[str] = []
    wanted: list[type] = []
    for _, op in found():
        if "cli" in op.faces:
            result = answer_of(op)
            answers.append(f"| `tidemill {' '.join(op.command)}` | {spelled(result)} |")
            wanted.append(result)
    described: dict[str, str] = {}
    while wanted:
        shape = wanted.pop()
        for struct in structs_in(shape):
            if struct.__name__ not in described:
                described[struct.__name__] = fields_of(struct)
                wanted += field_types(struct).values()
    head = (
        "# JSON\n\nWhat `--json` answers: the struct that Python returns, field by field; times "
        "are RFC 3339 in UTC, bytes base64.\nFields are only ever added. An error is "
        '`{"error": {"code", "what", "fix"}}`, with the exit code of the error.\n'
        "Written by `.ci/faces.py`.\n\n| command | answers |\n| --- | --- |\n"
    )
    shapes = "\n".join(text for _, text in sorted(described.items()))
    return head + "\n".join(answers) + "\n\n" + shapes


def answer_of(op: object) -> type:
    """Return the type of an operation's result, whose annotation may be a text."""
    module = sys.modules[op.function.__module__]
    given = op.function.__annotations__["return"]
    if not isinstance(given, str):
        return given
    if hasattr(module, given):
        return getattr(module, given)
    line = re.search(rf"from (\S+) import [^\n]*\b{given}\b", Path(module.__file__).read_text())
    block = re.search(rf"from (\S+) import \([^)]*\b{given}\b", Path(module.__file__).read_text())
    return getattr(importlib.import_module((line or block)[1]), given)


def field_types(struct: type) -> dict[str, object]:
    """Return the resolved types of a struct's fields."""
    return typing.get_type_hints(struct)


def structs_in(given: object) -> list[type]:
    """Return the structs that a type is made of."""
    if isinstance(given, type) and issubclass(given, msgspec.Struct):
        return [given]
    return [struct for part in typing.get_args(given) for struct in structs_in(part)]


def spelled(given: object) -> str:
    """Return a type as JSON's readers know it."""
    if isinstance(given, type) and not typing.get_args(given):
        plain = {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}
        named = plain.get(given.__name__, given.__name__)
        return f"[{named}](#{named.lower()})" if issubclass(given, msgspec.Struct) else named
    if typing.get_origin(given) in {tuple, list}:
        parts = [part for part in typing.get_args(given) if part is not Ellipsis]
        return "list of " + ", ".join(map(spelled, parts))
    if typing.get_origin(given) is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(given))
    if parts := typing.get_args(given):
        joint = " to " if "apping" in str(typing.get_origin(given)) else " or "
        return joint.join("null" if part is type(None) else spelled(part) for part in parts)
    return str(getattr(given, "__name__", given)).removeprefix("typing.")


def fields_of(struct: type) -> str:
    """Return one struct with its fields, in Markdown."""
    about = (struct.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")
    about = re.sub(r"\s+", " ", about)
    rows = [f"- `{name}`: {spelled(kind)}" for name, kind in field_types(struct).items()
            if not str(kind).startswith("typing.ClassVar")]  # fmt: skip
    return f"## {struct.__name__}\n{about}\n\n" + "\n".join(rows) + "\n"


def main() -> int:
    """Write or check the files; returns the exit code."""
    wanted = {
        INDEX: index_text(), METHODS: methods_text(), ROOT: root_text(), PAGES: pages_text(),
        SHAPES: shapes_text(),
    }  # fmt: skip
    old = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if "--check" not in sys.argv:
        for path in old:
            path.write_text(wanted[path])
        return 0
    for path in old:
        sys.stdout.write(f"{path.name} is old; python .ci/faces.py writes it again\n")
    return bool(old)


if __name__ == "__main__":
    sys.exit(main())
