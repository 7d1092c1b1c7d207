"""The step runner inside a worker: one order in, one outcome out."""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tidemill.adapters.local.object_store import LocalObjectStore
from tidemill.core.errors import CorruptError
from tidemill.ports.executor import StepOrder
from tidemill.practices.pipelines import codecs
from tidemill.runtime.observation import Observation
from tidemill.runtime.outside_modules import OutsideModules
from tidemill.runtime.step_runner import StepRunner

STEPS = """
import numpy as np
import polars as pl
from tidemill.practices.pipelines.declare import step
from tidemill.practices.pipelines.figures import figure

@step
def spoils(frame: pl.DataFrame, array: np.ndarray, items: list) -> list:
    column = frame["x"].to_numpy(writable=True)
    column[:] = 0
    array[:] = 0
    items.clear()
    return [float(column.sum()), float(array.sum()), len(items)]

@step
def sees(frame: pl.DataFrame, array: np.ndarray, items: list) -> list:
    return [float(frame["x"].sum()), float(array.sum()), len(items)]

@step
def kind(rows) -> str:
    return type(rows).__name__

@step
def lazy_kind(rows: "pl.LazyFrame") -> str:
    return type(rows).__name__

@step
def many(first, *rest, last=0, **named) -> list:
    return [first, list(rest), last, sorted(named)]

@step
def measures() -> float:
    for number in range(3):
        figure("loss", number / 2, step=number)
    return float(np.random.random())

@step
def large() -> int:
    return len(bytearray(200_000_000))

@step
def declares_a_frame() -> pl.DataFrame:
    return 7

@step
def deep() -> int:
    return inner({})

def inner(given: dict) -> int:
    return given["nothing"]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch):
    (tmp_path / "runner_steps.py").write_text(STEPS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    outside = OutsideModules([tmp_path / "runner_steps.py"], [])
    observation = Observation(tmp_path, [tmp_path / "objects"])
    objects = LocalObjectStore(tmp_path / "objects")
    yield StepRunner(objects, "code", tmp_path, outside, observation), tmp_path
    observation.edges.remove()
    sys.modules.pop("runner_steps", None)


def order(name: str, seed: int = 1, **arguments) -> StepOrder:
    return StepOrder(
        order="1", module="runner_steps", qualname=name, project="p", arguments=arguments,
        outputs=("result",), seed=seed, threads=1, timeout_s=9.0, code="code",
    )  # fmt: skip


def handed(objects, value) -> dict:
    import msgspec

    return {"$value": msgspec.to_builtins(codecs.store(objects, value), builtin_types=(bytes,))}


def result(place, asked: StepOrder):
    runner, folder = place
    outcome = runner.run(asked)
    assert outcome.state == "done", outcome.error
    return codecs.load(LocalObjectStore(folder / "objects"), outcome.values[0])


def test_what_a_step_changes_is_not_changed_for_the_next(place) -> None:
    objects = LocalObjectStore(place[1] / "objects")
    arguments = {
        "frame": handed(objects, pl.DataFrame({"x": [1.0, 2.0]})),
        "array": handed(objects, np.array([3.0, 4.0])),
        "items": handed(objects, [1, 2, 3]),
    }
    assert result(place, order("spoils", **arguments)) == [0.0, 0.0, 0]
    assert result(place, order("sees", **arguments)) == [3.0, 7.0, 3]


def test_the_annotation_decides_which_frame_a_step_gets(place) -> None:
    rows = handed(LocalObjectStore(place[1] / "objects"), pl.DataFrame({"x": [1]}))
    assert result(place, order("kind", rows=rows)) == "DataFrame"
    assert result(place, order("lazy_kind", rows=rows)) == "LazyFrame"


def test_every_kind_of_parameter_arrives(place) -> None:
    arguments = {"first": 1, "rest": {"$tuple": [2, 3]}, "last": 4, "named": {"a": 5, "b": 6}}
    assert result(place, order("many", **arguments)) == [1, [2, 3], 4, ["a", "b"]]


def test_plain_data_from_a_step_that_declares_a_frame_is_that_step_s_fault(place) -> None:
    outcome = place[0].run(order("declares_a_frame"))
    assert outcome.state == "failed"
    assert "declares_a_frame declares DataFrame" in outcome.error
    assert "int: 7" in outcome.error


def test_a_failure_prints_the_way_through_the_user_s_own_code(place, capfd) -> None:
    outcome = place[0].run(order("deep"))
    told = capfd.readouterr().err.splitlines()
    assert [line.split(" in ")[1] for line in told] == [
        "deep: return inner({})", 'inner: return given["nothing"]',
    ]  # fmt: skip
    assert outcome.where in told[-1]


def test_figures_come_with_the_outcome(place) -> None:
    outcome = place[0].run(order("measures"))
    assert outcome.figures == (("loss", 0.0, 0), ("loss", 0.5, 1), ("loss", 1.0, 2))


def test_a_seed_decides_the_random_numbers(place) -> None:
    first, again, other = (result(place, order("measures", seed=s)) for s in (1, 1, 2))
    assert first == again != other


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured on Linux only")
def test_peak_memory_is_that_of_the_step(place) -> None:
    before = place[0].run(order("measures")).peak_bytes
    assert place[0].run(order("large")).peak_bytes > before + 150_000_000
    assert place[0].run(order("measures")).peak_bytes < before + 150_000_000


def test_a_damaged_input_is_named_and_not_used(place) -> None:
    runner, folder = place
    objects = LocalObjectStore(folder / "objects")
    stored = codecs.store(objects, "x" * 100_000)
    path = objects.path(stored.manifest)
    path.chmod(0o644)
    path.write_bytes(b"y" * 100_000)
    import msgspec

    rows = {"$value": msgspec.to_builtins(stored, builtin_types=(bytes,))}
    outcome = runner.run(order("kind", rows=rows))
    assert outcome.state == "failed"
    assert stored.artifact[3:12] in outcome.error
    assert CorruptError.code == "TM420"
