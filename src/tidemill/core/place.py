"""Where something is kept, as a setting names it: a path, or a URL that never holds a secret."""

import re
from collections.abc import Mapping

from tidemill.core.errors import InvalidInputError

_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_SECRET_OPTION = re.compile(r"[?&](\w*(?:password|passwd|secret|token)\w*)=", re.IGNORECASE)

SECRETS: Mapping[str, str] = {
    "postgresql": "PGPASSWORD in the environment (or a line in ~/.pgpass)",
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment",
}
"""By scheme, where its secrets are read from instead."""


def scheme_of(place: str) -> str:
    """Return the scheme of a URL; empty: it is a path.

    >>> scheme_of("postgresql://db.example.org/mill"), scheme_of(".tidemill/ledger.db")
    ('postgresql', '')
    """
    found = _URL.match(place)
    return found["scheme"] if found else ""


def refuse_secret(place: str, name: str, origin: str) -> None:
    """Refuse a URL that holds a password or the like; the error does not repeat it.

    Args:
        place: a path or a URL.
        name: the setting that it is given to.
        origin: where it was given.

    Raises:
        InvalidInputError: a user is followed by a password, or an option is named like a secret.
    """
    found = _URL.match(place)
    if found is None:
        return
    head, mark, options = found["rest"].partition("?")
    user = head.rpartition("@")[0]
    option = _SECRET_OPTION.search(mark + options)
    if ":" not in user and option is None:
        return
    what = f"the option {option[1]}" if option else "a password"
    where = SECRETS.get(found["scheme"], "its variable in the environment")
    raise InvalidInputError(
        f"{name} ({origin}) is a URL with {what} in it, which everybody could read there",
        fix=f"take it out of the URL and give it by {where}",
    )
