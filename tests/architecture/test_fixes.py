"""What an error tells people to type exists: commands named in `fix=` are commands of the CLI."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tidemill.dispatch.index import OFFERS

SOURCE = Path(__file__).parents[2] / "src" / "tidemill"
COMMANDS = {offer.command for offer in OFFERS if "cli" in offer.faces}
GROUPS = {command[:1] for command in COMMANDS if len(command) == 2}
COMMAND = re.compile(r"\btidemill (?:-C \S+ )?([a-z][a-z-]*)(?: ([a-z][a-z-]*))?(?=[\s`,;)\x00]|$)")


def literal(node: ast.expr) -> str:
    """Return the literal parts of a string expression; what is filled in is a NUL."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(literal(value) for value in values)
        case ast.BinOp(left=left, right=right):
            return literal(left) + literal(right)
        case ast.IfExp(body=body, orelse=other):
            return f"{literal(body)}\n{literal(other)}"
        case _:
            return "\x00"


def fixes() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.keyword) and node.arg == "fix"
            assigned = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "fix"
            if named or assigned:
                yield f"{path.relative_to(SOURCE)}:{node.value.lineno}", literal(node.value)


def exists(first: str, second: str) -> bool:
    return (first,) in COMMANDS or (
        (first,) in GROUPS and (not second or (first, second) in COMMANDS)
    )


def test_every_command_that_an_error_names_as_its_fix_exists() -> None:
    named = [(where, match) for where, text in fixes() for match in COMMAND.finditer(text)]
    assert len(named) > 30
    assert not [(where, m[0]) for where, m in named if not exists(m[1], m[2] or "")]
