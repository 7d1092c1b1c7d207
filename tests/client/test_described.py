"""What Python shows of an operation is the operation: its docstring and its parameters."""

import inspect

import tidemill as tm
from tidemill.client.project import Project


def test_a_function_of_the_root_has_the_docstring_and_signature_of_its_operation() -> None:
    assert list(inspect.signature(tm.promote).parameters) == ["ref", "alias", "because", "at"]
    assert tm.promote.__doc__.startswith("Point an alias at a version")


def test_a_method_of_a_project_too(record) -> None:
    method = Project(record).add_labels
    assert next(iter(inspect.signature(method).parameters)) == "name"
    assert "Args:" in method.__doc__
