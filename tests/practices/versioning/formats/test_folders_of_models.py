"""A model's folder is looked at before it is copied."""

import json
import shutil
from pathlib import Path

import pytest
from made_models import MAKERS

from tidemill.core.errors import CorruptError, InvalidInputError
from tidemill.practices.versioning.loading import LoadingProcess
from tidemill.practices.versioning.loading_messages import Ask
from tidemill.practices.versioning.model_adding import (
    _require_own_files,
    card_summary,
    model_types,
)
from tidemill.practices.versioning.operations import add_model

SIDE_FILES = {
    "lightgbm-text": ("model.json", "classes.json"), "onnx": ("classes.json",),
    "skops": ("types.json",), "python": ("python.json",), "torch-state": ("module.json",),
}  # fmt: skip
DAMAGE = ("{bad", "null", "[1,2]", b"\xff\xfe", b'{"format": "\xff"}', None)
"""None: a folder lies there."""


def test_a_link_in_a_models_folder_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    MAKERS["lightgbm-text"]("regression").save(folder)
    _require_own_files(folder)
    outside = tmp_path / "secret"
    outside.write_text("s")
    (folder / "extra").symlink_to(outside)
    with pytest.raises(InvalidInputError, match="extra is a link"):
        _require_own_files(folder)


def test_a_folder_without_a_card_is_not_walked(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    with pytest.raises(CorruptError, match=r"model\.json"):
        _require_own_files(tmp_path)


def damaged(folder: Path, name: str, content: str | bytes | None) -> None:
    (folder / name).unlink()
    if content is None:
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


@pytest.mark.parametrize("name", SIDE_FILES)
def test_every_damaged_side_file_is_told_by_its_name(name: str, tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "model"
    whole.mkdir()
    MAKERS[name]("multiclass").save(whole)
    with LoadingProcess() as process:
        for side in SIDE_FILES[name]:
            for content in DAMAGE:
                shutil.copytree(whole, folder)
                damaged(folder, side, content)
                with pytest.raises(CorruptError, match=side.replace(".", r"\.")):
                    process.ask(Ask(do="read", folder=str(folder), allow_code=True))
                shutil.rmtree(folder)


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_list_of_types_is_an_error_where_it_is_shown(
    content: str | bytes | None, tmp_path: Path
) -> None:
    MAKERS["skops"]("binary").save(tmp_path)
    damaged(tmp_path, "types.json", content)
    for shown in (card_summary, model_types):
        with pytest.raises(CorruptError, match=r"types\.json"):
            shown(tmp_path)


@pytest.mark.parametrize(
    ("listed", "told"),
    [
        (["totally.harmless"], "lacks sklearn.tree._tree.Tree"),
        ([], "lacks sklearn.tree._tree.Tree"),
        (["sklearn.tree._tree.Tree", "totally.harmless"], "not in the archive: totally.harmless"),
        (None, "lacks sklearn.tree._tree.Tree"),
    ],
)
def test_types_that_are_not_the_archive_s_are_refused(
    listed: list[str] | None, told: str, tmp_path: Path, record
) -> None:
    MAKERS["skops"]("binary").save(tmp_path)
    if listed is None:
        (tmp_path / "types.json").unlink()
    else:
        (tmp_path / "types.json").write_text(json.dumps(listed))
    with pytest.raises(CorruptError, match=told):
        add_model(record, "lie", str(tmp_path))


def test_a_folder_named_like_code_is_no_code(tmp_path: Path, record) -> None:
    MAKERS["skops"]("binary").save(tmp_path)
    (tmp_path / "code" / "a.py").mkdir(parents=True)
    assert add_model(record, "odd", str(tmp_path)).version == "model:odd@1"
