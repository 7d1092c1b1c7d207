"""Mutants: the modules of a project with one thing changed, each constant and operator in turn."""

import ast
from collections.abc import Iterator

_SWAPPED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.FloorDiv: ast.Mult, ast.Lt: ast.GtE, ast.Gt: ast.LtE, ast.LtE: ast.Gt,
    ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip


def mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield a name and the source of every mutant: constants, operators, returns, statements."""
    places = sum(1 for _ in _changes(ast.parse(source)))
    for place in range(places):
        tree = ast.parse(source)
        for at, (name, change) in enumerate(_changes(tree)):
            if at == place:
                change()
                ast.fix_missing_locations(tree)
                yield name, ast.unparse(tree)
                break


def _changes(tree: ast.Module):
    for node in ast.walk(tree):
        yield from _of_node(node)
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                for at, statement in enumerate(block):
                    yield (
                        f"without {ast.unparse(statement)[:50]!r}",
                        lambda block=block, at=at: block.__setitem__(at, ast.Pass()),
                    )


def _of_node(node: ast.AST):
    line = getattr(node, "lineno", 0)
    if isinstance(node, ast.Constant) and not isinstance(node.value, bytes | type(None)):
        changed = _other(node.value)
        yield (
            f"{line}: {node.value!r:.30} is {changed!r:.30}",
            lambda: setattr(node, "value", changed),
        )
    elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in _SWAPPED:
        new = _SWAPPED[type(node.op)]()
        yield f"{line}: {type(new).__name__}", lambda: setattr(node, "op", new)
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPPED:
        new = _SWAPPED[type(node.ops[0])]()
        yield f"{line}: {type(new).__name__}", lambda: node.ops.__setitem__(0, new)
    elif isinstance(node, ast.Return) and node.value is not None:
        yield f"{line}: return None", lambda: setattr(node, "value", ast.Constant(None))


def _other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return f"{value}x" if isinstance(value, str) else value
