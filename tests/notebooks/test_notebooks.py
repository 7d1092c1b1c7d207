"""Real notebooks in real kernels: from a CSV file to a model, and again after a restart."""

import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

CELLS = (
    """import polars as pl
import tidemill as tm
from sklearn.linear_model import LinearRegression""",
    """added = tm.add_data('houses', 'houses.csv')
added""",
    """SHARE = 0.5""",
    """class Halves:
    def __init__(self, rows):
        self.rows = rows
    def first(self):
        return self.rows.head(int(len(self.rows) * SHARE))""",
    """@tm.step
def cut(rows: pl.DataFrame) -> pl.DataFrame:
    return Halves(rows).first()""",
    """@tm.step
def fitted(rows: pl.DataFrame, trees: int) -> tm.Model:
    inputs = rows.select('rooms', 'age')
    found = LinearRegression().fit(inputs.to_pandas(), rows['price'].to_pandas())
    return tm.Model(found, signature=tm.infer_signature(inputs),
                    task=tm.Task(kind='regression', label='price'))""",
    """@tm.pipeline
def prices(trees: int = 3):
    tm.candidate('price', fitted(cut(tm.data('houses')), trees))""",
    """ran = tm.run_pipeline('prices', params={'trees': 4})
ran""",
    """print('states', [line.state for line in ran.steps])""",
    """with tm.run('by hand', depth=3) as run:
    rows = run.use('data:houses')
    for step in range(20):
        tm.figure('loss', 1 / (step + 1), step=step)
    run.log_model('linear', LinearRegression().fit(rows.select('age').to_pandas(),
                  rows['price'].to_pandas()), sample=rows.select('age'), label='price')
run""",
    """tm.why('model:price')""",
    """tm.diff('model:price', 'model:linear')""",
    """tm.show(f'run:{run.id}')""",
    """tm.listing('model')""",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder with one CSV file."""
    rows = "".join(f"{1 + i % 5},{i},{100 + 7 * (i % 5) - i}\n" for i in range(40))
    (tmp_path / "houses.csv").write_text("rooms,age,price\n" + rows)
    return tmp_path


def executed(folder: Path, cells=CELLS, **variables: str) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    before = dict(os.environ)
    os.environ.update({"TIDEMILL_ACTOR": "ada", "PYDEVD_DISABLE_FILE_VALIDATION": "1", **variables})
    try:
        client = NotebookClient(
            notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}
        )
        client.execute()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return notebook


def printed(notebook: nbformat.NotebookNode) -> str:
    return "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    )


def drawn(notebook: nbformat.NotebookNode) -> list[str]:
    return [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]


def test_a_csv_and_a_notebook_are_enough_and_after_a_restart_nothing_is_computed_again(folder):
    first = executed(folder)
    assert "keeps the record of project" in printed(first)
    assert "states ['done', 'done']" in printed(first)
    pages = drawn(first)
    assert len(pages) == 7
    assert all("<script" not in page and "http://" not in page.replace(
        "http://www.w3.org/2000/svg", "") for page in pages)  # fmt: skip
    assert any("<polyline" in page for page in pages)
    again = executed(folder)
    assert "keeps the record of project" not in printed(again)
    assert "states ['reused', 'reused']" in printed(again)


def test_another_cell_changes_nothing_but_the_steps_own_source_or_constant_does(folder):
    executed(folder)
    chatty = [*CELLS[:2], "unrelated = 7", *CELLS[2:9]]
    assert "states ['reused', 'reused']" in printed(executed(folder, chatty))
    halved = [*CELLS[:2], "SHARE = 0.25", *CELLS[3:9]]
    assert "states ['done', 'done']" in printed(executed(folder, halved))


def test_notebooks_need_no_git(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("path")
    (empty / "python3").symlink_to(sys.executable)
    assert shutil.which("git", path=str(empty)) is None
    notebook = executed(folder, CELLS[:9], PATH=str(empty))
    assert "states ['done', 'done']" in printed(notebook)
