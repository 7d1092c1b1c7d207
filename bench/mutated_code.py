"""The mutation test of the identity of code: no answer that a change changes keeps its identity.

python bench/mutated_code.py [--template minimal] [--sample 40] [--seed 1]

Every constant, operator, return and statement of a template's pipeline is changed in turn. Where a
step keeps its identity, it is called again with what it was given, and must store the same result.
Without a template also all mutants of the small projects of the tests are tried.
"""

from __future__ import annotations

import argparse
import importlib
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(
    0, str(Path(__file__).resolve().parents[1] / "tests" / "practices" / "pipelines" / "identity")
)

import msgspec
import numpy as np
from code_edits import EDITS, FURTHER
from edited import Project, mutants_of
from edited import tried as tried_small
from mutants import mutants

from tidemill.app.places import open_record
from tidemill.practices.infrastructure import project
from tidemill.practices.infrastructure.source_loading import load_from_source
from tidemill.practices.pipelines import codecs
from tidemill.practices.pipelines.code_identity import index_of
from tidemill.practices.pipelines.declare import Pipeline, Step
from tidemill.practices.pipelines.opening import step_codes
from tidemill.practices.pipelines.outputs import Output, active_plan
from tidemill.practices.pipelines.plan import Plan
from tidemill.practices.pipelines.spelling import Speller

if TYPE_CHECKING:
    from tidemill.lineage.record import Record
    from tidemill.ports.executor import Value

MODULE = "pipeline"


class Recorder(Plan):
    """A plan that calls steps at once, and keeps what each was given and gave."""

    def __init__(self, record: Record) -> None:
        super().__init__(record, None, record.now())  # type: ignore[arg-type]
        self.calls: list[tuple[str, str, tuple[Any, ...], dict[str, Any], tuple[Value, ...]]] = []

    def call(self, step: Step[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
        """Call a step now."""
        values = answer(self.record, step, args, kwargs)
        self.calls.append((step.module, step.qualname, args, dict(kwargs), values))
        outputs = []
        for value in values:
            output = Output(self, step.name)
            output.value = value
            outputs.append(output)
        return tuple(outputs) if len(outputs) > 1 else outputs[0]


def answer(record: Record, step: Step[..., Any], args: Any, kwargs: Any) -> tuple[Value, ...]:
    """Return what a step stores for arguments, among which are outputs."""
    bound = step.bind(args, dict(kwargs))
    given = {
        name: loaded(record, value, step.annotations.get(name)) for name, value in bound.items()
    }
    token = active_plan.set(None)
    try:
        seed()
        result = step.function(**given)
    finally:
        active_plan.reset(token)
    results = result if len(step.outputs) > 1 else (result,)
    return tuple(codecs.store(record.ports.objects, one, step.name) for one in results)


def said(record: Record, values: tuple[Value, ...]) -> list[Any]:
    """Return what tells results apart. A Python model keeps its whole module: that does not count,

    since what of it the model reaches is in the identity of the step that makes it.
    """
    found: list[Any] = []
    for value in values:
        if value.codec != "model":
            found.append(value.artifact)
            continue
        entries = msgspec.json.decode(codecs.value_bytes(record.ports.objects, value))
        found.append([one for one in entries if "/code/" not in f"/{one['path']}"])
    return found


def loaded(record: Record, value: Any, wanted: object) -> Any:
    """Return an argument with its outputs loaded anew."""
    if isinstance(value, Output) and value.value is not None:
        return codecs.load(record.ports.objects, value.value, wanted)
    if isinstance(value, list):
        return [loaded(record, one, wanted) for one in value]
    return value


def seed() -> None:
    """Begin random numbers anew."""
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - as step workers do it


def identity(codes: Any, step: Step[..., Any], args: Any, kwargs: Any) -> Any:
    """Return all that decides a call, the artifacts of inputs left out: they are the same."""
    bound = step.bind(args, dict(kwargs))
    handed, spelled, used = set(), {}, []
    for name, value in bound.items():

        def hand_on(one: object, name: str = name) -> dict[str, object] | None:
            if isinstance(one, Output) and one.value is not None:
                handed.add(name)
                used.append(one.value)
                return {"$value": one.value.artifact}
            return None

        spelled[name] = Speller(name, hand_on, is_parameter=True).spell(value)
    known = codes.of_step(
        step.module, step.qualname, arguments=spelled, codecs=[value.codec for value in used],
        held=[value.inline or b"" for value in used if value.codec == "value"],
    )  # fmt: skip
    return known.code, known.environment, spelled, step.shape(handed), step.options


def fresh(folder: Path) -> Any:
    """Import the project's module as its file is now; None: it cannot be imported."""
    project._LOADED.clear()  # noqa: SLF001 - so that it is imported anew
    below = [name for name, one in sys.modules.items() if _is_below(one, folder)]
    for name in {*below, *({MODULE} & sys.modules.keys())}:
        del sys.modules[name]
    importlib.invalidate_caches()
    try:
        return importlib.import_module(MODULE)
    except Exception:  # noqa: BLE001 - a mutant may do anything
        return None


def _is_below(module: object, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and file.startswith(str(folder))


def step_of(module: str, qualname: str) -> Step[..., Any] | None:
    """Return a step by its name."""
    found: Any = sys.modules.get(module) or importlib.import_module(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, Step) else None


def codes_now(record: Record) -> Any:
    """Return what finds the code of steps now."""
    return step_codes(record, index_of(record), record.ports.workspace.environment())


def try_template(template: str, sample: int, seed_: int) -> list[str]:
    """Try mutants of a template; returns those that were missed."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "mill"
        command = [sys.executable, "-m", "tidemill.app.command_line"]
        init = [*command, "init", "mill", "--template", template]
        subprocess.run(init, cwd=place, check=True, capture_output=True)
        for file in sorted((folder / "data").glob("*.csv")):
            add = [*command, "data", "add", file.stem, f"data/{file.name}"]
            contract = ["--contract", contract_of(folder, file.stem)]
            subprocess.run([*add, *contract], cwd=folder, check=True, capture_output=True)
        record = open_record(folder)
        load_from_source(folder)
        sys.path.insert(0, str(folder))
        try:
            return tried(record, folder, template, sample, seed_)
        finally:
            sys.path.remove(str(folder))
            record.ports.close()


def try_small_projects() -> list[str]:
    """Try all mutants of the small projects of the tests; returns those that were missed."""
    with tempfile.TemporaryDirectory() as place:
        drawn = list(mutants_of([*EDITS, *FURTHER]))
        found = tried_small(Project(Path(place)), drawn)
    print(
        f"small projects: {found.changed} of {len(drawn)} mutants answer otherwise,"
        f" {len(found.missed)} missed; {found.needless} others have another slice"
    )
    return [str(one) for one in found.missed]


def contract_of(folder: Path, data: str) -> str:
    """Return the name of the contract of a template, which is that of its data."""
    text = (folder / f"{MODULE}.py").read_text()
    classes = [line.split("(")[0][6:] for line in text.splitlines() if "(tm.Contract)" in line]
    return next((name for name in classes if name.lower() == data), classes[0])


def tried(record: Record, folder: Path, template: str, sample: int, seed_: int) -> list[str]:
    """Try mutants of one project."""
    file = folder / f"{MODULE}.py"
    source = file.read_text()
    module = fresh(folder)
    (pipeline,) = [one for one in vars(module).values() if isinstance(one, Pipeline)]
    recorder = Recorder(record)
    token = active_plan.set(recorder)
    try:
        pipeline.function()
    finally:
        active_plan.reset(token)
    codes = codes_now(record)
    before = [identity(codes, step_of(m, q), args, kw) for m, q, args, kw, _ in recorder.calls]
    every = list(mutants(source))
    drawn = every if sample >= len(every) else random.Random(seed_).sample(every, sample)  # noqa: S311 - no secret
    missed, kept, changed, began = [], 0, 0, time.monotonic()
    for name, mutated in drawn:
        file.write_text(mutated)
        if fresh(folder) is None:
            continue
        codes = codes_now(record)
        for (m, q, args, kw, values), old in zip(recorder.calls, before, strict=True):
            step = step_of(m, q)
            try:
                now = identity(codes, step, args, kw) if step else None
            except Exception:  # noqa: BLE001 - its arguments fit no longer
                now = None
            if now != old or step is None:
                changed += 1
                continue
            kept += 1
            try:
                again = said(record, answer(record, step, args, kw))
            except Exception as error:  # noqa: BLE001 - a mutant may raise anything
                again = [str(error)]
            if again != said(record, values):
                missed.append(f"{template}: {q} after {name}")
    print(
        f"{template}: {len(drawn)} of {len(every)} mutants, {len(recorder.calls)} calls:"
        f" {changed} other identities, {kept} kept, {len(missed)} missed"
        f" ({time.monotonic() - began:.0f} s)"
    )
    return missed


def main() -> int:
    """Try what is asked for; returns 1 where anything was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--template", action="append")
    parser.add_argument("--sample", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    missed = [] if given.template else try_small_projects()
    for template in given.template or ("minimal", "tabular", "timeseries"):
        missed += try_template(template, given.sample, given.seed)
    for one in missed:
        print(f"  missed {one}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
