"""The Python API: lazy names, typed methods, hints for misspelt names."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import tidemill as tm
from tidemill._names import ALIASES, NAMES
from tidemill.core.errors import NotAllowedError, NotFoundError
from tidemill.core.ref import RefName
from tidemill.dispatch.registry import all_operations
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.writing import opened

SOURCE = Path(tm.__file__).parent


@pytest.fixture
def flights(project, monkeypatch):
    monkeypatch.setenv("TIDEMILL_ACTOR", "ada")
    with tm.open(project) as mill:
        with opened(mill.record, kind="ingestion", name="flights") as run:
            artifact = run.made(put_value(mill.record, "rows", ["a"]))
            run.version(RefName(kind="data", project="mill", name="flights"), artifact)
        yield mill


def test_every_public_name_can_be_used() -> None:
    missing = []
    for name in [*NAMES, *ALIASES]:
        try:
            getattr(tm, name)
        except (ImportError, AttributeError) as error:
            missing.append(f"{name}: {error}")
    assert missing == []


def test_type_checkers_see_the_names_that_python_finds() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    seen = {(node.module, item.name, item.asname) for node in imports for item in node.names}
    spelled = {name: alias for alias, name in ALIASES.items()}
    wanted = {(module, name, spelled.get(name, name)) for name, module in NAMES.items()}
    assert wanted - seen == set()


def test_no_operation_has_the_name_of_a_declaration() -> None:
    operations = {one.name for one in all_operations() if "python" in one.faces}
    assert not operations & {*NAMES, *ALIASES}
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    assert not operations & folders


def test_a_project_has_every_operation_as_a_method(flights) -> None:
    assert [item.name for item in flights.listing().items] == ["data:flights@1"]
    assert "ingestion flights" in str(flights.why("data:flights"))
    assert "impact" in dir(flights)
    assert repr(flights).startswith("project mill in ")


def test_functions_work_on_the_project_of_the_working_directory(
    flights, project, monkeypatch
) -> None:
    monkeypatch.chdir(project)
    assert [item.name for item in tm.listing().items] == ["data:flights@1"]


def test_functions_outside_a_project_name_the_fix(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFoundError, match="tidemill init"):
        tm.listing()


def test_a_result_shows_itself_as_the_command_does(flights) -> None:
    assert repr(flights.listing()) == str(flights.listing())
    assert repr(flights.listing()).startswith("name")


def test_errors_are_the_same_as_everywhere(flights) -> None:
    with pytest.raises(NotAllowedError, match="reason"):
        flights.hide("data:flights")


def test_a_misspelt_name_is_suggested() -> None:
    with pytest.raises(AttributeError, match=r"did you mean tidemill\.feature_view"):
        tm.feature_vew  # noqa: B018
    with pytest.raises(AttributeError, match=r"did you mean tidemill\.impact"):
        tm.impct  # noqa: B018


def test_a_misspelt_method_is_suggested(flights) -> None:
    with pytest.raises(AttributeError, match="did you mean impact"):
        flights.impct  # noqa: B018


@pytest.mark.slow
def test_a_type_checker_knows_arguments_and_results(tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import tidemill as tm\n"
        "with tm.open() as mill:\n"
        "    reveal_type(mill.why('model:x'))\n"
        "    mill.why(3)\n"
        "reveal_type(tm.listing('model', limit=3))\n"
        "tm.lsting()\n"
    )
    answer = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", str(tmp_path / "c"),
         "--follow-imports=silent", str(script)],
        capture_output=True, text=True, check=False, cwd=SOURCE.parents[1],
    )  # fmt: skip
    assert 'Revealed type is "tidemill.lineage.explain.Why"' in answer.stdout
    assert 'Revealed type is "tidemill.lineage.search.Listing"' in answer.stdout
    assert 'has incompatible type "int"; expected "str"' in answer.stdout
    assert 'Module has no attribute "lsting"' in answer.stdout
