"""What a definition took from its session when it ran: defaults, attributes of classes.

A worker runs a statement again, later: `def f(x, n=N)` would take the N of now. So the value that
the function or class holds is written into the statement in place of the expression. What has no
spelling and was made from a value of the session is refused, as is what a decorator was given.
"""

from __future__ import annotations

import ast
import dis
import inspect
from collections import Counter
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import InvalidInputError
from tidemill.practices.pipelines.session_refusals import bound_by, global_names, stated_by
from tidemill.practices.pipelines.spelling import Speller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tidemill.ports.executor import SourcePiece

LARGEST_CARRIED_BYTES = 64 * 1024
_LITERAL = (type(None), bool, int, str, bytes)
_SPELLED = (*_LITERAL, float, date, datetime, timedelta, Decimal)
_FROZEN, _MUTABLE = (tuple, frozenset), (list, set, dict)
_LATE = "<lambda>"
_READ = '__import__("tidemill.practices.pipelines.spelling", fromlist=["read"]).read'
_Default = tuple[ast.expr, object]
_LOST = object()


def with_bound_values(
    step: str,
    defined: type | FunctionType,
    piece: SourcePiece,
    session: Mapping[str, object],
    is_constant: Callable[[object], bool],
) -> SourcePiece:
    """Return a statement with the values that its defaults and class attributes had when it ran.

    Args:
        step: whose source is collected.
        defined: what the statement made.
        piece: the statement.
        session: what is bound now, by name.
        is_constant: whether a value of the session is carried as such: no module, function, class.

    Raises:
        InvalidInputError: a default or attribute has no spelling and was made from such a value,
            or a decorator, base class or other statement took one; names it.
    """
    bound = _Bound(step, defined.__name__, session, is_constant)
    (node,) = ast.parse(piece.text).body
    if isinstance(node, ast.ClassDef) and isinstance(defined, type):
        bound.take_class(node, defined)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        bound.take_function(node, defined)
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        if isinstance(node.value, ast.Lambda):
            bound.take_defaults(node.value.args, defined)
        else:
            bound.refuse(node.value, "value")
    return msgspec.structs.replace(piece, text=_edited(piece.text, bound.edits))


class _Bound:
    """The edits of one statement so far."""

    def __init__(
        self,
        step: str,
        name: str,
        session: Mapping[str, object],
        is_constant: Callable[[object], bool],
    ) -> None:
        self._step, self._name = step, name
        self._session, self._is_constant = session, is_constant
        self.edits: list[tuple[ast.expr, str]] = []

    def take_class(self, node: ast.ClassDef, made: type) -> None:
        """Carry attributes, and defaults of methods; what else ran must need nothing."""
        is_plain = type(made) is type and not node.decorator_list
        for part in (*node.decorator_list, *node.bases, *(one.value for one in node.keywords)):
            self.refuse(part, "decorator or base class")
        bound = Counter(name for part in ast.walk(node) for name in bound_by(part))
        for statement in node.body:
            names = [name for name in stated_by(statement) if bound[name] == 1]
            value = _attribute(made, names[0]) if names else _LOST
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                self.take_function(statement, _function_of(value))
            elif isinstance(statement, ast.ClassDef) and isinstance(value, type):
                self.take_class(statement, value)
            elif isinstance(statement, ast.Assign | ast.AnnAssign):
                # A decorator or metaclass makes something else of `field(default=N)`.
                is_own = is_plain or not isinstance(statement.value, ast.Call)
                if statement.value is not None:
                    told = f"attribute {names[0]}" if names else "attributes"
                    self._take(statement.value, value if is_own else _LOST, told, set(bound))
            else:
                self.refuse(statement, "body", set(bound))

    def take_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, made: object) -> None:
        """Carry the defaults of a function; what its decorators are given must need nothing."""
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and not self._is_step(decorator.func):
                self.refuse(decorator, "decorator")
        self.take_defaults(node.args, made)

    def take_defaults(self, stated: ast.arguments, made: object) -> None:
        """Carry the defaults of arguments."""
        names = [one.arg for one in (*stated.posonlyargs, *stated.args)][-len(stated.defaults) :]
        positional = getattr(made, "__defaults__", None) or ()
        is_known = len(positional) == len(stated.defaults)
        values = positional if is_known else [_LOST] * len(stated.defaults)
        for name, expression, value in zip(names, stated.defaults, values, strict=False):
            self._take(expression, value, f"default of {name}")
        named = getattr(made, "__kwdefaults__", None) or {}
        for argument, given in zip(stated.kwonlyargs, stated.kw_defaults, strict=True):
            if given is not None:
                self._take(given, named.get(argument.arg, _LOST), f"default of {argument.arg}")

    def refuse(self, node: ast.expr | ast.stmt, told: str, local: set[str] | None = None) -> None:
        """Refuse what ran with a value of the session, which may be another one by now."""
        for used in self._constants_of(_eager_reads(node), local or set()):
            raise InvalidInputError(
                f"step {self._step} needs {self._name}, whose {told} was made from the global"
                f" {used} when its statement ran; the step would make it from what {used} is now",
                fix=f"write the value itself there, or give the step a parameter {used}",
            )

    def _take(
        self, node: ast.expr, value: object, told: str, local: set[str] | None = None
    ) -> None:
        if _is_literal(node) or isinstance(node, ast.Lambda):
            return
        is_frozen = _is_spelled(value, _FROZEN)
        if not is_frozen and value is not _LOST and self._looked_up(node) is value:
            return  # the same object under this name: what it holds now is what it holds
        if is_frozen or _is_spelled(value, (*_FROZEN, *_MUTABLE)):
            text = _spelled(value)
            if text is not None:
                self.edits.append((node, text))
                return
        self.refuse(node, told, local)

    def _looked_up(self, node: ast.expr) -> object:
        """Return what a name or a dotted name is now, without calling anything."""
        if isinstance(node, ast.Name):
            return self._session.get(node.id, None)
        if isinstance(node, ast.Attribute):
            return inspect.getattr_static(self._looked_up(node.value), node.attr, None)
        return None

    def _is_step(self, node: ast.expr) -> bool:
        """Whether it is a declaration of ours: what it is told is asked of the live step."""
        found = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        value = self._session.get(root.id) if isinstance(root, ast.Name) else None
        place = getattr(value, "__module__", None) or getattr(value, "__name__", "")
        return found == "step" and str(place).partition(".")[0] == "tidemill"

    def _constants_of(self, names: Iterator[str], local: set[str]) -> Iterator[str]:
        """Yield the values of the session among names, and those that its functions there read."""
        met, waiting = set(local), list(names)
        while waiting:
            name = waiting.pop(0)
            if name in met or name not in self._session:
                continue
            met.add(name)
            value = self._session[name]
            if self._is_constant(value):
                yield name
            if isinstance(function := _function_of(value), FunctionType):
                is_own = function.__module__ == "__main__"
                waiting += global_names(function.__code__) if is_own else ()


def _attribute(made: type, name: str) -> object:
    """Return what a class statement bound: a member's value of an Enum, a default of a Struct."""
    value = vars(made).get(name, _LOST)
    if isinstance(value, made):
        return getattr(value, "value", value)
    fields: tuple[str, ...] = getattr(made, "__struct_fields__", ())
    defaults: tuple[object, ...] = getattr(made, "__struct_defaults__", ())
    return dict(zip(fields[len(fields) - len(defaults) :], defaults, strict=False)).get(name, value)


def _function_of(value: object) -> object:
    inner: Any = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
    return inspect.unwrap(inner) if callable(inner) else inner


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError):
        return False
    return True


def _is_spelled(value: object, containers: tuple[type, ...]) -> bool:
    if type(value) is dict and dict in containers:
        return all(_is_spelled(part, containers) for pair in value.items() for part in pair)
    if type(value) in containers:
        return all(_is_spelled(part, containers) for part in value)  # type: ignore[attr-defined]
    return type(value) in _SPELLED


def _spelled(value: object) -> str | None:
    """Return an expression of a value that names nothing of the session; None: it has none."""
    if type(value) in _LITERAL:
        return repr(value)
    try:
        data = Speller("a default").spell(value)
    except InvalidInputError:
        return None
    if len(canonical_json(data)) > LARGEST_CARRIED_BYTES:
        return None
    text = repr(value)
    try:
        if Speller("a default").spell(ast.literal_eval(text)) == data:
            return text
    except (ValueError, SyntaxError):
        pass
    return f"{_READ}({data!r})"


def _eager_reads(node: ast.expr | ast.stmt) -> Iterator[str]:
    """Yield the global names that are read when a statement runs, not when a lambda of it does."""
    if isinstance(node, ast.expr):
        code = compile(ast.Expression(node), "<session>", "eval", dont_inherit=True)
    else:
        code = compile(ast.Module([node], []), "<session>", "exec", dont_inherit=True)
    waiting = [code]
    while waiting:
        one = waiting.pop()
        waiting += [
            part
            for part in one.co_consts
            if isinstance(part, CodeType) and part.co_name.startswith("<") and part.co_name != _LATE
        ]
        for instruction in dis.get_instructions(one):
            if instruction.opname in {"LOAD_NAME", "LOAD_GLOBAL"}:
                yield str(instruction.argval)


def _edited(text: str, edits: list[tuple[ast.expr, str]]) -> str:
    """Return a text with expressions replaced, and as many lines as before."""
    lines = text.encode().split(b"\n")
    for node, new in sorted(edits, key=lambda edit: (edit[0].lineno, edit[0].col_offset))[::-1]:
        first, last = node.lineno - 1, (node.end_lineno or node.lineno) - 1
        before, after = lines[first][: node.col_offset], lines[last][node.end_col_offset :]
        more = "\n" * (last - first)
        written = f"({new}{more})" if more else new
        lines[first : last + 1] = (before + written.encode() + after).split(b"\n")
    return b"\n".join(lines).decode()
