"""Every format: a model answers alike before and after, elsewhere, and has equal bytes."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from made_models import MAKERS, table

from tidemill.practices.versioning.formats.registry import FORMATS
from tidemill.practices.versioning.model import Model

KINDS = ("binary", "multiclass", "regression")


def saved(folder: Path) -> dict[str, str]:
    """Return the digest of every file of a model by its name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_format_has_a_model_here() -> None:
    assert set(MAKERS) == {one.name for one in FORMATS}


UNTRAINED = {"python", "torch-state", "torch-export"}
"""Their makers fit nothing, so that their answers are not right."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MAKERS)
def test_a_model_answers_alike_after_it_was_stored_and_again_has_equal_bytes(
    name, kind, tmp_path
) -> None:
    model = MAKERS[name](kind)
    assert model.format == name
    before = model.predict(table())["score"]
    assert before.shape == ((len(table()), 3) if kind == "multiclass" else (len(table()),))
    (first := tmp_path / "first").mkdir()
    (second := tmp_path / "second").mkdir()
    model.save(first)
    loaded = Model.load(first, allow_code=True)
    assert np.array_equal(loaded.predict(table())["score"], before)
    one = {name: [*column[:1]] for name, column in table().to_dict(as_series=False).items()}
    assert np.allclose(loaded.predict(one)["score"], before[:1], rtol=1e-5)
    loaded.save(second)
    if name != "catboost-cbm":  # it writes the hashes of categories in the order of its memory
        assert saved(second) == saved(first)


@pytest.mark.parametrize("kind", ["multiclass"])
@pytest.mark.parametrize(
    "name", [n for n in MAKERS if n not in {"python", "torch-state", "torch-export"}]
)
def test_the_classes_of_the_task_decide_the_order_of_columns(name, kind) -> None:
    scores = MAKERS[name](kind).predict(table())["score"]
    assert np.allclose(scores.sum(axis=1), 1, atol=1e-5)
    told = np.array(["low", "mid", "high"])[scores.argmax(axis=1)]
    assert (told == table()["level"].to_numpy()).mean() > 0.8


MADE_ANEW = """
import sys; sys.path.insert(0, sys.argv[1])
import warnings; warnings.simplefilter("ignore")
from made_models import MAKERS
import pathlib
for name, make in MAKERS.items():
    folder = pathlib.Path(sys.argv[2]) / name
    folder.mkdir(parents=True)
    make("binary").save(folder)
"""


def test_equal_models_have_equal_bytes_in_two_processes_with_other_hash_seeds(tmp_path) -> None:
    running = []
    for seed in ("1", "2"):
        arguments = [str(Path(__file__).parent), str(tmp_path / seed)]
        environment = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", MADE_ANEW, *arguments]
        running.append(subprocess.Popen(command, env=environment))
    assert [one.wait(timeout=120) for one in running] == [0, 0]
    for name in MAKERS:
        assert saved(tmp_path / "1" / name) == saved(tmp_path / "2" / name), name


SERVED = """
import sys, pathlib, numpy as np
from tidemill.practices.versioning.model import load_to_predict
for folder in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    if folder.name == sys.argv[2]:
        rows = {name: np.array([0.5, 1.0]) for name in ("a", "b", "c")}
        rows["colour"] = np.array(["red", "blue"], dtype=object)
        print(load_to_predict(folder).predict(rows)["score"].tolist())
"""


@pytest.mark.parametrize("name", MAKERS)
def test_a_process_that_only_predicts_answers_alike_without_what_is_needless(
    name, tmp_path
) -> None:
    model = MAKERS[name]("regression")
    (folder := tmp_path / name).mkdir()
    model.save(folder)
    answer = subprocess.run(
        [sys.executable, "-P", "-c", SERVED, str(tmp_path), name], check=True, timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    rows = {name: np.array([0.5, 1.0]) for name in ("a", "b", "c")}
    rows["colour"] = np.array(["red", "blue"], dtype=object)
    told = [float(one) for one in answer.stdout.strip(" []\n").split(",")]
    assert np.allclose(told, model.predict(rows)["score"], rtol=1e-5)
