"""The code gate runs the project's own tests; none at all is no pass."""

import os
import py_compile
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from tidemill.core.check import Finding
from tidemill.core.errors import InvalidInputError, UsageError
from tidemill.practices.integration.bounds import Bounds, project_bounds
from tidemill.practices.integration.code_gate import code_findings
from tidemill.practices.integration.junit import junit_xml
from tidemill.practices.integration.project_check import run_gates
from tidemill.practices.integration.verdicts import Gate


def findings(record):
    return {f.rule: f for f in code_findings(record, Bounds())}


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_no_tests_are_no_pass(record) -> None:
    found = findings(record)["tests"]
    assert found.state == "not_run"
    assert "tests/test_" in found.fix


def test_tests_that_pass_and_that_fail_are_counted(record, project_folder) -> None:
    write(project_folder, "steps.py", "import tidemill\n\n\ndef double(x):\n    return 2 * x\n")
    write(
        project_folder, "tests/test_steps.py",
        "from steps import double\n\n\ndef test_it():\n    assert double(2) == 4\n",
    )  # fmt: skip
    assert findings(record)["tests"].state == "pass"
    write(
        project_folder, "tests/test_more.py",
        "def test_bad():\n    assert 1 == 2\n\n\ndef test_good():\n    pass\n",
    )  # fmt: skip
    found = findings(record)["tests"]
    assert found.state == "fail"
    assert (found.rows_checked, found.rows_failed) == (3, 1)
    assert "test_bad" in found.what


def test_the_tests_run_what_was_written_last_however_quick_the_edit(record, project_folder) -> None:
    files = (
        ("steps.py", "import tidemill\n\nN = {}\n"),
        ("tests/test_n.py", "from steps import N\n\n\ndef test_n():\n    assert N == {}\n"),
    )

    def write_all(number: int) -> None:
        for name, text in files:
            write(project_folder, name, text.format(number))
            os.utime(project_folder / name, (1_700_000_000, 1_700_000_000))

    write_all(1)
    py_compile.compile(str(project_folder / "steps.py"), doraise=True)
    by_hand = [sys.executable, "-m", "pytest", "-q"]
    subprocess.run(by_hand, cwd=project_folder, check=True, capture_output=True,
                   env=os.environ | {"PYTHONPATH": str(project_folder)})  # fmt: skip
    assert list(project_folder.glob("tests/__pycache__/*pytest*.pyc"))
    write_all(2)
    assert findings(record)["tests"].state == "pass"
    write(project_folder, "steps.py", files[0][1].format(3))
    os.utime(project_folder / "steps.py", (1_700_000_000, 1_700_000_000))
    assert "assert 3 == 2" in findings(record)["tests"].what


def test_a_module_that_cannot_be_imported_is_named_with_its_line(record, project_folder) -> None:
    write(project_folder, "pipeline.py", "import tidemill\n\nimport no_such_library\n")
    found = findings(record)["imports"]
    assert found.state == "fail"
    assert "pipeline.py:3" in found.what


def test_bounds_come_from_the_file_and_a_misspelt_one_is_told(record, project_folder) -> None:
    file = project_folder / "tidemill.toml"
    file.write_text("[gates]\nmin_auc = 0.7\nmax_size_mb = 5\n")
    bounds = project_bounds(record)
    assert (dict(bounds.metrics), bounds.max_size_mb) == ({"min_auc": 0.7}, 5.0)
    file.write_text("[gates]\nmax_sise_mb = 'x'\n")
    with pytest.raises(InvalidInputError, match="did you mean max_size_mb"):
        project_bounds(record)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("min_acu = 0.6", "did you mean min_auc?"),
        ("max_sise_mb = 5", "did you mean max_size_mb?"),
        ("auc = 0.6", "did you mean"),
        ("min_auc = true", "takes a number of auc, 0 to 1"),
        ("min_auc = 70", "takes a number of auc, 0 to 1"),
        ("min_r2 = 1.5", "takes a number of r2, "),
        ("max_log_loss = 'low'", "but it takes a number"),
        ("min_auc = nan", "takes a number"),
        ("max_size_mb = 'x'", "takes a number of MB, 0 to"),
        ("max_latency_ms = -1", "takes a number of ms, 0 to"),
        ("leak_moments = 1.5", "takes a whole number of moments"),
        ("test_timeout = 'long'", "takes a length of time"),
        ("min_profit = 3", "bounds: leak_moments"),
    ],
)
def test_a_bound_that_is_none_is_told_with_its_line_and_what_was_meant(
    record, project_folder, line, told
) -> None:
    (project_folder / "tidemill.toml").write_text(f"[gates]\n# bounds\n{line}\n")
    with pytest.raises(InvalidInputError) as error:
        project_bounds(record)
    assert "(tidemill.toml:3)" in str(error.value)
    assert told in str(error.value)


def test_a_figure_of_the_projects_own_can_be_bounded(record, project_folder) -> None:
    write(
        project_folder, "pipeline.py",
        "import tidemill as tm\n\n\n@tm.business_figure()\ndef profit(rows):\n    return rows\n",
    )  # fmt: skip
    (project_folder / "tidemill.toml").write_text("[gates]\nmin_profit = 3\n")
    assert dict(project_bounds(record).metrics) == {"min_profit": 3.0}


def test_junit_is_xml_whatever_the_findings_hold() -> None:
    hostile = 'a < b & "c" \x00 \x1b[31m ]]> é'
    gate = Gate(
        name="model", subject=hostile, state="fail",
        findings=tuple(
            Finding(rule=f"{state} {hostile}", state=state, what=hostile, measured=0.5,
                    interval=(0.4, 0.6), bound="<= 1", fix=hostile)
            for state in ("pass", "warn", "fail", "not_run", "error")
        ),
    )  # fmt: skip
    root = ET.fromstring(junit_xml([gate]))
    assert root.attrib["tests"] == "5"
    assert (root.attrib["failures"], root.attrib["errors"]) == ("1", "2")
    assert len(root.findall(".//testcase")) == 5
    assert root.find(".//property[@name='measured']").attrib["value"] == "0.5"


def test_an_unknown_gate_is_a_wrong_call(record) -> None:
    with pytest.raises(UsageError, match="there is no gate"):
        run_gates(record, only=("cod",))
