"""The ledger's tables as numbered migrations, in SQL that SQLite and PostgreSQL both take.

Ids are integers inside: `node` interns the names of runs and artifacts, so that an edge is three
numbers. Times are microseconds since 1970 (`_us`), mappings canonical JSON. A migration that has
been released is never edited; a change is a new one at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.adapters.sql_dialect import statements
from tidemill.core.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidemill.adapters.sql_dialect import Dialect, Session

_FIRST = """
CREATE TABLE node (id {serial}, name {text} NOT NULL UNIQUE);

CREATE TABLE artifact (
    node {number}, kind {text} NOT NULL, size_bytes BIGINT NOT NULL, manifest {text},
    inline {bytes}, summary {json} NOT NULL
);
CREATE INDEX artifact_by_kind ON artifact (kind);
CREATE INDEX artifact_by_manifest ON artifact (manifest) WHERE manifest IS NOT NULL;

CREATE TABLE run (
    node {number}, kind {text} NOT NULL, name {text} NOT NULL, project {text} NOT NULL,
    actor_name {text} NOT NULL, actor_kind {text} NOT NULL, actor_known_by {text} NOT NULL,
    opened_us BIGINT NOT NULL, at_us BIGINT NOT NULL, parent {text}, because {text} NOT NULL,
    cause {text} NOT NULL, code {text}, environment {text}, owner {text} NOT NULL,
    params {json} NOT NULL, status {text} NOT NULL, sealed_us BIGINT, error {text} NOT NULL
);
CREATE INDEX run_by_opened ON run (opened_us);
CREATE INDEX run_by_kind ON run (kind, opened_us);
CREATE INDEX run_by_name ON run (name, opened_us);
CREATE INDEX run_by_parent ON run (parent) WHERE parent IS NOT NULL;
CREATE INDEX run_running ON run (opened_us) WHERE status = 'running';

CREATE TABLE edge (
    run BIGINT NOT NULL, role {text} NOT NULL, artifact BIGINT NOT NULL, name {text} NOT NULL,
    source BIGINT NOT NULL, PRIMARY KEY (run, role, artifact, name, source)
){clustered};
CREATE INDEX edge_by_artifact ON edge (artifact, role, run);

CREATE TABLE figure (
    run BIGINT NOT NULL, key {text} NOT NULL, step BIGINT NOT NULL, at_us BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL, PRIMARY KEY (run, key, step, at_us, value)
){clustered};
CREATE INDEX figure_by_key ON figure (key, value);

CREATE TABLE ref (
    id {serial}, kind {text} NOT NULL, project {text} NOT NULL, name {text} NOT NULL,
    full_name {text} GENERATED ALWAYS AS (kind || ':' || project || '/' || name) STORED UNIQUE,
    owner {text} NOT NULL, created_us BIGINT NOT NULL,
    newest BIGINT NOT NULL, aliases {json} NOT NULL, is_hidden SMALLINT NOT NULL
);
CREATE INDEX ref_by_kind ON ref (kind, project, name);

CREATE TABLE version (
    ref BIGINT NOT NULL, number BIGINT NOT NULL, artifact BIGINT NOT NULL, run BIGINT NOT NULL,
    actor_name {text} NOT NULL, actor_kind {text} NOT NULL, actor_known_by {text} NOT NULL,
    at_us BIGINT NOT NULL, recorded_us BIGINT NOT NULL, summary {json} NOT NULL,
    PRIMARY KEY (ref, number)
){clustered};
CREATE INDEX version_by_artifact ON version (artifact);
CREATE INDEX version_by_run ON version (run);
CREATE INDEX version_by_recorded ON version (recorded_us);

CREATE TABLE move (
    ref BIGINT NOT NULL, recorded_us BIGINT NOT NULL, alias {text} NOT NULL, run BIGINT NOT NULL,
    number BIGINT, previous BIGINT,
    actor_name {text} NOT NULL, actor_kind {text} NOT NULL, actor_known_by {text} NOT NULL,
    at_us BIGINT NOT NULL, because {text} NOT NULL, verdicts {text} NOT NULL,
    PRIMARY KEY (ref, recorded_us, alias, run)
){clustered};
CREATE INDEX move_by_recorded ON move (recorded_us);
CREATE INDEX move_by_run ON move (run);

CREATE TABLE note (
    subject {text} NOT NULL, key {text} NOT NULL, text {text} NOT NULL,
    actor_name {text} NOT NULL, actor_kind {text} NOT NULL, actor_known_by {text} NOT NULL,
    at_us BIGINT NOT NULL, PRIMARY KEY (subject, key)
){clustered};
CREATE INDEX note_by_key ON note (key, subject);

CREATE TABLE unique_key (key {text} PRIMARY KEY, run BIGINT NOT NULL){clustered};

CREATE TABLE condemned (digest {text} PRIMARY KEY){clustered};

CREATE TABLE block (
    sequence {number}, previous {text} NOT NULL, root {text} NOT NULL, entries BIGINT NOT NULL,
    at_us BIGINT NOT NULL, hash {text} NOT NULL
);
CREATE TABLE entry (
    block BIGINT NOT NULL, position BIGINT NOT NULL, kind {text} NOT NULL, subject {text} NOT NULL,
    digest {text} NOT NULL, salt {bytes} NOT NULL, payload {bytes}, PRIMARY KEY (block, position)
){clustered};
CREATE INDEX entry_by_subject ON entry (subject);

CREATE TABLE counter (name {text} PRIMARY KEY, value BIGINT NOT NULL);
INSERT INTO counter (name, value) VALUES ('token', 0);
CREATE TABLE lease (
    key {text} PRIMARY KEY, owner {text} NOT NULL, token BIGINT NOT NULL,
    expires_us BIGINT NOT NULL
);
CREATE TABLE cell (
    key {text} PRIMARY KEY, value {bytes} NOT NULL, version BIGINT NOT NULL,
    expires_us BIGINT NOT NULL
);
CREATE INDEX cell_by_expiry ON cell (expires_us)
"""

MIGRATIONS: tuple[str, ...] = (_FIRST,)
"""Migration N is at N - 1."""


def schema_number(session: Session) -> int:
    """Return the number of the newest migration that this database has; the table must exist."""
    row = session.execute("SELECT coalesce(max(number), 0) FROM migration").fetchone()
    return int(row[0])


def require_known(found: int, where: str, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Refuse a database that a newer tidemill has written.

    Raises:
        UnavailableError: its schema is newer than this program.
    """
    if found > len(migrations):
        raise UnavailableError(
            f"{where} was written by a newer tidemill: its schema is {found}, "
            f"this one knows up to {len(migrations)}",
            fix="pip install --upgrade tidemill",
        )


def migrate(
    session: Session, dialect: Dialect, where: str, migrations: Sequence[str] = MIGRATIONS
) -> int:
    """Bring a database to the newest schema inside the caller's transaction; return its number.

    Raises:
        UnavailableError: its schema is newer than this program.
    """
    session.execute("CREATE TABLE IF NOT EXISTS migration (number BIGINT PRIMARY KEY)")
    found = schema_number(session)
    require_known(found, where, migrations)
    if found == 0:
        for statement in statements(dialect.before):
            session.execute(statement)
    for number, sql in enumerate(migrations[found:], start=found + 1):
        for statement in dialect.ddl(sql):
            session.execute(statement)
        session.execute("INSERT INTO migration (number) VALUES (?)", (number,))
    return len(migrations)
