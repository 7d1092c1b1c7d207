"""Settings of the project file: what is misspelt is told, with what was probably meant."""

import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.core.settings import resolve_settings


@pytest.mark.parametrize(
    ("section", "meant"), [("drfit", "drift"), ("gatez", "gates"), ("triger", "trigger")]
)
def test_an_unknown_section_is_refused_with_the_section_that_was_meant(section, meant) -> None:
    with pytest.raises(InvalidInputError, match=f"a section '{section}'") as refused:
        resolve_settings({section: {}}, {})
    assert f"did you mean [{meant}]?" in refused.value.fix


def test_a_section_like_no_other_is_refused_with_a_list_of_all() -> None:
    with pytest.raises(InvalidInputError) as refused:
        resolve_settings({"xyz": {}}, {})
    assert refused.value.fix.startswith("sections: project, record, run, ")


def test_a_section_that_is_no_table_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"drift in tidemill\.toml is 3"):
        resolve_settings({"drift": 3}, {})


def test_tables_that_a_practice_reads_itself_are_left_to_it() -> None:
    assert resolve_settings({"gates": {"auc": 0.6}, "trigger": [{}]}, {}) == resolve_settings(
        {}, {}
    )
