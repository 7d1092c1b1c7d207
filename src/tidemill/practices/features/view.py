"""What every view is: a name, a definition, and a function from rows to rows."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from typing import TYPE_CHECKING, Protocol

from tidemill.core.digest import Digest, digest_of_value

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    ViewFunction = Callable[[pl.LazyFrame], pl.LazyFrame]


class Definition(Protocol):
    """What is asked of the values that define a view, whatever computes its features."""

    @property
    def name(self) -> str:
        """The view's name."""
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features, in their order."""
        ...

    @property
    def asked(self) -> tuple[str, ...]:
        """The columns that rows which ask must have, their own time aside."""
        ...


class View:
    """A declared view. Calling it calls the function, so that it can be tested as one."""

    def __init__(self, spec: Definition, function: ViewFunction) -> None:
        functools.update_wrapper(self, function)
        self.spec, self.function = spec, function
        self.name, self.feature_names, self.asked = spec.name, spec.feature_names, spec.asked

    def __call__(self, rows: pl.LazyFrame) -> pl.LazyFrame:
        """Return what the function makes of rows."""
        return self.function(rows)

    @functools.cached_property
    def digest(self) -> Digest:
        """The identity of the definition: its values and its function's code, not its place."""
        return digest_of_value({"spec": self.spec, "code": _normal_code(self.function)})


def _normal_code(function: ViewFunction) -> str:
    """Return the function's text without its decorators, comments and docstring."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    definition = tree.body[0]
    if isinstance(definition, ast.FunctionDef):
        definition.decorator_list = []
        if ast.get_docstring(definition) is not None:
            definition.body = definition.body[1:] or [ast.Pass()]
    return ast.unparse(tree)
