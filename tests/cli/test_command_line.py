"""The command line in real processes: answers, exit codes, ordinary mistakes, what it loads."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tidemill.cli.options import rest_of
from tidemill.cli.pages import command as page
from tidemill.dispatch.parameters import parameters
from tidemill.dispatch.registry import all_operations
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.writing import opened

MISTAKES = [
    # typed, exit code, error code, what the answer must hold
    (["lst"], 2, "TM100", "did you mean `tidemill list`"),
    (["hlep"], 2, "TM100", "there is no command"),
    (["config", "shw"], 2, "TM100", "did you mean `tidemill config show`"),
    (["why"], 2, "TM100", "Missing argument 'REF'"),
    (["why", "a", "b"], 2, "TM100", "unexpected extra argument"),
    (["list", "--limit", "many"], 2, "TM100", "'many' is not a valid integer"),
    (["list", "--limt", "3"], 2, "TM100", "No such option"),
    (["list", "--limit"], 2, "TM100", "requires an argument"),
    (["deploy", "model:x", "--at", "yesterday"], 2, "TM100", "not a date or time"),
    (["why", "delay"], 5, "TM400", "write KIND:NAME"),
    (["why", "model:"], 5, "TM400", "does not point at anything"),
    (["show", "run:12"], 5, "TM400", "too short"),
    (["diff", "data:flights", "run:"], 5, "TM400", "does not point at anything"),
    (["show", "run:0123456789"], 4, "TM300", "tidemill list run"),
    (["show", "td1:0123456789"], 4, "TM300", "no artifact"),
    (["why", "data:fligths"], 4, "TM300", "did you mean data:flights?"),
    (["show", "dta:flights"], 4, "TM300", "did you mean data:flights?"),
    (["deploy", "flights"], 4, "TM300", "did you mean data:flights?"),
    (["promote", "flights", "champion"], 5, "TM400", "did you mean data:flights?"),
    (["promote", "data:flights", "champiön"], 5, "TM400", "a to z, 0 to 9"),
    (["show", "data:flights@9"], 4, "TM300", "numbers 1 to 1"),
    (["show", "data:flights@prod"], 4, "TM300", "aliases: none"),
    (["list", "modle"], 4, "TM300", "did you mean model?"),
    (["rm", "data:flights"], 7, "TM600", "--because"),
    (["-C", "no/such/folder", "list"], 4, "TM300", "there is no folder"),
    (["init", "."], 6, "TM500", "is a project already"),
    (["init", "a b"], 5, "TM400", "cannot be the name"),
]


@pytest.fixture(autouse=True)
def _flights(record):
    with opened(record, kind="ingestion", name="flights", because="the first month") as run:
        artifact = run.made(put_value(record, "rows", ["a"]))
        from tidemill.core.ref import RefName

        run.version(RefName(kind="data", project="mill", name="flights"), artifact)


@pytest.mark.parametrize(
    ("typed", "exit_code", "code", "holds"), MISTAKES, ids=[" ".join(m[0]) for m in MISTAKES]
)
def test_an_ordinary_mistake_gets_one_block_with_a_fix(
    tidemill, typed, exit_code, code, holds
) -> None:
    answer = tidemill(*typed)
    assert answer.returncode == exit_code, answer.stderr
    assert answer.stdout == ""
    assert answer.stderr.startswith(f"{code}: ")
    assert "\n  fix: " in answer.stderr
    assert holds in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_result_goes_to_standard_output_alone(tidemill) -> None:
    answer = tidemill("list")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "data:flights@1" in answer.stdout


def test_json_is_the_result_itself(tidemill) -> None:
    for typed in (["--json", "list"], ["list", "--json"]):
        answer = json.loads(tidemill(*typed).stdout)
        assert answer["items"][0]["name"] == "data:flights@1"


def test_a_json_error_is_one_value_on_standard_output(tidemill) -> None:
    answer = tidemill("show", "data:nothing", "--json")
    assert answer.returncode == 4
    assert answer.stderr == ""
    error = json.loads(answer.stdout)["error"]
    assert error["code"] == "TM300"
    assert error["what"]
    assert error["fix"]


def test_debug_shows_where_an_error_came_from(tidemill) -> None:
    assert "Traceback" in tidemill("show", "data:nothing", "--debug").stderr


def test_without_a_project_the_fix_is_init(tidemill, tmp_path) -> None:
    answer = tidemill("list", cwd=tmp_path)
    assert answer.returncode == 4
    assert "tidemill init ." in answer.stderr


def test_a_project_is_found_from_a_folder_below_and_by_option(tidemill, project, tmp_path) -> None:
    below = project / "a" / "b"
    below.mkdir(parents=True)
    assert "data:flights" in tidemill("list", cwd=below).stdout
    assert "data:flights" in tidemill("-C", str(project), "list", cwd=tmp_path).stdout
    assert "data:flights" in tidemill("list", "-C", str(project), cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("[project\n", "line 1, column 9"),
        ('[project]\nnmae = "x"\n', "project.nmae"),
        ('[run]\nworkers = "two"\n', "run.workers is 'two'"),
    ],
)
def test_a_broken_project_file_is_told_by_line_or_setting(tidemill, project, text, holds) -> None:
    (project / "tidemill.toml").write_text(text)
    answer = tidemill("list")
    assert answer.returncode == 5
    assert holds in answer.stderr


def test_a_setting_of_the_environment_is_told_by_its_name(tidemill) -> None:
    answer = tidemill("config", "show", TIDEMILL_RUN_WORKERS="many")
    assert answer.returncode == 5
    assert "TIDEMILL_RUN_WORKERS" in answer.stderr


def test_a_folder_that_cannot_be_written_is_unavailable(tidemill, project, tmp_path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "tidemill.toml").write_text("")
    (blocked / ".tidemill").write_text("a file stands where the folder should be")
    answer = tidemill("list", cwd=blocked)
    assert answer.returncode == 8
    assert "Traceback" not in answer.stderr


def test_what_nobody_expected_is_our_fault_and_names_a_log_file(tidemill, project) -> None:
    (project / ".tidemill" / "ledger.db").unlink()
    (project / ".tidemill" / "ledger.db").mkdir()
    answer = tidemill("list")
    if answer.returncode == 1:
        (file,) = re.findall(r"report (\S+),", answer.stderr)
        assert "Traceback" in Path(file).read_text()
    else:
        assert answer.returncode == 8


def test_a_reader_that_goes_away_is_no_error(project) -> None:
    code = f"'{sys.executable}' -m tidemill.app.command_line list --json | head -c 1; echo $?"
    answer = subprocess.run(
        ["bash", "-o", "pipefail", "-c", code], cwd=project, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert answer.stderr == ""
    assert answer.stdout == "{0\n"


SLEEPER = """
import os, signal, sys
from tidemill.cli import main as cli
from tidemill.core.operation import Operation

def wait(record) -> str:
    '''Wait for a signal.'''
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    signal.pause()

import tidemill.cli.commands as commands
commands.operation_at = lambda words: Operation(function=wait, command=("wait",))
from tidemill.app.command_line import open_for
sys.exit(cli.run(["wait"], open_for))
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_command_says_that_work_is_kept(project, name) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", SLEEPER, name], cwd=project, capture_output=True, text=True,
        check=False, timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert answer.returncode == 130
    assert "what had finished is kept" in answer.stderr


def test_the_first_page_fits_a_screen_and_names_every_command(tidemill) -> None:
    answer = tidemill("--help")
    assert answer.returncode == 0
    assert tidemill().stdout == answer.stdout
    assert len(answer.stdout.splitlines()) <= 66
    assert max(map(len, answer.stdout.splitlines())) <= 100
    words = set(re.findall(r"[a-z]+", answer.stdout))
    wanted = {w for one in all_operations() if "cli" in one.faces for w in one.command}
    assert {part for word in wanted for part in word.split("-")} <= words


@pytest.mark.parametrize(
    "operation", [one for one in all_operations() if "cli" in one.faces],
    ids=lambda one: " ".join(one.command),
)  # fmt: skip
def test_a_command_s_page_fits_a_screen_and_begins_with_examples(operation) -> None:
    text = page(operation, parameters(operation))
    lines = text.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 120
    assert lines[2].startswith("  ")
    assert text.index(" ".join(operation.command)) < text.index("Usage:")


def test_a_noun_lists_its_verbs(tidemill) -> None:
    answer = tidemill("config")
    assert "config show" in answer.stdout + answer.stderr


def test_the_version_is_told(tidemill) -> None:
    assert re.fullmatch(r"tidemill \d+\.\d+\S*\n", tidemill("--version").stdout)


def test_free_options_are_kept_apart_from_known_ones() -> None:
    import click

    known = [click.Option(["--plan"], is_flag=True), click.Option(["--at"])]
    kept, free = rest_of(
        ["delay", "--until", "2013-04-01", "--plan", "--at", "x", "--shift=-3", "--dry-run",
         "--held-out", "-1"], known,
    )  # fmt: skip
    assert kept == ["delay", "--plan", "--at", "x"]
    assert free == {"until": "2013-04-01", "shift": "-3", "dry_run": "true", "held_out": "-1"}


HEAVY = "{'numpy', 'polars', 'jinja2', 'lightgbm', 'uvicorn', 'lmdb', 'sqlite3', 'click'}"


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("import tidemill", set()),
        ("from tidemill.app.command_line import main; main(['--help'])", set()),
        ("from tidemill.app.command_line import main; main(['list', '--help'])", {"click"}),
        ("from tidemill.app.command_line import main; main(['config', 'show'])", {"click"}),
        ("from tidemill.app.command_line import main; main(['list'])", {"click", "sqlite3"}),
        ("import tidemill; tidemill.show", set()),
    ],
)
def test_a_start_loads_only_what_it_needs(project, code, allowed) -> None:
    script = f"import sys; {code}; print('|', sorted(set(sys.modules) & {HEAVY}))"
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=project, capture_output=True, text=True, check=True,
        env={**os.environ, "TIDEMILL_ACTOR": "ada"},
    )  # fmt: skip
    loaded = set(re.findall(r"'(\w+)'", answer.stdout.rpartition("|")[2]))
    assert loaded <= allowed
