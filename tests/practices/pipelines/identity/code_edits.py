"""Edits of small projects, and whether a step must run again after each of them.

A case: the files of a project whose step is `flow.step(x)`, an edit (file, old text, new text), and
what must happen. Cases called `run` change what the step returns, which the tests check.
"""

from textwrap import dedent
from typing import NamedTuple


class Edit(NamedTuple):
    """One edit."""

    name: str
    must: str
    """`run` or `reuse`."""
    files: dict[str, str]
    edit: tuple[str, str, str]


def case(name: str, must: str, edit: tuple[str, str, str], flow: str, **others: str) -> Edit:
    """Return a case; `others` are files by name with `__` for a slash."""
    files = {"flow.py": dedent(flow)}
    for key, text in others.items():
        path = key.replace("__py", ".py").replace("_in_", "/").replace("INIT", "__init__")
        files[path] = dedent(text)
    return Edit(name, must, files, edit)


HELPERS = "def a(x):\n    return x + 1\n\ndef b(x):\n    return x + 100\n\nK = 3\nL = 4\n"


def of_helpers(name: str, flow: str, must: str = "run", old: str = "x + 1\n", new: str = "x + 2\n"):
    """Return a case in which `helpers.py` is edited."""
    return case(name, must, ("helpers.py", old, new), flow, helpers__py=HELPERS)


EDITS: list[Edit] = [
    # What was missed by walking the globals of running functions
    case(
        "registry filled by a decorator",
        "run",
        ("flow.py", "x + 1", "x + 2"),
        """
        REG = {}
        def reg(name):
            def put(f):
                REG[name] = f
                return f
            return put
        @reg("a")
        def _a(x):
            return x + 1
        def step(x):
            return REG["a"](x)
    """,
    ),
    case(
        "registry filled by another module",
        "run",
        ("plug.py", "x + 1", "x + 2"),
        """
        import plug
        from registry import REG
        def step(x):
            return REG["a"](x)
    """,
        registry__py="REG = {}\n",
        plug__py="""
        from registry import REG
        def _a(x):
            return x + 1
        REG["a"] = _a
    """,
    ),
    case(
        "registry filled by __init_subclass__",
        "run",
        ("flow.py", "x + 1", "x + 2"),
        """
        REG = {}
        class Base:
            def __init_subclass__(cls, **kw):
                REG[cls.__name__] = cls
        class A(Base):
            def go(self, x):
                return x + 1
        def step(x):
            return REG["A"]().go(x)
    """,
    ),
    case(
        "registry filled by a call whose result is kept",
        "run",
        ("flow.py", "x + 1", "x + 2"),
        """
        REG = {}
        def add(name, f):
            REG[name] = f
            return f
        def _a(x):
            return x + 1
        a = add("a", _a)
        def step(x):
            return REG["a"](x)
    """,
    ),
    case(
        "property that reads a constant",
        "run",
        ("flow.py", "K = 3", "K = 4"),
        """
        K = 3
        class C:
            @property
            def k(self):
                return K
        def step(x):
            return x * C().k
    """,
    ),
    case(
        "classmethod that reads a constant",
        "run",
        ("flow.py", "K = 3", "K = 4"),
        """
        K = 3
        class C:
            @classmethod
            def k(cls):
                return K
        def step(x):
            return x * C.k()
    """,
    ),
    case(
        "class attribute computed from a constant",
        "run",
        ("flow.py", "K = 3", "K = 4"),
        """
        K = 3
        class C:
            k = K * 2
        def step(x):
            return x * C.k
    """,
    ),
    case(
        "class attribute read on an instance",
        "run",
        ("flow.py", "K = 3", "K = 4"),
        """
        K = 3
        class C:
            k = K * 2
        ONE = C()
        def step(x):
            return x * ONE.k
    """,
    ),
    case(
        "metaclass",
        "run",
        ("flow.py", "return 5", "return 6"),
        """
        class M(type):
            @property
            def k(cls):
                return 5
        class C(metaclass=M):
            pass
        def step(x):
            return x * C.k
    """,
    ),
    case(
        "class decorated by the project",
        "run",
        ("flow.py", "k = 5", "k = 6"),
        """
        def deco(cls):
            cls.k = 5
            return cls
        @deco
        class C:
            pass
        def step(x):
            return x * C.k
    """,
    ),
    case(
        "own decorator on the step",
        "run",
        ("flow.py", "+ 1", "+ 2"),
        """
        import functools
        def deco(f):
            @functools.wraps(f)
            def inner(x):
                return f(x) + 1
            return inner
        @deco
        def step(x):
            return x
    """,
    ),
    case(
        "own decorator on a helper",
        "run",
        ("flow.py", "+ 1", "+ 2"),
        """
        import functools
        def deco(f):
            @functools.wraps(f)
            def inner(x):
                return f(x) + 1
            return inner
        @deco
        def aid(x):
            return x
        def step(x):
            return aid(x)
    """,
    ),
    of_helpers(
        "import of a name inside the function",
        """
        def step(x):
            from helpers import a
            return a(x)
    """,
    ),
    case(
        "import inside, and the helper's helper elsewhere",
        "run",
        ("deep.py", "x + 1", "x + 2"),
        """
        def step(x):
            from helpers import a
            return a(x)
    """,
        helpers__py="from deep import d\ndef a(x):\n    return d(x)\n",
        deep__py="def d(x):\n    return x + 1\n",
    ),
    of_helpers(
        "import inside, and an unrelated function",
        """
        def step(x):
            from helpers import a
            return a(x)
    """,
        "reuse",
        "x + 100",
        "x + 200",
    ),
    of_helpers(
        "import_module of a text",
        """
        from importlib import import_module
        def step(x):
            return import_module("helpers").a(x)
    """,
    ),
    of_helpers(
        "eval of a text",
        """
        import helpers
        def step(x):
            return eval("helpers.a(x)")
    """,
    ),
    case(
        "function of the standard library replaced",
        "run",
        ("patch.py", "return '1'", "return '2'"),
        """
        import json
        import patch
        def step(x):
            return json.dumps(x)
    """,
        patch__py="""
        import json
        def mine(x):
            return '1'
        json.dumps = mine
    """,
    ),
    case(
        "environment changed at import",
        "run",
        ("settings.py", '"1"', '"2"'),
        """
        import os
        import settings
        def step(x):
            return os.environ["MILL_TEST_ONE"]
    """,
        settings__py='import os\nos.environ["MILL_TEST_ONE"] = "1"\n',
    ),
    case(
        "regex at module level",
        "run",
        ("flow.py", '"a+"', '"a"'),
        """
        import re
        PATTERN = re.compile("a+")
        def step(x):
            return PATTERN.sub("b", "aaa") * x
    """,
    ),
    case(
        "dataclass",
        "run",
        ("flow.py", "k: int = 3", "k: int = 4"),
        """
        from dataclasses import dataclass
        @dataclass
        class P:
            k: int = 3
        def step(x):
            return x * P().k
    """,
    ),
    case(
        "annotation of a local",
        "reuse",
        ("flow.py", "y: int", "y: float"),
        """
        def step(x):
            y: int = x + 1
            return y
    """,
    ),
    # What was passed
    of_helpers(
        "getattr with a constant",
        """
        import helpers
        def step(x):
            return getattr(helpers, "a")(x)
    """,
    ),
    of_helpers(
        "getattr with a variable",
        """
        import helpers
        def step(x, name="a"):
            return getattr(helpers, name)(x)
    """,
    ),
    of_helpers(
        "import of a module inside",
        """
        def step(x):
            import helpers
            return helpers.a(x)
    """,
    ),
    case(
        "inherited method",
        "run",
        ("flow.py", "x + 1", "x + 2"),
        """
        class A:
            def go(self, x):
                return x + 1
        class B(A):
            pass
        def step(x):
            return B().go(x)
    """,
    ),
    case(
        "enum",
        "run",
        ("flow.py", "ONE = 1", "ONE = 2"),
        """
        from enum import Enum
        class E(Enum):
            ONE = 1
        def step(x):
            return x + E.ONE.value
    """,
    ),
    case(
        "default argument from a constant",
        "run",
        ("flow.py", "K = 3", "K = 4"),
        """
        K = 3
        def step(x, k=K):
            return x * k
    """,
    ),
    case(
        "partial",
        "run",
        ("flow.py", "x + k", "x - k"),
        """
        import functools
        def add(k, x):
            return x + k
        add3 = functools.partial(add, 3)
        def step(x):
            return add3(x)
    """,
    ),
    case(
        "argument of a partial",
        "run",
        ("flow.py", "add, 3", "add, 4"),
        """
        import functools
        def add(k, x):
            return x + k
        add3 = functools.partial(add, 3)
        def step(x):
            return add3(x)
    """,
    ),
    case(
        "two lambdas on one line",
        "run",
        ("flow.py", "x + 2", "x + 3"),
        """
        F, G = (lambda x: x + 1), (lambda x: x + 2)
        def step(x):
            return F(x) * G(x)
    """,
    ),
    case(
        "state of an instance of a project class",
        "run",
        ("flow.py", "C(3)", "C(4)"),
        """
        class C:
            def __init__(self, k):
                self.k = k
        ONE = C(3)
        def step(x):
            return x * ONE.k
    """,
    ),
    case(
        "method of an instance of a project class",
        "run",
        ("flow.py", "self.k + 1", "self.k + 2"),
        """
        class C:
            def __init__(self, k):
                self.k = k
            def more(self):
                return self.k + 1
        ONE = C(3)
        def step(x):
            return x * ONE.more()
    """,
    ),
    case(
        "import in try",
        "run",
        ("fallback.py", "return 1", "return 2"),
        """
        try:
            from not_there import one
        except ImportError:
            from fallback import one
        def step(x):
            return x + one()
    """,
        fallback__py="def one():\n    return 1\n",
    ),
    of_helpers(
        "import star",
        """
        from helpers import *
        def step(x):
            return a(x)
    """,
    ),
    of_helpers(
        "import star, unrelated",
        """
        from helpers import *
        def step(x):
            return a(x)
    """,
        "reuse",
        "x + 100",
        "x + 200",
    ),
    case(
        "relative import",
        "run",
        ("pkg/inner.py", "x + 1", "x + 2"),
        """
        from pkg.outer import go
        def step(x):
            return go(x)
    """,
        pkg_in_INIT__py="",
        pkg_in_outer__py="from .inner import a\ndef go(x):\n    return a(x)\n",
        pkg_in_inner__py="def a(x):\n    return x + 1\n",
    ),
    case(
        "dotted import",
        "run",
        ("pkg/sub/leaf.py", "x + 1", "x + 2"),
        """
        import pkg.sub.leaf
        def step(x):
            return pkg.sub.leaf.f(x)
    """,
        pkg_in_INIT__py="",
        pkg_in_sub_in_INIT__py="",
        pkg_in_sub_in_leaf__py="def f(x):\n    return x + 1\n",
    ),
    case(
        "re-export in __init__",
        "run",
        ("pkg/inner.py", "x + 1", "x + 2"),
        """
        from pkg import a
        def step(x):
            return a(x)
    """,
        pkg_in_INIT__py="from pkg.inner import a\n",
        pkg_in_inner__py="def a(x):\n    return x + 1\n",
    ),
    of_helpers(
        "alias",
        """
        import helpers
        g = helpers.a
        def step(x):
            return g(x)
    """,
    ),
    case(
        "__getattr__ of a module",
        "run",
        ("lazy.py", "return 1", "return 2"),
        """
        import lazy
        def step(x):
            return x + lazy.anything
    """,
        lazy__py="def __getattr__(name):\n    if name == 'anything':\n        return 1\n",
    ),
    case(
        "function patched by another module",
        "run",
        ("patch.py", "x + 50", "x + 60"),
        """
        import helpers
        import patch
        def step(x):
            return helpers.a(x)
    """,
        helpers__py=HELPERS,
        patch__py="import helpers\ndef other(x):\n    return x + 50\nhelpers.a = other\n",
    ),
    case(
        "method patched by another module",
        "run",
        ("patch.py", "x + 50", "x + 60"),
        """
        import thing
        import patch
        def step(x):
            return thing.C().go(x)
    """,
        thing__py="class C:\n    def go(self, x):\n        return x\n",
        patch__py="import thing\ndef other(self, x):\n    return x + 50\nthing.C.go = other\n",
    ),
    case(
        "comprehension",
        "run",
        ("flow.py", "K = 3", "K = 4"),
        """
        K = 3
        def step(x):
            return [i * K for i in range(x)]
    """,
    ),
    case(
        "nested function",
        "run",
        ("flow.py", "K = 3", "K = 4"),
        """
        K = 3
        def step(x):
            def inner():
                return x * K
            return inner()
    """,
    ),
    case(
        "match",
        "run",
        ("flow.py", "return 10", "return 20"),
        """
        def step(x):
            match x:
                case 0:
                    return 0
                case y:
                    return 10
    """,
    ),
    case(
        "f-string",
        "run",
        ("flow.py", "K = 3", "K = 4"),
        """
        K = 3
        def step(x):
            return f"{x}:{K}"
    """,
    ),
    case(
        "1 MB constant",
        "run",
        ("flow.py", "end", "END"),
        f"""
        BIG = "{"x" * 1_000_000}end"
        def step(x):
            return BIG[-3:] * x
    """,
    ),
    case(
        "list extended by a loop",
        "run",
        ("flow.py", "range(3)", "range(4)"),
        """
        L = []
        for i in range(3):
            L.append(i)
        def step(x):
            return x + len(L)
    """,
    ),
    case(
        "value computed at import",
        "run",
        ("flow.py", "return 3", "return 4"),
        """
        def compute():
            return 3
        K = compute()
        def step(x):
            return x * K
    """,
    ),
    case(
        "circular import",
        "run",
        ("other.py", "x + 1", "x + 2"),
        """
        import other
        K = 1
        def step(x):
            return other.a(x)
    """,
        other__py="import flow\ndef a(x):\n    return x + 1 + flow.K\n",
    ),
    case(
        "mutual recursion",
        "run",
        ("flow.py", "return 7", "return 8"),
        """
        def even(x):
            return 7 if x == 0 else odd(x - 1)
        def odd(x):
            return 9 if x == 0 else even(x - 1)
        def step(x):
            return even(x * 2)
    """.replace("return 7 if", "if x == 0:\n                return 7\n            return 7 if"),
    ),
    case(
        "argument of a decorator",
        "run",
        ("flow.py", "@times(3)", "@times(4)"),
        """
        def times(k):
            def deco(f):
                return lambda x: f(x) * k
            return deco
        @times(3)
        def a(x):
            return x
        def step(x):
            return a(x)
    """,
    ),
    case(
        "parameter renamed",
        "run",
        ("flow.py", "def a(k=1):\n    return k", "def a(n=1):\n    return n"),
        """
        def a(k=1):
            return k
        def step(x):
            try:
                return a(k=x)
            except TypeError:
                return "no"
    """,
    ),
    case(
        "text of an assert",
        "run",
        ("flow.py", '"one"', '"two"'),
        """
        def step(x):
            try:
                assert x > 100, "one"
            except AssertionError as error:
                return str(error)
    """,
    ),
    # What must not count
    case(
        "annotations",
        "reuse",
        ("flow.py", "def step(x)", "def step(x: int) -> int"),
        "def step(x):\n    return x\n",
    ),
    case(
        "blank lines",
        "reuse",
        ("flow.py", "    y = x\n", "\n\n    y = x\n\n"),
        "def step(x):\n    y = x\n    return y\n",
    ),
    case(
        "quotes and underscores",
        "reuse",
        ("flow.py", "'a' * 1000", '"a" * 1_000'),
        "def step(x):\n    return 'a' * 1000\n",
    ),
    case(
        "order of functions",
        "reuse",
        (
            "flow.py",
            "def a(x):\n    return x\n\ndef b(x):\n    return x * 2\n",
            "def b(x):\n    return x * 2\n\ndef a(x):\n    return x\n",
        ),
        "def a(x):\n    return x\n\ndef b(x):\n    return x * 2\n\n"
        "def step(x):\n    return a(x) + b(x)\n",
    ),
    case(
        "docstring of a class",
        "reuse",
        ("flow.py", "class C:\n", 'class C:\n    """It."""\n'),
        """
        class C:
            k = 1
        def step(x):
            return x + C.k
    """,
    ),
    case(
        "lock at module level",
        "reuse",
        ("flow.py", "Lock()", "RLock()"),
        """
        import threading
        LOCK = threading.Lock()
        def step(x):
            return x
    """,
    ),
    case(
        "constant spelled as a sum",
        "reuse",
        ("flow.py", "N = 2", "N = 1 + 1"),
        "N = 2\ndef step(x):\n    return x * N\n",
    ),
    case(
        "import for type checkers",
        "reuse",
        ("flow.py", "import json", "import csv"),
        """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import json
        def step(x):
            return x
    """,
    ),
    case(
        "another step in the file",
        "reuse",
        ("flow.py", "x + 2", "x + 3"),
        """
        def other(x):
            return x + 2
        def step(x):
            return x + 1
    """,
    ),
    case(
        "unrelated class beside a logger",
        "reuse",
        ("flow.py", "k = 1", "k = 2"),
        """
        import logging
        log = logging.getLogger(__name__)
        class C:
            k = 1
        def step(x):
            log.debug("x %s", x)
            return x
    """,
    ),
    case(
        "unrelated registry in an imported module",
        "reuse",
        ("helpers.py", "x + 7", "x + 8"),
        """
        import helpers
        def step(x):
            return helpers.a(x)
    """,
        helpers__py=HELPERS
        + "REG = {}\ndef reg(f):\n    REG[f.__name__] = f\n    return f\n"
        + "\n@reg\ndef c(x):\n    return x + 7\n",
    ),
    case(
        "unrelated module with effects of its own",
        "reuse",
        ("noise.py", "append(1)", "append(2)"),
        """
        import noise
        def step(x):
            return x
    """,
        noise__py="SEEN = []\nSEEN.append(1)\n",
    ),
]

FURTHER: list[Edit] = [
    case(
        "order of two appends",
        "run",
        ("flow.py", "L.append(1)\nL.append(2)", "L.append(2)\nL.append(1)"),
        """
        L = []
        L.append(1)
        L.append(2)
        def step(x):
            return L[0] * x
    """,
    ),
    case(
        "list changed under another name",
        "run",
        ("flow.py", "M.append(1)", "M.append(2)"),
        """
        L = []
        M = L
        M.append(1)
        def step(x):
            return L[0] * x
    """,
    ),
    case(
        "global bound by a function",
        "run",
        ("flow.py", "N = 5", "N = 6"),
        """
        N = 1
        def bump():
            global N
            N = 5
        bump()
        def step(x):
            return x * N
    """,
    ),
    case(
        "constant of another module overwritten",
        "run",
        ("patch.py", "7", "8"),
        """
        import helpers
        import patch
        def step(x):
            return x * helpers.K
    """,
        helpers__py=HELPERS,
        patch__py="import helpers\nhelpers.K = 7\n",
    ),
    case(
        "docstring that is read",
        "run",
        ("flow.py", "one", "two"),
        '''
        def a():
            """one"""
        def step(x):
            return a.__doc__ * x
    ''',
    ),
    case(
        "annotation that is read",
        "run",
        ("flow.py", "k: int", "k: float"),
        """
        import typing
        def a(k: int):
            return k
        def step(x):
            return typing.get_type_hints(a)["k"].__name__
    """,
    ),
    case(
        "singledispatch",
        "run",
        ("flow.py", "def _(x: int)", "def _(x: str)"),
        """
        import functools
        @functools.singledispatch
        def kind(x):
            return "any"
        @kind.register
        def _(x: int):
            return "int"
        def step(x):
            return kind(x)
    """,
    ),
    case(
        "local that a query names",
        "run",
        ("flow.py", "a, b = 1, 2", "b, a = 1, 2"),
        """
        class Frame:
            def query(self, text):
                import sys
                return sys._getframe(1).f_locals[text[1:]]
        def step(x):
            a, b = 1, 2
            return Frame().query("@a")
    """,
    ),
    case(
        "global that a query names",
        "run",
        ("flow.py", "LIMIT = 1", "LIMIT = 2"),
        """
        LIMIT = 1
        class Frame:
            def query(self, text):
                import sys
                return sys._getframe(1).f_globals[text[1:]]
        def step(x):
            return Frame().query("@LIMIT")
    """,
    ),
    case(
        "comprehension over a name of its own",
        "run",
        ("flow.py", "[a for a in a]", "[b for b in b]"),
        """
        a = [1]
        b = [2]
        def step(x):
            return [a for a in a]
    """,
    ),
    case(
        "subclass found by __subclasses__",
        "run",
        ("flow.py", "return 3", "return 4"),
        """
        class Base:
            pass
        class One(Base):
            def go(self):
                return 3
        def step(x):
            return Base.__subclasses__()[-1]().go()
    """,
    ),
    case(
        "local renamed",
        "reuse",
        ("flow.py", "y = x\n    return y", "z = x\n    return z"),
        "def step(x):\n    y = x\n    return y\n",
    ),
    case(
        "comment",
        "reuse",
        ("flow.py", "return x", "return x  # it"),
        "def step(x):\n    return x\n",
    ),
    case(
        "docstring",
        "reuse",
        ("flow.py", "def step(x):\n", 'def step(x):\n    """It."""\n'),
        "def step(x):\n    return x\n",
    ),
    case(
        "import reordered",
        "reuse",
        ("flow.py", "import json\nimport csv", "import csv\nimport json"),
        """
        import json
        import csv
        def step(x):
            return json.loads(str(x)) + len(csv.list_dialects())
    """,
    ),
    case(
        "other name of an outer module",
        "run",
        ("flow.py", "import sin as f", "import cos as f"),
        """
        from math import sin as f
        def step(x):
            return f(x)
    """,
    ),
    case(
        "pipeline's main block",
        "reuse",
        ("flow.py", "step(4)", "step(5)"),
        """
        def step(x):
            return x
        if __name__ == "__main__":
            step(4)
    """,
    ),
    case(
        "base class in another module",
        "run",
        ("base.py", "x + 1", "x + 2"),
        """
        from base import Base
        class C(Base):
            pass
        def step(x):
            return C().go(x)
    """,
        base__py="class Base:\n    def go(self, x):\n        return x + 1\n",
    ),
    case(
        "setattr at import",
        "run",
        ("patch.py", "x + 50", "x + 60"),
        """
        import helpers
        import patch
        def step(x):
            return helpers.a(x)
    """,
        helpers__py=HELPERS,
        patch__py="import helpers\nsetattr(helpers, 'a', lambda x: x + 50)\n",
    ),
    case(
        "module in sys.modules replaced",
        "run",
        ("patch.py", "x + 50", "x + 60"),
        """
        import patch
        import helpers
        def step(x):
            return helpers.a(x)
    """,
        helpers__py=HELPERS,
        patch__py="""
        import sys
        class Other:
            @staticmethod
            def a(x):
                return x + 50
        sys.modules["helpers"] = Other
    """,
    ),
    case(
        "order of imports of plug-ins",
        "run",
        ("flow.py", "import one\nimport two", "import two\nimport one"),
        """
        from registry import REG
        import one
        import two
        def step(x):
            return REG[0] * x
    """,
        registry__py="REG = []\n",
        one__py="from registry import REG\nREG.append(1)\n",
        two__py="from registry import REG\nREG.append(2)\n",
    ),
    case(
        "folder put on the path",
        "run",
        ("lib/late.py", "x + 1", "x + 2"),
        """
        import os, sys
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
        import late
        def step(x):
            return late.a(x)
    """,
        lib_in_late__py="def a(x):\n    return x + 1\n",
    ),
    case(
        "class in a dict",
        "run",
        ("flow.py", "x + 1", "x + 2"),
        """
        class A:
            def go(self, x):
                return x + 1
        KINDS = {"a": A}
        def step(x):
            return KINDS["a"]().go(x)
    """,
    ),
    case(
        "walrus", "run", ("flow.py", "y := x", "y := -x"), "def step(x):\n    return (y := x) + y\n"
    ),
    case(
        "condition at module level",
        "run",
        ("flow.py", "FLAG = True", "FLAG = False"),
        """
        FLAG = True
        if FLAG:
            def a(x):
                return x
        else:
            def a(x):
                return -x
        def step(x):
            return a(x)
    """,
    ),
]
