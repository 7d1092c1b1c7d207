"""Settings: what is misspelt or out of range is told, with where it stands and what was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.core.errors import InvalidInputError
from tidemill.core.settings import KNOWN, VARIABLES, resolve_settings, variable

TEXT = "# a mill\n[run]\nworkers = 3\ntimeout='x'\n\n[serving]\nlog = 'zz'\n"


def refused(file, environment=None, **options) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as error:
        resolve_settings(file, environment or {}, **options)
    return error.value


def nested(name: str, value: object) -> dict[str, dict[str, object]]:
    section, _, key = name.partition(".")
    return {section: {key: value}}


@pytest.mark.parametrize(
    ("section", "meant"), [("drfit", "drift"), ("gatez", "gates"), ("triger", "trigger")]
)
def test_an_unknown_section_is_refused_with_the_section_that_was_meant(section, meant) -> None:
    error = refused({section: {}})
    assert f"a section '{section}'" in error.what
    assert f"did you mean [{meant}]?" in error.fix


def test_a_section_like_no_other_is_refused_with_a_list_of_all() -> None:
    assert refused({"xyz": {}}).fix.startswith("sections: project, record, audit, run, ")


def test_a_section_that_is_no_table_is_refused() -> None:
    assert "drift in tidemill.toml is 3" in refused({"drift": 3}).what


def test_an_unknown_setting_is_refused_with_its_line_and_the_one_that_was_meant() -> None:
    error = refused({"run": {"wrokers": 3}}, text="[run]\n\nwrokers = 3\n")
    assert "tidemill.toml:3 has a setting 'run.wrokers'" in error.what
    assert error.fix.startswith("did you mean run.workers? settings of this section: run.")


def test_tables_that_a_practice_reads_itself_are_left_to_it() -> None:
    assert resolve_settings({"gates": {"auc": 0.6}, "trigger": [{}]}, {}) == resolve_settings(
        {}, {}
    )


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("serving.log", "zz", "fast or durable"),
        ("serving.max_rows", 0, "a whole number of rows, 1 to 1,000,000"),
        ("serving.threads", 1.5, "a whole number of threads"),
        ("serving.host", "a b", "an address of this machine alone"),
        ("serving.host", "127.0.0.300", "an address of this machine alone"),
        ("serving.host", "0.0.0.0", "an address of this machine alone: 127"),
        ("serving.host", "example.org", "an address of this machine alone"),
        ("serving.host", "", "an address of this machine alone"),
        ("run.workers", 0, "a whole number of steps, 1 to 1,024"),
        ("run.workers", True, "a whole number"),
        ("run.workers", "2", "a whole number"),
        ("run.workers", [2], "a whole number"),
        ("run.timeout", "often", "a length of time like 15m, 1s to 365d"),
        ("run.timeout", "0s", "a length of time"),
        ("run.timeout", 60, "a length of time"),
        ("supervisor.triggers", "1zz", "a length of time like 15m, 1s to 1d or off or empty"),
        ("supervisor.collect", "10ms", "a length of time"),
        ("drift.alarms_per_year", -1, "a number of alarms a year, 0.001 to 365"),
        ("drift.alarms_per_year", float("nan"), "a number"),
        ("drift.alarms_per_year", float("inf"), "a number"),
        ("project.name", "my mill", "a name of letters"),
        ("project.owner", "team:", "NAME or team:NAME"),
        ("project.modules", "a b", "names of modules, by comma"),
        ("project.code", "", "a path"),
        ("record.ledger", 7, "a path"),
        ("project.allow", "a\nb", "text on one line"),
    ],
)
def test_a_value_that_a_setting_does_not_take_is_refused_with_what_it_takes(
    name, value, takes
) -> None:
    error = refused(nested(name, value))
    assert error.what.startswith(f"{name} is {value!r} (tidemill.toml), but it takes {takes}")
    assert f"{name} = " in error.fix


def test_the_line_of_a_wrong_value_is_told() -> None:
    assert "(tidemill.toml:7)" in refused({"serving": {"log": "zz"}}, text=TEXT).what
    dotted = "serving.log = 'zz'\n"
    assert "(tidemill.toml:1)" in refused({"serving": {"log": "zz"}}, text=dotted).what


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.workers", "zz"), ("run.workers", "0"), ("run.workers", "2.0"), ("run.workers", ""),
        ("serving.log", "Fast"), ("drift.alarms_per_year", "nan"), ("run.timeout", "1"),
    ],
)  # fmt: skip
def test_a_wrong_environment_variable_is_told_by_its_name(name, text) -> None:
    error = refused({}, {variable(name): text})
    assert f"{name} is {text!r} (environment variable {variable(name)})" in error.what
    assert error.fix.endswith(f"{variable(name)}={KNOWN[name].default}")


def test_a_wrong_value_of_the_file_is_told_also_where_a_variable_hides_it() -> None:
    assert (
        "run.workers is 0" in refused({"run": {"workers": 0}}, {"TIDEMILL_RUN_WORKERS": "2"}).what
    )


def test_a_variable_goes_before_the_file_and_both_before_the_default() -> None:
    found = resolve_settings(
        {"run": {"workers": 3, "timeout": "2h"}}, {"TIDEMILL_RUN_WORKERS": "4"}, text=TEXT
    ).values
    assert (found["run.workers"].value, found["run.timeout"].value) == (4, "2h")
    assert [found[name].origin for name in ("run.workers", "run.timeout", "serving.log")] == [
        "environment variable TIDEMILL_RUN_WORKERS", "tidemill.toml:4", "default",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("TIDEMILL_RUN_WORKER", "TIDEMILL_RUN_WORKERS"),
        ("TIDEMILL_ACTR", "TIDEMILL_ACTOR"),
        ("TIDEMILL_SERVING_MAXROWS", "TIDEMILL_SERVING_MAX_ROWS"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_one_that_was_meant(name, meant) -> None:
    error = refused({}, {name: "1"})
    assert f"the environment variable {name} is none that tidemill knows" in error.what
    assert error.fix.startswith(f"did you mean {meant}?")


def test_variables_of_ours_and_those_of_others_are_let_be() -> None:
    ours = dict.fromkeys(VARIABLES, "ada")
    kubernetes = {
        "TIDEMILL_SERVICE_HOST": "10.0.0.1", "TIDEMILL_PORT": "tcp://10.0.0.1:80",
        "TIDEMILL_PORT_80_TCP_ADDR": "10.0.0.1", "TIDEMILL_SERVICE_PORT_HTTP": "80",
    }  # fmt: skip
    others = {**ours, **kubernetes, "TIDEMILLER": "x", "PATH": "/bin"}
    assert resolve_settings({}, others) == resolve_settings({}, {})


def test_every_default_is_what_its_setting_takes() -> None:
    for name, known in KNOWN.items():
        assert known.takes.read(known.default) == known.default, name


@given(st.sampled_from(sorted(KNOWN)), st.text() | st.integers() | st.floats() | st.booleans())
def test_whatever_is_given_is_taken_as_its_type_or_refused(name, value) -> None:
    try:
        found = resolve_settings(nested(name, value), {}).values[name].value
    except InvalidInputError:
        return
    assert type(found) is type(KNOWN[name].default)
    assert found == value


def test_gates_have_no_variables_and_that_is_said() -> None:
    with pytest.raises(InvalidInputError) as told:
        resolve_settings({}, {"TIDEMILL_GATES_MIN_AUC": "0.7"})
    assert "[gates] of tidemill.toml has no environment variables" in told.value.what
    assert "set min_auc under [gates] in tidemill.toml, and unset TIDEMILL_GATES_MIN_AUC" in (
        told.value.fix
    )
