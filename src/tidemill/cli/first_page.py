"""The first page of help; needs the index alone, so that it is there in a blink."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from tidemill.dispatch.index import OFFERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.dispatch.index import Offer

_FIRST = """\
tidemill: one record of data, code, runs, models and what serves, on one machine or many.

  tidemill init mill                            a project that runs, from a template
  tidemill run delay --until 2013-04-01         run a pipeline; what is known is not run again
  tidemill why model:delay@champion             what made it, back to the rows
"""
_LAST = """\
REF is KIND:NAME[@NUMBER|@ALIAS|@DATE|@DIGEST], or run:ID, prediction:ID.
-C DIR works on another project, --json answers with one JSON value, --debug shows where an error
came from. `tidemill COMMAND --help` has examples. Exit codes: 0 done, 1 our fault, 2 usage,
3 check failed, 4 not found, 5 invalid input, 6 conflict, 7 not allowed, 8 unavailable, 130 stopped.
"""
_ANY = "tidemill.lineage.operations"
_WIDTH = 98


def version() -> str:
    """Return the installed version."""
    from importlib.metadata import version as installed  # noqa: PLC0415 - 14 ms

    return installed("tidemill")


def first_page() -> str:
    """Return the first page."""
    known = [offer for offer in OFFERS if "cli" in offer.faces]
    single = [offer for offer in known if len(offer.command) == 1]
    verbs = [offer for offer in single if offer.room == _ANY]
    daily = [offer for offer in single if offer.room != _ANY]
    nouns: dict[str, list[str]] = defaultdict(list)
    for offer in known:
        if len(offer.command) > 1:
            nouns[offer.command[0]].append(offer.command[1])
    parts = [
        _FIRST,
        _listed("For any kind of thing", verbs),
        _listed("Every day", daily),
        "Each thing\n" + "".join(f"  {n:<12}{' '.join(v)}\n" for n, v in sorted(nouns.items())),
        _LAST,
    ]
    return "\n".join(parts)


def _listed(title: str, found: Sequence[Offer]) -> str:
    lines = [f"  {offer.command[0]:<12}{offer.summary}" for offer in found]
    return cut("\n".join([title, *lines]))


def cut(text: str) -> str:
    """Return a text with its long lines cut, and a line end at its end."""
    return "".join(
        (line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…") + "\n"
        for line in text.split("\n")
    )
