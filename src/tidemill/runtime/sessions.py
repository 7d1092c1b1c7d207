"""Sessions: modules made from the statements of a notebook or script, in a worker process."""

from __future__ import annotations

import linecache
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.ports.executor import SourcePiece

_MAIN = "__main__"


class Sessions:
    """Modules by their source; the one that was asked for last is `__main__` of this process."""

    def __init__(self) -> None:
        self._known: dict[tuple[SourcePiece, ...], ModuleType] = {}
        self.labels: set[str] = set()

    def module(self, pieces: Sequence[SourcePiece]) -> ModuleType:
        """Return the module that statements define, executed once; it is `__main__` from now on."""
        key = tuple(pieces)
        module = self._known.get(key)
        if module is None:
            module = ModuleType(_MAIN)
            before = sys.modules.get(_MAIN)
            sys.modules[_MAIN] = module
            try:
                self._execute(module, key)
            except BaseException:  # the user's code may raise or exit: what was there comes back
                if before is not None:
                    sys.modules[_MAIN] = before
                raise
            self._known[key] = module
        sys.modules[_MAIN] = module
        return module

    def forget(self) -> None:
        """Let every module be executed anew: a step has changed one of them."""
        self._known.clear()

    def _execute(self, module: ModuleType, pieces: Sequence[SourcePiece]) -> None:
        for piece in pieces:
            self.labels.add(piece.label)
            self._remember_lines(piece)
            text = "\n" * (piece.line - 1) + piece.text
            exec(compile(text, piece.label, "exec", dont_inherit=True), vars(module))  # noqa: S102 - the user's own step

    @staticmethod
    def _remember_lines(piece: SourcePiece) -> None:
        """Let tracebacks show the lines: those of all pieces of one cell together."""
        known = linecache.cache.get(piece.label)
        lines = list(known[2]) if known is not None and len(known) == 4 else []
        own = piece.text.splitlines(keepends=True)
        lines += ["\n"] * (piece.line - 1 + len(own) - len(lines))
        lines[piece.line - 1 : piece.line - 1 + len(own)] = own
        linecache.cache[piece.label] = (len("".join(lines)), None, lines, piece.label)
