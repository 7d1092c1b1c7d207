"""Steps of a session see defaults and class attributes as they were when the definition ran."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import dataclasses, datetime, enum, functools
import msgspec
import polars as pl
import tidemill as tm

N, M, DAY, LIST, TABLE = 5, (1.5, float("inf")), datetime.date(2020, 1, 2), [7], {"a": 1}

def positional(x, n=N, *, m=M, day=DAY): return f"{x + n} {m} {day}"
def mutated(x, n=LIST[0], kept=LIST): return f"{x + n} {kept}"
def lines(x, n=(
        N
        + 1)): return x + n
later = lambda x, n=N: x + n
def late(x, g=lambda: N, kind=pl.Int64, made=dict()): return f"{g()} {kind} {made}"

class Cfg:
    k = N
    also: int = N + 1
    both = {"n": N}
    def method(self, n=N): return n
    @staticmethod
    def static(n=N): return n
    @property
    def one(self): return self.k
    class Inner:
        deep = N

@dataclasses.dataclass
class Data:
    x: int = N
    y: list = dataclasses.field(default_factory=list)

class Struct(msgspec.Struct):
    first: str
    x: int = N

class Colour(enum.Enum):
    RED = N

def shown() -> str:
    return (
        f"{positional(1)} {mutated(1)} {lines(1)} {later(1)} {late(1)} {Cfg.k} {Cfg.also}"
        f" {Cfg.both} {Cfg().method()} {Cfg.static()} {Cfg().one} {Cfg.Inner.deep} {Data()}"
        f" {Struct('a')} {Colour.RED.value} {Colour.RED}"
    )

@tm.step
def work(times: int = N) -> str:
    return shown() * times

@tm.pipeline
def flow():
    print(tm.load(work(1)) == shown() or (tm.load(work(1)), shown()))

N, M, DAY = 9, 0, None
LIST[0] = 8
if __name__ == "__main__":
    print([line.state for line in tm.run_pipeline("flow").steps])
"""
REFUSED = """
import dataclasses, functools
import polars as pl
import tidemill as tm

N = 5
def given(): return N
def scaled(by):
    def around(function):
        @functools.wraps(function)
        def inner(): return function() * by
        return inner
    return around

BEFORE

@tm.step
def work() -> int:
    return BODY

@tm.pipeline
def flow():
    work()

N = 9
if __name__ == "__main__":
    tm.run_pipeline("flow")
"""


def ran(folder, source: str) -> str:
    (folder / "script.py").write_text(source)
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False,
        timeout=100, env={**os.environ, "TIDEMILL_ACTOR": "ada"},
    )  # fmt: skip
    return ended.stdout + ended.stderr


def test_defaults_and_attributes_have_the_values_of_when_the_definition_ran(tmp_path) -> None:
    assert "True\n['done']\n" in ran(tmp_path, SCRIPT)


@pytest.mark.parametrize(
    ("body", "before", "named"),
    [
        ("f()", "def f(x=pl.Series([N])): return x[0]", "f, whose default of x was made from"),
        ("f()", "def f(*, x=pl.Series([given()])): return x[0]", "the global N"),
        ("f()", "@scaled(N)\ndef f(): return 1", "f, whose decorator was made from the global N"),
        ("A.n", "class A:\n    if N: n = N", "A, whose body was made from the global N"),
        ("A.n", "class A:\n    n = pl.Series([N])", "A, whose attribute n was made from"),
        (
            "A().n",
            "@dataclasses.dataclass\nclass A:\n    n: int = dataclasses.field(default=N)",
            "A, whose attribute n was made from",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused(tmp_path, body: str, before: str, named: str) -> None:
    told = ran(tmp_path, REFUSED.replace("BODY", body).replace("BEFORE", before))
    assert named in told
    assert "give the step a parameter N" in told
