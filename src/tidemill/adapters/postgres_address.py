"""The URL of a record in PostgreSQL: what libpq connects by, and how people read it.

`postgresql://USER@HOST:PORT/DATABASE?schema=NAME&sslmode=verify-full&...`: everything but `schema`
is libpq's own, several hosts and `PGHOST`, `PGUSER`, `PGPASSWORD`, `~/.pgpass` too.
Source: postgresql.org/docs/current/libpq-connect.html, 32.1.1.2 "Connection URIs".
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
import psycopg
from psycopg import conninfo, pq

from tidemill.core.errors import InvalidInputError
from tidemill.core.place import refuse_secret

SCHEMA = "tidemill"
"""The schema of a record whose URL names none."""

_SCHEMA = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_SESSION = {
    "statement_timeout": "120s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "5s",  # of a process that was stopped in the middle
}
_LINK = {
    "connect_timeout": "10", "keepalives_idle": "10", "keepalives_interval": "5",
    "keepalives_count": "3", "tcp_user_timeout": "20000", "application_name": "tidemill",
    "client_encoding": "UTF8",
}  # fmt: skip


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where a record is. `shown` names host, port and database, and never a secret."""

    conninfo: str
    schema: str
    shown: str

    def __str__(self) -> str:
        return self.shown


def address_of(url: str) -> Address:
    """Return the address that a URL means.

    Raises:
        InvalidInputError: libpq cannot read it, it holds a secret, or no schema has that name.
    """
    refuse_secret(url, "record.ledger", "the address of the record")
    head, _, options = url.partition("?")
    given = parse_qsl(options, keep_blank_values=True)
    schema = dict(given).get("schema", SCHEMA)
    if _SCHEMA.fullmatch(schema) is None:
        raise InvalidInputError(
            f"{schema!r} cannot be the schema of a record",
            fix="use lower-case letters, digits and '_': postgresql://HOST/DATABASE?schema=mill",
        )
    rest = urlencode([(key, value) for key, value in given if key != "schema"], quote_via=quote)
    try:
        parts = conninfo.conninfo_to_dict(f"{head}?{rest}" if rest else head)
    except psycopg.Error as error:
        raise InvalidInputError(
            f"the record's address {head} cannot be read: {str(error).splitlines()[0]}",
            fix="write it as postgresql://USER@HOST:PORT/DATABASE?schema=NAME",
        ) from None
    session = _SESSION | {"search_path": schema}
    ours = " ".join(f"-c {key}={value}" for key, value in session.items())
    link = _LINK | {key: str(value) for key, value in parts.items() if value is not None}
    link["options"] = f"{link.get('options', '')} {ours}".strip()
    return Address(
        conninfo=conninfo.make_conninfo("", **link), schema=schema, shown=_shown(link, schema)
    )


def _shown(link: dict[str, str], schema: str) -> str:
    defaults = {
        option.keyword.decode(): option.val.decode()
        for option in pq.Conninfo.get_defaults()
        if option.val
    }
    known = defaults | link
    host = known.get("host") or known.get("hostaddr") or "this machine"
    database = known.get("dbname") or known.get("user", "")
    within = "" if schema == SCHEMA else f", schema {schema}"
    return f"database {database} of PostgreSQL at {host}:{known.get('port', '5432')}{within}"
