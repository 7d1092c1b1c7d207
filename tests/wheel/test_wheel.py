"""The built wheel, installed alone in an empty environment, does a whole life without network."""

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
LOOPBACK_ONLY = textwrap.dedent("""
    import sys

    def refuse(event, arguments):
        if event in ("socket.connect", "socket.getaddrinfo"):
            host = arguments[1] if event == "socket.connect" else arguments[0]
            host = host[0] if isinstance(host, tuple) else host
            if isinstance(host, str) and not host.startswith(("127.", "localhost", "::1", "/")):
                raise OSError(f"no network in this test: {host}")

    sys.addaudithook(refuse)
""")


def done(*command: str, cwd: Path, **variables: str) -> str:
    """Run a command and return what it printed."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        command, cwd=cwd, env={**clean, **variables}, capture_output=True, text=True, check=False,
        timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, f"{command}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def closure(name: str, found: set[str]) -> set[str]:
    """Return a distribution and all that it needs here, extras left out."""
    if name in found:
        return found
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        needed = importlib.metadata.requires(name) or ()
        found.add(name)
        for one in needed:
            if "extra ==" not in one:
                closure(re.match(r"[A-Za-z0-9_.-]+", one)[0].lower().replace("_", "-"), found)
    return found


def copy_distribution(name: str, target: Path) -> None:
    """Copy the files of a distribution that is installed here; nothing is fetched."""
    for file in importlib.metadata.files(name) or ():
        source = Path(str(file.locate()))
        if ".." not in file.parts and source.is_file() and "__pycache__" not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target / file)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The `bin` of an environment that holds the wheel, its dependencies, pytest, nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", source / "src", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    try:
        done(UV, "build", "--wheel", "--offline", "--out-dir", str(folder / "dist"), cwd=source)
    except (AssertionError, FileNotFoundError) as error:
        pytest.skip(f"the wheel cannot be built here without network: {str(error)[-200:]}")
    done(sys.executable, "-m", "venv", "--without-pip", str(folder / "env"), cwd=folder)
    (site,) = (folder / "env").glob("lib/python*/site-packages")
    (wheel,) = (folder / "dist").glob("*.whl")
    done(UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python",
         str(folder / "env" / "bin" / "python"), str(wheel), cwd=folder)  # fmt: skip
    for name in sorted(closure("tidemill", set()) - {"tidemill"} | closure("pytest", set())):
        copy_distribution(name, site)
    (site / "sitecustomize.py").write_text(LOOPBACK_ONLY)
    return folder / "env" / "bin"


@pytest.fixture
def command(installed, tmp_path):
    """Run the installed `tidemill` where neither the source tree nor another host is in reach."""

    def run(*arguments: str, cwd: Path = tmp_path) -> str:
        return done(
            str(installed / "tidemill"), *arguments, cwd=cwd, TIDEMILL_ACTOR="ada",
            PATH=f"{installed}{os.pathsep}{os.environ['PATH']}",
        )  # fmt: skip

    yield run
    if (tmp_path / "mine").exists():
        run("down", cwd=tmp_path / "mine")


@pytest.mark.slow
def test_the_wheel_alone_goes_from_init_to_predictions_without_network(
    installed, command, tmp_path
) -> None:
    place = done(str(installed / "python"), "-c", "import tidemill; print(tidemill.__file__)",
                 cwd=tmp_path)  # fmt: skip
    assert str(installed.parent) in place
    command("init", "mine", "--template", "minimal")
    mine = tmp_path / "mine"
    assert "1,000 added" in command("data", "add", "machines", "data/machines.csv", cwd=mine)
    assert "model:failure@1" in command("run", "failure", cwd=mine)
    assert "check: pass" in command("check", cwd=mine)
    served = command("deploy", "model:failure@1", cwd=mine)
    address = re.search(r"http://\S+/infer", served)[0]
    sent = {"machine_id": "k0001", "age_years": 12.5, "temperature_c": 81.0,
            "vibration_mm_s": 6.2, "load_share": 0.9}  # fmt: skip
    tensors = [
        {"name": name, "shape": [1], "data": [value],
         "datatype": "BYTES" if isinstance(value, str) else "FP64"}
        for name, value in sent.items()
    ]  # fmt: skip
    asked = urllib.request.Request(
        address, json.dumps({"inputs": tensors}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        (score, *_) = json.loads(answer.read())["outputs"]
    assert 0 < score["data"][0] < 1
    assert "scored 1,000 rows" in command("predict", "model:failure@1", "data:machines", cwd=mine)


@pytest.mark.slow
def test_the_installed_command_refuses_other_hosts_in_this_test(installed, tmp_path) -> None:
    code = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=1)"
    with pytest.raises(AssertionError, match="no network in this test"):
        done(str(installed / "python"), "-c", code, cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("template", "extra"),
    [("tabular", "sklearn"), ("timeseries", "sklearn"), ("text", "sklearn"), ("images", "torch")],
)
def test_a_template_whose_extra_is_missing_is_told_by_init(command, template, extra) -> None:
    told = command("init", "one", "--template", template)
    assert f"it needs tidemill[{extra}]: pip install -r requirements.txt" in told


@pytest.mark.slow
def test_a_pipeline_whose_library_is_missing_is_told_with_the_command_that_installs_it(
    command, tmp_path
) -> None:
    command("init", "one", "--template", "tabular")
    with pytest.raises(AssertionError) as told:
        command("run", "price", cwd=tmp_path / "one")
    assert "No module named 'sklearn'" in str(told.value) or "pandas" in str(told.value)
    assert "fix: pip install 'tidemill[sklearn]'" in str(told.value)
