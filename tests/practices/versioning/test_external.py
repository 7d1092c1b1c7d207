"""Data that stay where they are: the version says so, and is not used when they have changed."""

import os

import pytest

from tidemill.core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UsageError,
)
from tidemill.lineage.explain import explained
from tidemill.lineage.search import listed_refs
from tidemill.lineage.show import shown
from tidemill.practices.governance.operations import verify_audit
from tidemill.practices.validation.operations import add_data, check_data
from tidemill.practices.versioning.data import scan_data
from tidemill.practices.versioning.external import ExternalData, looked_at, verified
from tidemill.practices.versioning.operations import get_data


@pytest.fixture
def lake(project):
    folder = project / "lake"
    folder.mkdir()
    (folder / "a.csv").write_text("x\n1\n")
    (folder / "b.csv").write_text("x\n2\n")
    return folder


def test_everything_says_that_they_are_not_held(record, lake) -> None:
    added = add_data(record, "lake", str(lake), external=True)
    assert (added.shape, added.files) == ("external", 2)
    assert not add_data(record, "lake", str(lake), external=True).is_new
    assert "external, not held" in str(added)
    assert "external, not held" in str(shown(record, "data:lake"))
    assert "external, not held" in str(listed_refs(record, "data", record.project, 10).items)
    assert "external, not held: lake" in str(explained(record, "data:lake", 5))
    audit = verify_audit(record)
    assert audit.external == ("data:lake@1",)
    assert not audit.problems
    assert "not held" in str(audit)
    objects = record.ports.objects
    assert all(b"".join(objects.get(digest)) != b"x\n1\n" for digest, _ in objects.all())
    for use in (lambda: get_data(record, "lake", out="x.csv"), lambda: scan_data(record, "lake")):
        with pytest.raises(InvalidInputError, match="external, not held"):
            use()


@pytest.mark.parametrize("is_hashed", [False, True])
def test_a_change_is_named(project, lake, is_hashed) -> None:
    known = looked_at("lake", project, is_hashed=is_hashed)
    assert verified(known, project) == lake
    (lake / "a.csv").write_text("x\n12\n")
    (lake / "c.csv").write_text("x\n")
    with pytest.raises(ConflictError, match=r"a\.csv has 5 bytes instead of 4") as caught:
        verified(known, project, "data:lake@1")
    assert "c.csv is new" in caught.value.what or "1 more" in caught.value.what
    (lake / "c.csv").unlink()
    (lake / "a.csv").unlink()
    with pytest.raises(ConflictError, match=r"a\.csv is gone"):
        verified(known, project)


def test_digests_see_what_sizes_and_times_do_not(project, lake) -> None:
    state = (lake / "a.csv").stat()
    by_time = looked_at("lake", project, is_hashed=False)
    by_digest = looked_at("lake", project, is_hashed=True)
    (lake / "a.csv").write_text("x\n3\n")
    os.utime(lake / "a.csv", ns=(state.st_atime_ns, state.st_mtime_ns))
    verified(by_time, project)
    with pytest.raises(ConflictError, match="other bytes"):
        verified(by_digest, project)
    (lake / "a.csv").write_text("x\n1\n")
    verified(by_digest, project)  # written again with the same bytes
    with pytest.raises(ConflictError, match="written since"):
        verified(by_time, project)


def test_a_check_compares_with_what_was_recorded(record, lake) -> None:
    add_data(record, "lake", str(lake), external=True)
    assert check_data(record, "lake").has_passed
    (lake / "a.csv").unlink()
    verdict = check_data(record, "lake")
    assert not verdict.has_passed
    assert "a.csv is gone" in verdict.findings[0].what


def test_files_and_globs_are_places_too(record, lake) -> None:
    assert add_data(record, "one", str(lake / "a.csv"), external=True).files == 1
    assert add_data(record, "some", "lake/*.csv", external=True, hash_=True).files == 2
    with pytest.raises(NotFoundError, match="nothing at"):
        add_data(record, "none", "lake/*.parquet", external=True)


def test_a_url_is_recorded_as_its_state_is_said_and_never_read(record, project) -> None:
    with pytest.raises(InvalidInputError, match="nothing here can look") as caught:
        add_data(record, "s3", "s3://bucket/lake", external=True)
    assert "--snapshot" in caught.value.fix
    added = add_data(record, "s3", "s3://bucket/lake", external=True, snapshot="v7")
    assert added.is_new
    with pytest.raises(UnavailableError, match="nothing here can read"):
        verified(ExternalData(place="s3://bucket/lake", shape="url", snapshot="v7"), project)
    assert check_data(record, "s3").state == "not_run"


def test_held_and_not_held_are_not_mixed_under_one_name(record, lake) -> None:
    add_data(record, "held", str(lake))
    with pytest.raises(InvalidInputError, match="is a table that is held"):
        add_data(record, "held", str(lake), external=True)
    add_data(record, "lake", str(lake), external=True)
    with pytest.raises(InvalidInputError, match="external, not held"):
        add_data(record, "lake", str(lake))
    with pytest.raises(UsageError, match="--hash"):
        add_data(record, "more", str(lake), hash_=True)
