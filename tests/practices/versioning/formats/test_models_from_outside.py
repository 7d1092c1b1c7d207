"""Models made elsewhere: taken with what they need, refused where they run code or are damaged."""

import json
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
from made_models import MAKERS, NUMBERS, table, task

from tidemill.core.errors import CorruptError, InvalidInputError, NotAllowedError
from tidemill.dispatch.call import call
from tidemill.practices.versioning.formats.python_model import PythonModel
from tidemill.practices.versioning.loading import LoadingProcess
from tidemill.practices.versioning.loading_messages import Ask
from tidemill.practices.versioning.model import Model
from tidemill.practices.versioning.operations import OPERATIONS, add_model, show_model
from tidemill.practices.versioning.registry import find_artifact, load_model, resolve

FILES = {
    "lightgbm-text": "model.txt", "xgboost-json": "xgboost.json", "catboost-cbm": "model.cbm",
    "onnx": "model.onnx", "skops": "model.skops",
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_library_s_own_file_is_taken_with_a_sample(name, record, tmp_path) -> None:
    model = MAKERS[name]("regression")
    model.save(tmp_path)
    columns = [field.name for field in model.signature.inputs]
    added = add_model(
        record, "elsewhere", str(tmp_path / FILES[name]), task="regression", label="price",
        sample=table().select(*columns, "price"),
    )  # fmt: skip
    assert added.version == "model:elsewhere@1"
    loaded = load_model(record, added.version)
    assert np.allclose(loaded.predict(table())["score"], model.predict(table())["score"], rtol=1e-5)


def test_a_binary_xgboost_file_is_stored_as_json(record, tmp_path) -> None:
    model = MAKERS["xgboost-json"]("binary")
    model.object.get_booster().feature_names = list(NUMBERS)
    model.object.get_booster().save_model(tmp_path / "model.ubj")
    added = add_model(
        record, "boosted", str(tmp_path / "model.ubj"), task="binary", label="is_high"
    )
    assert added.format == "xgboost-json"
    loaded = load_model(record, added.version)
    assert [field.name for field in loaded.signature.inputs] == list(NUMBERS)
    assert np.array_equal(loaded.predict(table())["score"], model.predict(table())["score"])


def test_a_fitted_object_is_registered_in_one_call(record) -> None:
    fitted = MAKERS["skops"]("multiclass").object
    added = add_model(
        record, "level", fitted, task="multiclass", label="level", classes=("low", "mid", "high"),
        sample=table().select(*NUMBERS, "colour", "level"),
    )  # fmt: skip
    assert load_model(record, added.version).predict(table())["score"].shape == (len(table()), 3)
    seen = show_model(record, find_artifact(record, resolve(record, added.version).artifact))
    assert seen.types == ("sklearn.tree._tree.Tree",)
    assert "types trusted: sklearn.tree._tree.Tree" in str(seen)


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.pt", "model.safetensors"])
def test_what_is_no_format_is_refused_with_its_reason(name, record, tmp_path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({}))
    with pytest.raises(InvalidInputError, match=f"{name} is not taken: it|{name} is not taken: a"):
        add_model(record, "no", str(tmp_path / name), task="binary", label="x")


SPY = """
from pathlib import Path
import os
Path({seen!r}).write_text(str(os.getpid()))

class Spy:
    def predict(self, inputs):
        return inputs.matrix[:, 0] * 3
"""


@pytest.fixture
def spy(tmp_path) -> tuple[Path, Path]:
    """A model of somebody else's code, which notes that it ran."""
    seen, folder = tmp_path / "seen", tmp_path / "spy"
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "spy.py").write_text(SPY.format(seen=str(seen)))
    (folder / "python.json").write_text(json.dumps({"path": "spy:Spy", "config": {}}))
    model = MAKERS["lightgbm-text"]("regression")
    (tmp_path / "x").mkdir()
    model.save(tmp_path / "x")
    card = json.loads((tmp_path / "x" / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**card, "format": "python"}))
    return folder, seen


def test_code_from_outside_runs_only_with_a_permission_and_never_in_this_process(
    spy, record
) -> None:
    import os

    folder, seen = spy
    with pytest.raises(NotAllowedError, match=r"runs code that was not made here: spy:Spy"):
        add_model(record, "spy", str(folder))
    with pytest.raises(NotAllowedError, match="needs a reason"):
        add_model(record, "spy", str(folder), allow_code=True)
    with pytest.raises(NotAllowedError, match="runs code of its own"):
        Model.load(folder)
    assert not seen.exists()
    added = add_model(record, "spy", str(folder), allow_code=True, because="I have read it")
    loaded = load_model(record, added.version)
    assert np.array_equal(loaded.predict(table())["score"], table()["a"].to_numpy() * 3)
    assert int(seen.read_text()) != os.getpid()


def test_allowing_code_needs_a_maintainer(spy, record) -> None:
    adding = next(one for one in OPERATIONS if one.function is add_model)
    options = {"allow_code": True, "because": "I have read it"}
    with pytest.raises(NotAllowedError, match=r"model add --allow-code` needs a maintainer"):
        call(record, adding, ("spy", str(spy[0])), options, role_of=lambda _: "contributor")
    call(record, adding, ("spy", str(spy[0])), options, role_of=lambda _: "maintainer")


def test_a_pipeline_with_a_class_of_its_own_needs_a_permission(record, tmp_path) -> None:
    from own_classes import Clip
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline

    rows = table().select(NUMBERS)
    fitted = make_pipeline(Clip(2.0), LinearRegression()).fit(rows.to_numpy(), table()["price"])
    from tidemill.practices.versioning.signatures import infer_signature

    model = Model(fitted, signature=infer_signature(rows), task=task("regression"))
    model.save(tmp_path)
    with pytest.raises(NotAllowedError, match=r"own_classes\.Clip"):
        add_model(record, "clipped", str(tmp_path))
    loaded = Model.load(tmp_path, allow_code=True)
    assert type(loaded.object[0]).__module__ != "own_classes"
    assert np.array_equal(loaded.predict(rows)["score"], model.predict(rows)["score"])
    assert add_model(record, "clipped", model).version == "model:clipped@1"


def test_a_class_that_is_made_in_a_function_is_refused() -> None:
    class Local:
        def predict(self, inputs):
            return inputs.matrix[:, 0]

    model = MAKERS["python"]("regression")
    local = Model(PythonModel(Local), signature=model.signature, task=model.task)
    with pytest.raises(InvalidInputError, match="made inside a function"):
        local.save(Path("/nowhere"))


SEED = 20261125


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with 1 to 8 others in their place, or cut off."""
    if chance.random() < 0.3:
        return data[: chance.randrange(len(data))]
    broken = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        broken[chance.randrange(len(broken))] = chance.randrange(256)
    return bytes(broken)


@pytest.mark.slow
@pytest.mark.parametrize("name", MAKERS)
def test_a_damaged_model_is_a_clear_error_or_an_answer_and_never_the_end_of_this_process(
    name, tmp_path
) -> None:
    MAKERS[name]("regression").save(tmp_path)
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    files = [path for path in files if path.suffix != ".py"]
    chance = random.Random(f"{SEED} {name}")
    with LoadingProcess(timeout_s=20) as process:
        ask = Ask(do="read", folder=str(tmp_path), allow_code=True)
        process.ask(ask)
        wrong: list[str] = []
        for _ in range(25):
            path = chance.choice(files)
            whole = path.read_bytes()
            path.write_bytes(damaged(whole, chance))
            try:
                process.ask(ask)
            except (CorruptError, InvalidInputError, NotAllowedError) as error:
                wrong += [] if error.fix else [error.what]
            finally:
                path.write_bytes(whole)
        process.ask(ask)
    assert not wrong, f"seed {SEED}"
