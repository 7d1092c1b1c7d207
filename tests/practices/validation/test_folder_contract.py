"""A folder contract is asked before anything is added, and whenever one asks again."""

import pytest

from tidemill.core.errors import CheckFailedError, InvalidInputError, NotFoundError
from tidemill.practices.validation.folder_contract import FolderContract
from tidemill.practices.validation.operations import add_data, check_data

PICTURES = """
import tidemill as tm


class Pictures(tm.FolderContract):
    suffixes = (".png", ".JPG")
    files = (2, 5)
    size_bytes = (1, 10)
    folders = ("cats",)
"""


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    (made / "cats").mkdir(parents=True)
    for name in ("cats/a.png", "b.jpg"):
        (made / name).write_bytes(b"12345")
    return made


def test_what_holds_is_added_with_its_verdict(project, folder) -> None:
    record = project(PICTURES)
    added = add_data(record, "pictures", str(folder))
    assert added.state == "pass"
    assert [one.rule for one in added.findings] == ["files", "suffixes", "size_bytes", "folders"]
    assert check_data(record, "pictures").has_passed


@pytest.mark.parametrize(
    ("name", "data", "rule"),
    [("c.gif", b"1", "suffixes"), ("c.png", b"", "size_bytes"), ("c.png", b"x" * 11, "size_bytes")],
)
def test_what_breaks_a_rule_is_refused_and_named(project, folder, name, data, rule) -> None:
    record = project(PICTURES)
    (folder / name).write_bytes(data)
    with pytest.raises(CheckFailedError, match=rf"{rule}: 1 file: {name}"):
        add_data(record, "pictures", str(folder))
    with pytest.raises(NotFoundError):
        check_data(record, "pictures")


def test_too_few_files_and_missing_folders_are_told_together(project, folder) -> None:
    record = project(PICTURES)
    (folder / "cats/a.png").unlink()
    with pytest.raises(CheckFailedError, match=r"files: 1 file.*folders: cats missing"):
        add_data(record, "pictures", str(folder))


def test_without_a_contract_a_folder_is_added_and_a_check_says_what_to_write(
    project, folder
) -> None:
    record = project()
    assert add_data(record, "texts", str(folder)).state is None
    with pytest.raises(NotFoundError, match="no folder contract"):
        check_data(record, "texts")


def test_a_word_that_means_nothing_is_told() -> None:
    with pytest.raises(InvalidInputError, match="did you mean suffixes") as caught:
        type("Wrong", (FolderContract,), {"suffix": (".png",)})
    assert "suffix" in caught.value.what
