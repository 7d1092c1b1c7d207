"""Each template runs as its README says: every command of it, from data to drift, no download."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.practices.infrastructure.template import TEMPLATES

pytestmark = pytest.mark.slow
ANSWERS = {
    "tidemill data add": "@1",
    "tidemill run": "@1",
    "tidemill check": "pass",
    "tidemill why": "step train",
    "tidemill labels add": "label",
    "curl": '"prediction_id"',
    "tidemill drift compare": "drift",
}
"""What the answers of commands that begin so must hold."""


def commands(readme: Path) -> list[str]:
    """Return the indented lines of a README, but the one that installs: that is done here."""
    lines = readme.read_text().splitlines()
    found = [line[4:] for line in lines if line.startswith("    ")]
    assert found[0].startswith("pip install -r requirements.txt")
    return found[1:]


class Shell:
    """Runs the commands of a README in its folder, with the port that `deploy` told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, ""
        paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
        self.environment = {
            **os.environ, "PATH": os.pathsep.join(paths), "TIDEMILL_ACTOR": "ada",
            "OMP_NUM_THREADS": "1",  # threads that wait for busy cores spin
        }  # fmt: skip

    def run(self, command: str) -> str:
        line = command.replace("PORT", self.port)
        ended = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True,
            text=True, check=False, timeout=240,
        )  # fmt: skip
        assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
        if command.startswith("tidemill deploy"):
            self.port = re.search(r"http://[^:]+:(\d+)", ended.stdout)[1]
        for start, expected in ANSWERS.items():
            if command.startswith(start):
                assert expected in ended.stdout, f"{line}\n{ended.stdout}"
        return ended.stdout


@pytest.fixture
def shell(tidemill, tmp_path, template):
    made = tidemill("init", "mine", "--template", template, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    shell = Shell(tmp_path / "mine")
    yield shell
    subprocess.run(
        [sys.executable, "-m", "tidemill.app.command_line", "down"], cwd=shell.folder, check=False
    )


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_every_command_of_the_readme_of_a_template_does_what_it_says(shell, template) -> None:
    told = {command: shell.run(command) for command in commands(shell.folder / "README.md")}
    report = next(text for command, text in told.items() if command.startswith("tidemill monitor"))
    assert re.search(r"\b1\b", report)


@pytest.mark.parametrize("template", list(TEMPLATES))
def test_the_workflow_of_a_template_runs_the_same_commands_and_the_gates(
    tidemill, tmp_path, template
) -> None:
    tidemill("init", "mine", "--template", template, cwd=tmp_path)
    workflow = (tmp_path / "mine" / ".github" / "workflows" / "check.yml").read_text()
    steps = re.findall(r"- run: (.*)", workflow)
    readme = (tmp_path / "mine" / "README.md").read_text()
    assert steps == [
        "pip install -r requirements.txt", *TEMPLATES[template].steps, "tidemill check",
    ]  # fmt: skip
    for step in steps:
        assert f"    {step}" in readme
