"""What a lock says, also where it is damaged."""

import pytest

from tidemill.core.errors import InvalidInputError
from tidemill.practices.delivery.locked_packages import locked_packages


def test_a_lock_of_uv_tells_the_version_of_each_package() -> None:
    text = b'version = 1\n[[package]]\nname = "polars"\nversion = "2.1.0"\n'
    assert locked_packages("uv", text) == {"polars": "2.1.0"}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (b'version = 1\n[[package]\nname = "polars"\n', "line 2"),
        (b'version = 1\n\nname = "\xff"\n', "line 3"),
        (b'version = 1\npackage = "polars"\n', "package"),
        (b"package = 3\n", "package"),
        (b"[[package]]\nversion = '1'\n", "package"),
    ],
)
def test_a_damaged_lock_names_the_file_the_line_and_the_fix(text: bytes, where: str) -> None:
    with pytest.raises(InvalidInputError, match=r"uv\.lock is damaged") as raised:
        locked_packages("uv", text)
    assert where in raised.value.what
    assert "uv lock" in raised.value.fix
