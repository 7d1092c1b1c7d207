"""The project's own code: found, imported once, told by file and line where it is broken."""

import dataclasses
import sys

import pytest

from tidemill.app.places import open_record
from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.practices.infrastructure.project import (
    declared,
    load_object,
    object_path,
    project_modules,
)


@dataclasses.dataclass(frozen=True)
class Declared:
    name: str = ""


class Base:
    pass


@pytest.fixture
def code(project):
    """Write a module of the project; what it declares are `Declared`s of this test."""
    sys.modules["tidemill_declared"] = sys.modules[__name__]
    before = set(sys.modules)

    def write(name: str, text: str) -> None:
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"import tidemill\nfrom tidemill_declared import Declared, Base\n{text}\n")

    yield write
    for name in set(sys.modules) - before:
        if not name.startswith("tidemill"):
            del sys.modules[name]
    del sys.modules["tidemill_declared"]


def test_instances_are_found_by_their_name_or_their_variable(record, code) -> None:
    code("alpha_m.py", "x = Declared(name='one')\ny = Declared()\n_hidden = Declared(name='three')")
    assert sorted(declared(record, Declared)) == ["one", "three", "y"]


def test_subclasses_are_found_where_classes_are_asked_for(record, code) -> None:
    code("beta_m.py", "class Orders(Base): ...")
    assert list(declared(record, Base, class_objects=True)) == ["Orders"]


def test_a_name_that_two_modules_import_is_one_declaration(record, code) -> None:
    code("gamma_m.py", "x = Declared(name='one')")
    code("delta_m.py", "from gamma_m import x")
    assert list(declared(record, Declared)) == ["one"]


def test_two_declarations_of_one_name_are_refused(record, code) -> None:
    code("eps_m.py", "x = Declared(name='one')\ny = Declared(name='one')")
    with pytest.raises(InvalidInputError, match=r"two declarations are called 'one'.*eps_m\.py"):
        declared(record, Declared)


def test_tests_and_files_that_do_not_import_tidemill_are_left_alone(record, code, project) -> None:
    code("test_eta.py", "raise RuntimeError")
    (project / "script.py").write_text("raise RuntimeError")
    assert project_modules(record) == ()


def test_modules_can_be_named_in_the_settings(code, project) -> None:
    code("theta_m.py", "x = Declared(name='x')")
    code("iota_m.py", "y = Declared(name='y')")
    named = open_record(project, environment={"TIDEMILL_PROJECT_MODULES": "theta_m"})
    assert list(declared(named, Declared)) == ["x"]


def test_code_may_lie_in_a_folder_of_its_own(code, project) -> None:
    code("src/kappa_m.py", "x = Declared(name='x')")
    found = open_record(project, environment={"TIDEMILL_PROJECT_CODE": "src"})
    assert list(declared(found, Declared)) == ["x"]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("x = 1 / 0", "lambda_m.py:3", "ZeroDivisionError"),
        ("def f(:\n  pass", "lambda_m.py:3", "SyntaxError"),
        ("import no_such_module", "lambda_m.py:3", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "lambda_m.py:3", "SystemExit"),
    ],
)
def test_a_module_that_cannot_be_imported_is_told_by_file_and_line(
    record, code, text, where, what
) -> None:
    code("lambda_m.py", text)
    with pytest.raises(InvalidInputError, match=f"{where} cannot be imported: {what}"):
        declared(record, Declared)


def test_a_file_with_the_name_of_another_module_is_told(record, code) -> None:
    code("json.py", "x = 1")
    with pytest.raises(InvalidInputError, match=r"rename json\.py"):
        declared(record, Declared)


def test_an_object_is_found_again_by_its_path(record, code, project) -> None:
    code("mu_m.py", "class Deep:\n    @staticmethod\n    def f(): return 7")
    found = load_object("mu_m:Deep.f", project)
    assert found() == 7
    assert object_path(found) == "mu_m:Deep.f"
    with pytest.raises(NotFoundError, match=r"did you mean Deep\?"):
        load_object("mu_m:Dep", project)
    with pytest.raises(NotFoundError, match="no module nu_m"):
        load_object("nu_m:x", project)


def test_two_projects_in_one_process_do_not_mix(record, code, project, tmp_path) -> None:
    code("xi_m.py", "x = Declared(name='first')")
    assert list(declared(record, Declared)) == ["first"]
    other = tmp_path / "other"
    other.mkdir()
    (other / "tidemill.toml").write_text("")
    (other / "xi_m.py").write_text((project / "xi_m.py").read_text().replace("first", "second"))
    assert list(declared(open_record(other, environment={}), Declared)) == ["second"]
