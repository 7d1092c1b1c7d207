"""A model's own class is kept as source: it loads where the project is not, in every version."""

import linecache
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from made_models import MAKERS, table, task

from tidemill.core.errors import CorruptError, InvalidInputError
from tidemill.practices.versioning.formats.captured_code import capture
from tidemill.practices.versioning.formats.python_model import PythonModel
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.model_files import check_files
from tidemill.practices.versioning.registry import model_folder, store_model

ELSEWHERE = """
import sys, pathlib, numpy as np
from tidemill.practices.versioning.model import load_to_predict
model = load_to_predict(pathlib.Path(sys.argv[1]))
rows = {name: np.array([0.5, 1.0]) for name in ("a", "b", "c")}
print(model.predict(rows)["score"].tolist())
"""


@pytest.mark.parametrize("name", ["python", "torch-state"])
def test_a_model_of_the_project_s_class_answers_where_the_project_is_not(name, tmp_path) -> None:
    model = MAKERS[name]("regression")
    (folder := tmp_path / "model").mkdir()
    model.save(folder)
    answer = subprocess.run(
        [sys.executable, "-P", "-c", ELSEWHERE, str(folder)], cwd=tmp_path, check=True, timeout=60,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    rows = {name: np.array([0.5, 1.0]) for name in ("a", "b", "c")}
    assert np.allclose(
        [float(one) for one in answer.stdout.strip(" []\n").split(",")],
        model.predict(rows)["score"], rtol=1e-6,
    )  # fmt: skip


def test_what_a_class_imports_of_the_project_is_kept_and_what_is_installed_is_not() -> None:
    model = MAKERS["python"]("regression")
    path, code = capture(model.object.kept)
    assert path == "own_classes:Table"
    assert set(code.files) == {"own_classes.py", "own_constants.py"}


def test_two_versions_of_one_class_live_in_one_process(tmp_path) -> None:
    model = MAKERS["python"]("regression")
    folders = [tmp_path / "old", tmp_path / "new"]
    for folder in folders:
        folder.mkdir()
        model.save(folder)
    (folders[1] / "code" / "own_constants.py").write_text("SCALE = 4.0\n")
    old, new = (Model.load(folder, allow_code=True).predict(table())["score"] for folder in folders)
    assert np.allclose(2 * (old - 0.5), new - 0.5)


CELLS = (
    "import numpy as np\nFACTOR = 3.0\n\ndef scaled(values):\n    return values * FACTOR\n",
    "raise_if_run_again = open\n",
    "class Answers:\n    def predict(self, rows: np.ndarray):\n        return scaled(rows[:, 0])\n",
)


def test_a_class_of_a_notebook_is_kept_with_what_it_names_and_nothing_else(
    tmp_path, monkeypatch
) -> None:
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    for number, cell in enumerate(CELLS):
        name = f"<cell {number}>"
        linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
        exec(compile(cell, name, "exec"), notebook.__dict__)
    signature = MAKERS["lightgbm-text"]("regression").signature
    model = Model(PythonModel(notebook.Answers), signature=signature, task=task("regression"))
    model.save(tmp_path)
    kept = (tmp_path / "code" / "model_code.py").read_text()
    assert "raise_if_run_again" not in kept
    assert "FACTOR = 3.0" in kept
    loaded = Model.load(tmp_path, allow_code=True)
    assert np.array_equal(loaded.predict(table())["score"], table()["a"].to_numpy() * 3)


def test_a_class_that_uses_an_object_of_the_notebook_says_which(tmp_path, monkeypatch) -> None:
    notebook = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    cell = "fitted = object()\nclass Uses:\n    def predict(self, rows):\n        return fitted\n"
    linecache.cache["<cell>"] = (len(cell), None, cell.splitlines(keepends=True), "<cell>")
    exec(compile(cell, "<cell>", "exec"), notebook.__dict__)
    signature = MAKERS["lightgbm-text"]("regression").signature
    model = Model(PythonModel(notebook.Uses), signature=signature, task=task("regression"))
    with pytest.raises(InvalidInputError, match=r"uses fitted, which is a object of this session"):
        model.save(tmp_path)


def test_files_that_were_changed_after_they_were_checked_out_are_not_loaded(record) -> None:
    artifact, _ = store_model(record.ports.objects, MAKERS["lightgbm-text"]("regression"))
    folder = model_folder(record, artifact)
    check_files(folder, artifact.id)
    file = folder / "model.txt"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(CorruptError, match="changed after they were checked out"):
        check_files(folder, artifact.id)
    check_files(model_folder(record, artifact), artifact.id)
