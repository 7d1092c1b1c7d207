"""What exists is documented: settings, bounds of gates, keys of triggers, practices, ports."""

from pathlib import Path

from tidemill.core.settings import KNOWN, VARIABLES
from tidemill.practices.integration.bounds import Bounds
from tidemill.practices.training.trigger import Trigger

ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()


def test_the_table_of_settings_is_what_the_settings_say() -> None:
    rows = []
    for name, known in KNOWN.items():
        default = f"`{known.default}`" if known.default != "" else ""
        rows.append(f"| `{name}` | {default} | {known.takes} | {known.what} |")
    table = "\n".join(["| setting | default | takes | what |", "| --- | --- | --- | --- |", *rows])
    assert table in CONFIGURATION, f"docs/configuration.md needs this table:\n{table}"


def test_every_environment_variable_is_in_the_documentation() -> None:
    rows = [f"| `{name}` | {what} |" for name, what in VARIABLES.items()]
    assert [row for row in rows if row not in CONFIGURATION] == []


def test_every_bound_of_the_gates_is_in_the_documentation() -> None:
    bounds = set(Bounds.__struct_fields__) - {"metrics", "asks_for_slices"}
    missing = [n for n in bounds if n not in CONFIGURATION]
    assert missing == []


def test_every_key_of_a_trigger_is_in_the_documentation() -> None:
    assert [n for n in Trigger.__struct_fields__ if f"{n} =" not in CONFIGURATION] == []


def test_every_practice_and_floor_is_in_the_architecture_page() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    practices = [p.name for p in (ROOT / "src/tidemill/practices").iterdir() if p.is_dir()]
    floors = [p.name for p in (ROOT / "src/tidemill").iterdir() if p.is_dir()]
    assert [n for n in practices + floors if n != "__pycache__" and n not in page] == []
