"""What a step of a session must not depend on, since a change of it would not be noticed."""

from __future__ import annotations

import ast
import dis
from collections import Counter
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from tidemill.core.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.ports.executor import SourcePiece

_BY_TEXT = frozenset({"globals", "eval", "exec"})
_READS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})


def refuse_closure(step: str, name: str, defined: type | FunctionType) -> None:
    """Refuse what was made inside a function: its statement alone lacks that function's names.

    Raises:
        InvalidInputError: names the step and the function.
    """
    if "<locals>" in defined.__qualname__:
        raise InvalidInputError(
            f"step {step} needs {name}, which was made inside"
            f" {defined.__qualname__.partition('.<locals>')[0]}() and keeps values of it",
            fix=f"give the step a parameter for what {name} keeps, or define {name} at the top of"
            " a cell or in a module",
        )


def refuse_hidden_reads(step: str, name: str, code: CodeType, known: frozenset[str]) -> None:
    """Refuse code that reads globals by a text: nobody sees which.

    Args:
        step: whose source is collected.
        name: what the code defines.
        code: its statement, compiled.
        known: names of the session, which may be called like the builtins.

    Raises:
        InvalidInputError: names the step and what it calls.
    """
    for used in global_names(code):
        if used in _BY_TEXT and used not in known:
            where = f"step {step}" if step == name else f"step {step} needs {name}, which"
            raise InvalidInputError(
                f"{where} calls {used}(); what it reads of the session is not seen, and a change"
                " of it would not be noticed",
                fix="give the step a parameter with the value, and use that",
            )


def refuse_changed_class(step: str, defined: type, piece: SourcePiece) -> None:
    """Refuse a class whose attributes are no more those of its statement.

    Raises:
        InvalidInputError: names the step and the attribute.
    """
    (node,) = ast.parse(piece.text).body
    if type(defined) is not type or not isinstance(node, ast.ClassDef):
        return  # what a metaclass makes of its attributes is its own affair
    bound = Counter(name for part in ast.walk(node) for name in bound_by(part))
    made = {name: part for part in node.body for name in stated_by(part) if bound[name] == 1}
    for attribute, value in vars(defined).items():
        is_added = not (bound[attribute] or attribute.startswith("_") or node.decorator_list)
        is_changed = attribute in made and _is_replaced(made[attribute], value, piece.line)
        if is_added or is_changed:
            raise InvalidInputError(
                f"step {step} needs {defined.__name__}, whose {attribute} was set after its"
                " statement; the step would not see it, nor a change of it",
                fix=f"give the step a parameter {attribute}, or set it in the statement of"
                f" class {defined.__name__}",
            )


def bound_by(part: ast.AST) -> Iterator[str]:
    """Yield the names that a part of a class binds; asked of every part, in its methods too."""
    if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield part.name
    elif isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
        yield part.id
    elif isinstance(part, ast.alias):
        yield (part.asname or part.name).partition(".")[0]


def stated_by(statement: ast.stmt) -> Iterator[str]:
    """Yield the one name that a plain statement binds."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        yield from bound_by(statement.targets[0])
    elif isinstance(statement, ast.AnnAssign):
        yield from bound_by(statement.target)
    elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name


def _is_replaced(made: ast.AST, value: object, first_line: int) -> bool:
    """Return whether an attribute surely is not what a statement of its class bound."""
    if isinstance(made, ast.FunctionDef) and not made.decorator_list:
        line = first_line + made.lineno - 1
        return not isinstance(value, FunctionType) or value.__code__.co_firstlineno != line
    if isinstance(made, ast.Assign | ast.AnnAssign) and made.value is not None:
        try:
            stated = ast.literal_eval(made.value)
        except (ValueError, TypeError, SyntaxError):
            return False
        return type(stated) is not type(value) or bool(stated != value)
    return False


def global_names(code: CodeType) -> Iterator[str]:
    """Yield the global names that code reads, and the code inside it."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in _READS:
            yield str(instruction.argval)
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from global_names(one)
