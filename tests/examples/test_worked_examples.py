"""Each worked example is a project like any other: every command of its README is run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    "wine": "model:grape@1",
    "diabetes": "model:progression@1",
    "digits": "model:digit@1",
}
"""The examples beside flights, and the model that each makes first."""
SHORTER = {
    "tidemill run digit": {"digits": "tidemill run digit --epochs 12"},
}
"""Commands that take long, and how they are asked here."""

pytestmark = pytest.mark.slow


def commands(readme: Path) -> list[str]:
    """Return the indented lines of a README, without comments, but the one that installs."""
    lines = [line[4:] for line in readme.read_text().splitlines() if line.startswith("    ")]
    assert lines[0].startswith("pip install")
    return [line.partition("  #")[0].strip() for line in lines[1:]]


@pytest.fixture
def folder(tmp_path, example):
    """A copy of an example; what still serves is stopped."""
    made = tmp_path / example
    ignored = shutil.ignore_patterns(".tidemill", "raw", "__pycache__")
    shutil.copytree(ROOT / "examples" / example, made, ignore=ignored)
    yield made
    subprocess.run(
        [sys.executable, "-m", "tidemill.app.command_line", "down"], cwd=made, check=False
    )


@pytest.mark.parametrize("example", list(EXAMPLES))
def test_every_command_of_the_readme_of_an_example_does_what_it_says(folder, example) -> None:
    paths = [str(Path(sys.executable).parent), os.environ["PATH"]]
    environment = {
        **os.environ, "PATH": os.pathsep.join(paths), "TIDEMILL_ACTOR": "ada",
        "OMP_NUM_THREADS": "1",  # threads that wait for busy cores spin
    }  # fmt: skip
    told = {}
    for command in commands(folder / "README.md"):
        line = SHORTER.get(command, {}).get(example, command)
        ended = subprocess.run(
            ["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True,
            check=False, timeout=240,
        )  # fmt: skip
        assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
        told[command] = ended.stdout
    model = EXAMPLES[example]
    made = next(text for command, text in told.items() if command.startswith("tidemill run"))
    assert model in made
    why = next(text for command, text in told.items() if command.startswith("tidemill why"))
    assert "step train" in why
    assert "check: pass" in told["tidemill check"]


@pytest.mark.parametrize("example", list(EXAMPLES))
def test_the_readme_of_an_example_says_whose_data_these_are(example) -> None:
    readme = (ROOT / "examples" / example / "README.md").read_text()
    assert "scikit-learn (BSD-3-Clause" in readme
