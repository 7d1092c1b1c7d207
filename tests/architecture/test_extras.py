"""The table of extras and `pyproject.toml` say the same, and nothing names an extra beside it."""

import re
import tomllib
from pathlib import Path

import pytest

import tidemill
from tidemill.core.errors import MissingExtraError
from tidemill.core.extras import EXTRAS
from tidemill.practices.infrastructure.template import TEMPLATES
from tidemill.practices.versioning.formats.reading import library

SOURCE = Path(tidemill.__file__).parent
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
EXTRA = PROJECT["optional-dependencies"]
SCIKIT = dict.fromkeys(("sklearn", "joblib", "threadpoolctl"), "scikit-learn")
"""What the distribution scikit-learn brings."""
FOREIGN = {"onnx"}
"""What no extra brings, and who asks for it does without."""


def distributions(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w-]+", one)[0] for one in requirements}


def sources() -> dict[str, str]:
    return {path.name: path.read_text() for path in SOURCE.rglob("*.py")}


def test_every_extra_brings_the_packages_that_the_table_says() -> None:
    assert set(EXTRA) == set(EXTRAS.values())
    for package, extra in EXTRAS.items():
        assert SCIKIT.get(package, package) in distributions(EXTRA[extra])


def test_every_library_that_a_format_asks_for_can_be_installed() -> None:
    asked = {
        match[1].partition(".")[0]
        for text in sources().values()
        for match in re.finditer(r'\b(?:library|installing)\(\s*"([\w.]+)"\s*\)', text)
    }
    assert len(asked) > 8
    assert asked <= set(EXTRAS) | distributions(PROJECT["dependencies"]) | FOREIGN


def test_extras_are_named_by_the_table_alone() -> None:
    naming = {name for name, text in sources().items() if re.search(r"tidemill\[", text)}
    assert naming == {"extras.py", "template.py"}


def test_the_extras_of_templates_exist() -> None:
    assert {one.extra for one in TEMPLATES.values()} - {""} <= set(EXTRA)


def test_a_missing_package_is_told_with_the_command_that_installs_it() -> None:
    with pytest.raises(MissingExtraError) as told:
        library("sklearn.no_such_module_here")
    assert told.value.fix == "pip install 'tidemill[sklearn]'"
