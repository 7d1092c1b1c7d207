"""Runs by hand: everything that is logged is in the record, and no training is harmed."""

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import lightgbm
import matplotlib as mpl
import polars as pl
import pytest
from sklearn import linear_model
from sklearn.feature_extraction import text

from tidemill.client.html import live_run
from tidemill.client.live_run import LiveRun, current_run
from tidemill.core.errors import InvalidInputError, UsageError
from tidemill.core.query import Figure, Order, Query, Where
from tidemill.core.run import Run
from tidemill.lineage.explain import explained
from tidemill.lineage.operations import listing
from tidemill.lineage.show import shown
from tidemill.lineage.targets import find_run
from tidemill.practices.pipelines.by_hand import HandRun
from tidemill.practices.pipelines.figures import figure
from tidemill.practices.validation.operations import add_data

SVG = "<svg xmlns='http://www.w3.org/2000/svg'/>"


def figures_of(record, run):
    where = (Where("run", "=", run.id),)
    query = Query(Figure, where=where, order=(Order("step"),), limit=100_000)
    return record.ports.ledger.find(query)


def fails(run):
    with run:
        run.log_chart("roc", SVG)
        run.figure("loss", 1.0)
        raise ZeroDivisionError("no way")


def test_what_a_run_logged_is_shown_with_code_environment_and_what_it_used(record, tmp_path):
    version = add_data(record, "houses", pl.DataFrame({"a": [1, 2]})).version
    (tmp_path / "notes.txt").write_text("x")
    with LiveRun(record, "try", parameters={"trees": 5}, because="to see") as run:
        run.log(depth=3)
        figure("loss", 0.25, step=2)
        run.figures({"auc": 0.75})
        assert run.use("data:houses").height == 2
        run.log_chart("roc", SVG)
        run.log_table("errors", {"row": [1], "by": [0.5]})
        run.log_file(tmp_path / "notes.txt")
        run.note("a first try")
        run.tag(stage="draft")
        assert current_run() is run
    told = str(shown(record, f"run:{run.id}"))
    for part in ("trees=5", "depth=3", "loss", "auc", "chart", "errors", "notes.txt", "a first try",
                 "tag stage", "draft", "code tree1:", "environment b3:", "done"):  # fmt: skip
        assert part in told
    assert f"{version.removeprefix('mill/')}" in str(explained(record, f"run:{run.id}", 5))


def test_an_error_fails_the_run_keeps_what_was_logged_and_goes_on(record):
    run = LiveRun(record, "try")
    with pytest.raises(ZeroDivisionError, match="no way"):
        fails(run)
    found = find_run(record, run.id)
    assert (found.status, "test_live_run.py" in found.error) == ("failed", True)
    assert "ZeroDivisionError: no way" in found.error
    assert "chart" in str(shown(record, f"run:{run.id}"))
    assert [one.key for one in figures_of(record, run)] == ["loss"]


def test_ctrl_c_cancels_the_run(record):
    with pytest.raises(KeyboardInterrupt), LiveRun(record, "try") as run:
        raise KeyboardInterrupt
    assert find_run(record, run.id).status == "cancelled"


def test_figures_of_many_threads_are_all_kept_also_those_that_are_no_numbers(record):
    with LiveRun(record, "try") as run:
        threads = [
            threading.Thread(target=lambda: [run.figure("loss", i, step=i) for i in range(2000)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        run.figure("bad", float("nan"))
        run.figure("worse", float("-inf"))
    found = figures_of(record, run)
    assert sum(one.key == "loss" for one in found) == 8000
    assert {one.key: str(one.value) for one in found if one.key != "loss"} == {
        "bad": "nan", "worse": "-inf"
    }  # fmt: skip


@pytest.mark.parametrize("value", ["x", "0.5", None, [1.0]])
def test_a_figure_that_is_no_number_is_an_error_that_names_it(record, value):
    with LiveRun(record, "try") as run:
        with pytest.raises(InvalidInputError, match="figure 'loss' is"):
            run.figure("loss", value)
        with pytest.raises(InvalidInputError, match="figure 'loss' is"):
            figure("loss", value)
    assert figures_of(record, run) == []


def test_a_figure_that_is_nan_is_told_once_and_breaks_no_page(record):
    with LiveRun(record, "try") as run, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for step in range(3):
            run.figure("loss", float("nan"), step=step)
        run.figure("auc", float("inf"))
        assert "loss" in live_run(run)
    assert [str(one.message) for one in told] == [
        "tidemill: figure loss is nan at step 0; it is kept, and drawn nowhere",
        "tidemill: figure auc is inf at step 0; it is kept, and drawn nowhere",
    ]
    assert "loss" in str(shown(record, f"run:{run.id}"))
    assert str(listing(record, "run"))


def test_a_run_inside_another_belongs_to_it(record):
    with LiveRun(record, "outer") as outer, LiveRun(record, "inner") as inner:
        figure("loss", 1.0)
    assert find_run(record, inner.id).parent == outer.id
    assert [one.key for one in figures_of(record, inner)] == ["loss"]
    assert figures_of(record, outer) == []


def test_a_model_is_registered_when_the_run_ends_well_and_only_then(record):
    rows = pl.DataFrame({"a": [float(i) for i in range(50)]})
    data = lightgbm.Dataset(rows.to_numpy(), [i % 7 for i in range(50)])
    booster = lightgbm.train({"verbose": -1, "objective": "regression"}, data, 2)
    failed = LiveRun(record, "bad").start()
    failed.log_model("price", booster, sample=rows, label="price")
    failed.end("failed", "no good")
    assert failed.versions == ()
    with LiveRun(record, "good") as run:
        run.log_model("price", booster, sample=rows, label="price")
    assert run.versions == ("model:price@1",)
    assert "made model:price@1" in repr(run)


def test_the_label_in_the_sample_is_no_input_of_the_model(record):
    rows = pl.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "price": [1.0, 2.0, 3.0, 4.0]})
    fitted = linear_model.LinearRegression().fit(rows[["a"]].to_numpy(), rows["price"].to_numpy())
    with LiveRun(record, "try") as run:
        model = run.log_model("price", fitted, sample=rows, label="price")
    assert [field.name for field in model.signature.inputs] == ["a"]
    assert run.versions == ("model:price@1",)


@pytest.mark.parametrize("kind", ["polars", "pandas", "list"])
def test_a_model_that_reads_one_column_of_text_takes_it_as_its_sample(record, kind):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    bodies = pl.Series("body", [f"{'good' if i % 2 else 'bad'} day {i}" for i in range(20)])
    fitted = make_pipeline(text.TfidfVectorizer(), LogisticRegression())
    fitted.fit(bodies.to_list(), [i % 2 for i in range(20)])
    sample = {"polars": lambda: bodies, "pandas": bodies.to_pandas, "list": bodies.to_list}[kind]()
    with LiveRun(record, "try") as run:
        model = run.log_model("mood", fitted, sample=sample, label="is_good")
    (field,) = model.signature.inputs
    assert (field.name, field.datatype, field.categories) == (
        "x0" if kind == "list" else "body", "BYTES", None,
    )  # fmt: skip
    told = model.predict({field.name: ["a good day", "a bad night", None]})["score"]
    assert told[0] > 0.5 > told[1]
    whole = pl.DataFrame({"id": [1], "body": ["good"]})
    with LiveRun(record, "try") as run, pytest.raises(InvalidInputError, match="one column of t"):
        run.log_model("mood", fitted, sample=whole, label="is_good")


def test_a_model_that_cannot_answer_its_sample_is_refused_with_the_reason(record):
    fitted = linear_model.LinearRegression().fit([[0.0], [1.0]], [1.0, 2.0])
    rows = pl.DataFrame({"a": [0.0], "b": [1.0]})
    with LiveRun(record, "try") as run, pytest.raises(InvalidInputError, match="expecting 1 feat"):
        run.log_model("price", fitted, sample=rows)
    assert run.versions == ()


def test_a_model_without_a_sample_says_what_to_give(record):
    with (
        pytest.raises(InvalidInputError, match="sample=X"),
        LiveRun(record, "try") as run,
    ):
        run.log_model("price", object())


@pytest.mark.filterwarnings("ignore:tidemill:RuntimeWarning")
def test_a_parameter_that_looks_like_a_secret_is_left_out_and_stops_nothing(record):
    with LiveRun(record, "try", parameters={"api_key": "abcdefghijkl0123456789"}) as run:
        run.log(depth=3)
    told = str(shown(record, f"run:{run.id}"))
    assert "abcdefghijkl" not in told
    assert "left out" in told


def test_a_parameter_that_comes_late_is_a_note_with_its_name(record):
    with LiveRun(record, "try") as run:
        run.flush()
        run.log(best_depth=7)
    assert "parameter best_depth" in str(shown(record, f"run:{run.id}"))


def test_logging_outside_the_block_says_how(record):
    run = LiveRun(record, "try")
    with pytest.raises(UsageError, match="was not begun"):
        run.figure("loss", 1.0)
    with run:
        pass
    with pytest.raises(UsageError, match="has ended"):
        run.figure("loss", 1.0)


def test_hostile_names_are_taken_as_they_are_or_proposed_better(record):
    with LiveRun(record, "<b> my try/1") as run:
        run.tag(stage="<script>alert(1)</script>")
        run.figure("a<b", 1.0)
    assert run.name == "b_my_try_1"
    assert "<script>" not in run._repr_html_()


def test_a_matplotlib_figure_is_kept_as_the_same_bytes_each_time(record):
    mpl.use("svg")
    from matplotlib.figure import Figure as Drawing

    kept = []
    with LiveRun(record, "try") as run:
        for _ in range(2):
            drawing = Drawing()
            drawing.subplots().plot([1, 2], [3, 4])
            kept.append(run.log_chart("line", drawing))
    assert kept[0] == kept[1]
    assert kept[0].summary["format"] == "svg"


def test_nothing_that_cannot_be_drawn_is_taken_for_a_chart(record):
    with LiveRun(record, "try") as run, pytest.raises(InvalidInputError, match="no chart"):
        run.log_chart("roc", {"x": 1})


def test_a_process_that_is_killed_leaves_its_figures_and_the_run_is_lost(project, record):
    code = (
        "import tidemill as tm, sys, time\n"
        "run = tm.run('try', trees=5).start()\n"
        "run.figure('loss', 1.0)\nrun.flush()\nprint(run.id, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=project, stdout=subprocess.PIPE, text=True
    ) as process:
        identity = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
        process.wait()
    with LiveRun(record, "next"):
        pass
    found = find_run(record, identity)
    assert (found.status, found.params) == ("lost", {"trees": 5})
    where = (Where("run", "=", identity),)
    assert len(record.ports.ledger.find(Query(Figure, where=where))) == 1


def test_a_record_that_cannot_be_written_stops_no_training_and_is_written_later(record):
    class ClosedError(Exception):
        pass

    ledger = record.ports.ledger
    whole = type(ledger).commit
    hand = HandRun(record, "try", parameters={})
    try:
        type(ledger).commit = lambda *_: (_ for _ in ()).throw(ClosedError("disk is full"))
        hand.figure("loss", 1.0)
        with pytest.raises(ClosedError):
            hand.flush()
    finally:
        type(ledger).commit = whole
    hand.end()
    assert [one.key for one in figures_of(record, hand)] == ["loss"]


def test_logging_a_figure_takes_microseconds(record):
    with LiveRun(record, "try") as run:
        start = time.perf_counter()
        for step in range(10_000):
            run.figure("loss", 0.5, step=step)
        assert time.perf_counter() - start < 2.0  # about 4 us each at a desk


def test_in_an_empty_folder_a_record_begins_and_is_said_once(tmp_path):
    folder = tmp_path / "my try"
    folder.mkdir()
    code = "import tidemill as tm\nwith tm.run('a') as run: pass\nprint(tm.open().name, run.id)"
    (folder / "try.py").write_text(code)
    ended = [
        subprocess.run(
            [sys.executable, "try.py"], cwd=folder, capture_output=True, text=True, check=True,
            env={**os.environ, "PATH": str(tmp_path), "TIDEMILL_ACTOR": "ada"},
        )
        for _ in range(2)
    ]  # fmt: skip
    assert "keeps the record of project my-try" in ended[0].stderr
    assert ended[1].stderr == ""
    assert ended[0].stdout.startswith("my-try ")
    assert sorted(path.name for path in folder.iterdir()) == [".tidemill", "try.py"]


@pytest.mark.parametrize("place", ["/", "home"])
def test_no_record_begins_where_everything_would_belong_to_it(tmp_path, place):
    folder = Path("/") if place == "/" else tmp_path
    code = "import tidemill as tm\ntm.run('a').start()"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    assert "no record is begun in" in ended.stderr
    assert "mkdir" in ended.stderr
    assert not (tmp_path / ".tidemill").exists()


def test_inside_a_project_no_second_record_begins(project, record):
    below = project / "deep" / "er"
    below.mkdir(parents=True)
    code = "import tidemill as tm\nwith tm.run('a'): pass"
    subprocess.run([sys.executable, "-c", code], cwd=below, check=True, timeout=60)
    assert not (below / ".tidemill").exists()
    runs = record.ports.ledger.find(Query(Run, where=(Where("kind", "=", "experiment"),)))
    assert [(run.name, run.project) for run in runs] == [("a", "mill")]


def test_data_beside_a_script_are_no_code_and_stop_no_run(tmp_path):
    (tmp_path / "big.csv").write_bytes(b"x\n" * (6 << 20))
    (tmp_path / "try.py").write_text(
        "import tidemill as tm\nwith tm.run('a') as run: pass\n"
        "print(run.doubt, tm.open().record.ports.workspace.code().files[0][0].path)"
    )
    ended = subprocess.run(
        [sys.executable, "try.py"], cwd=tmp_path, capture_output=True, text=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert ended.stdout.split() == ["try.py"]
