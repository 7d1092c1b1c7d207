"""A model's folder is looked at before it is copied."""

from pathlib import Path

import pytest
from made_models import MAKERS

from tidemill.core.errors import CorruptError, InvalidInputError
from tidemill.practices.versioning.model_adding import _require_own_files


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
