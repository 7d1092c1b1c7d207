"""A name without its kind is answered with the refs that it may mean."""

import polars as pl
import pytest

from tidemill.app.places import open_record
from tidemill.core.errors import InvalidInputError
from tidemill.lineage.targets import find_target
from tidemill.practices.versioning.data import ingest


@pytest.fixture
def record(tmp_path):
    (tmp_path / "tidemill.toml").write_text('[project]\nname = "shop"\n')
    opened = open_record(tmp_path, environment={"TIDEMILL_ACTOR": "ada"})
    ingest(opened, "orders", pl.DataFrame({"n": [1]}))
    yield opened
    opened.ports.close()


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("orders", "did you mean data:orders?"),
        ("ordrs@1", "did you mean data:orders@1?"),
        ("unlike", "write KIND:NAME, like data:unlike; tidemill list shows what there is"),
    ],
)
def test_a_bare_name_is_answered_with_the_ref_that_it_means(record, text, fix) -> None:
    with pytest.raises(InvalidInputError) as caught:
        find_target(record, text)
    assert caught.value.fix == fix


def test_a_version_is_found_by_its_artifact_s_whole_id(record) -> None:
    version = find_target(record, "data:orders").version
    assert find_target(record, f"data:orders@{version.artifact}").version == version
