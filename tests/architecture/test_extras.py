"""Every place that names the extra which brings a library names the same one."""

import re
from pathlib import Path

import tidemill
from tidemill.practices.infrastructure.project import _EXTRAS

SOURCE = Path(tidemill.__file__).parent


def test_formats_and_the_table_of_extras_agree() -> None:
    found = {
        (match[1].partition(".")[0], match[2])
        for path in SOURCE.rglob("*.py")
        for match in re.finditer(r'library\(\s*"([\w.]+)", "(\w+)"\s*\)', path.read_text())
    }
    assert len(found) > 5
    assert [pair for pair in found if _EXTRAS.get(pair[0], pair[1]) != pair[1]] == []
