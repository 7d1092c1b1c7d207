"""Loaded: what this process has put in place of what files say, for steps that run within it.

A worker imports files as they are. Where steps run in this process, a constant that was set anew or
a function that was replaced at run time is what they see.
"""

from __future__ import annotations

import sys
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING

from blake3 import blake3

from tidemill.kernels.python_literals import NotPlainError, spelled
from tidemill.practices.pipelines.identity.slices import constant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidemill.practices.pipelines.identity.project_modules import Apart, ProjectModules


def replaced_parts(modules: ProjectModules, parts: Iterable[str]) -> dict[str, str]:
    """Return a digest for each part (`module:name`) that is loaded as something else."""
    found = {}
    for part in parts:
        module_name, _, name = part.partition(":")
        module, apart = sys.modules.get(module_name), modules.apart(module_name)
        if isinstance(module, ModuleType) and apart is not None and name in apart.binders:
            told = _replaced(apart, name, vars(module).get(name))
            if told:
                found[f"{part} as loaded"] = blake3(told.encode("utf-8", "replace")).hexdigest()[
                    :32
                ]
    return found


def _replaced(apart: Apart, name: str, value: object) -> str:
    """Return what stands in place of what a module's file binds to a name; "": nothing does."""
    stated = constant(apart, name)
    if stated is not None:
        try:
            now = spelled(value)
        except NotPlainError:
            return f"{type(value)} {id(value)}"
        return "" if now == stated else now
    binders = [apart.statements[place] for place in apart.binders[name]]
    if len(binders) != 1 or binders[0].kind != "def" or binders[0].calls:
        return ""
    if not isinstance(value, FunctionType):
        return f"{type(value)} {id(value)}"
    if (value.__module__, value.__qualname__) == (apart.name, name):
        return ""
    return f"{value.__module__}:{value.__qualname__} {_code_text(value.__code__)}"


def _code_text(code: CodeType) -> str:
    """Return what a function does, equal within one Python."""
    constants = [
        _code_text(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"
