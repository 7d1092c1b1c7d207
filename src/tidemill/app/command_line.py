"""Entry of the command line: `tidemill ...`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.cli.first_page import first_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.dispatch.call import RoleOf
    from tidemill.lineage.record import Record, Tell


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    typed = list(sys.argv[1:] if arguments is None else arguments)
    if typed in ([], ["--help"], ["-h"]):
        sys.stdout.write(first_page())
        return 0
    from tidemill.cli.main import run  # noqa: PLC0415 - the first page needs none of it

    return run(typed, open_for)


def open_for(
    folder: str | None, tell: Tell, *, needs_project: bool, begins: bool = False
) -> tuple[Record, RoleOf]:
    """Return the record that a command works on, and who may do what in it."""
    from tidemill.app.places import open_record, role_of  # noqa: PLC0415 - not for --help

    start = Path(folder) if folder else None
    record = open_record(start, tell=tell, needs_project=needs_project, begins=begins)
    return record, role_of


if __name__ == "__main__":
    sys.exit(main())
