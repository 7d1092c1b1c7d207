"""What steps of a session may not depend on is refused when they are planned."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import dataclasses, enum, functools
import tidemill as tm

G = 3

class Base:
    z = 1
    def f(self): return self.z

class A(Base):
    y = (1, 2)
    def g(self): return self.f()

@dataclasses.dataclass
class Point:
    x: int = 0
    y: list = dataclasses.field(default_factory=list)
    @property
    def far(self): return self.x > 10

class Colour(enum.Enum):
    RED = 1

class Shop:
    total = 3 * 4
    names = [name for name in ("a", "b")]
    if total > 3:
        kind = "large"
    else:
        kind = "small"
    @staticmethod
    def price(): return 2
    def __init__(self): self.own = 1

def adder(n):
    def add(m):
        return n + m
    return add

def plain(function):
    @functools.wraps(function)
    def inner(*args): return function(*args)
    return inner

@plain
def wrapped(n): return n

add = adder(2)
"""
RUN = """
@tm.step
def work() -> int:
    return BODY

@tm.pipeline
def flow():
    work()

if __name__ == "__main__":
    print([line.state for line in tm.run_pipeline("flow").steps])
"""


def ran(folder, body: str, before: str = "") -> str:
    source = SCRIPT + before + RUN.replace("BODY", body)
    (folder / "script.py").write_text(source)
    ended = subprocess.run(
        [sys.executable, "script.py"], cwd=folder, capture_output=True, text=True, check=False,
        timeout=100, env={**os.environ, "TIDEMILL_ACTOR": "ada"},
    )  # fmt: skip
    return ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("body", "before", "named"),
    [
        ("A().f()", "A.z = 77", "A, whose z was set after"),
        ("A().f()", "Base.z = 77", "Base, whose z was set after"),
        ("A().y[0]", "A.y = (2, 2)", "A, whose y was set after"),
        ("A().g()", "def other(self): return 9\nA.g = other", "A, whose g was set after"),
        ("add(1)", "", "add, which was made inside adder()"),
        ("globals()['G']", "", "step work calls globals()"),
        ("eval('G')", "", "step work calls eval()"),
        ("over()", "def over(): return eval('G')", "needs over, which calls eval()"),
    ],
)
def test_what_would_be_stale_or_lost_is_refused_with_a_parameter_as_the_fix(
    tmp_path, body: str, before: str, named: str
) -> None:
    told = ran(tmp_path, body, before)
    assert named in told
    assert "give the step a parameter" in told


def test_ordinary_classes_and_wrapped_functions_go_through(tmp_path) -> None:
    body = "int(A().g() + Point(3).far + Colour.RED.value + Shop().price() + wrapped(1) + G)"
    assert "['done']" in ran(tmp_path, body)
