"""What the writers of facts share: a batch's transaction, numbers of nodes, which runs are open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.canonical import canonical_json
from tidemill.core.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidemill.adapters.sql_dialect import Dialect, Session
    from tidemill.core.actor import Actor
    from tidemill.core.facts import Batch
    from tidemill.core.journal import Seal


class BatchWriter:
    """One batch being written; `seals` are what its ended runs hold."""

    def __init__(
        self, session: Session, dialect: Dialect, batch: Batch, nodes: Mapping[str, int]
    ) -> None:
        self.session, self.dialect, self.batch = session, dialect, batch
        self.seals: list[Seal] = []
        self._nodes = dict(nodes)
        self._is_open: dict[int, bool] = {}

    def node(self, name: str) -> int:
        """Return the number of a run or artifact, giving it one where it has none."""
        known = self._nodes.get(name)
        if known is None:
            row = self.session.execute("SELECT id FROM node WHERE name = ?", (name,)).fetchone()
            if row is None:
                row = self.session.execute(
                    "INSERT INTO node (name) VALUES (?) RETURNING id", (name,)
                ).fetchall()[0]
            known = self._nodes[name] = int(row[0])
        return known

    def is_open(self, run: str) -> bool:
        """Return whether a run takes facts.

        Raises:
            ConflictError: the record does not know it.
        """
        node = self.node(run)
        if node not in self._is_open:
            row = self.session.execute("SELECT status FROM run WHERE node = ?", (node,)).fetchone()
            if row is None:
                raise ConflictError(
                    f"run {run[-8:]} is not in the record",
                    fix="commit its RunOpened first, or in the same batch",
                )
            self._is_open[node] = row[0] == "running"
        return self._is_open[node]

    def opened(self, node: int) -> None:
        """Remember that a run was opened by this batch."""
        self._is_open[node] = True

    def refuse_sealed(self, run: str, what: str) -> None:
        """Refuse something new of a run that has ended.

        Raises:
            ConflictError: the run is sealed.
        """
        if not self.is_open(run):
            raise ConflictError(
                f"run {run[-8:]} is sealed and takes no {what}", fix="open a new run"
            )


def json_text(value: object) -> str:
    """Return a mapping or sequence as the tables hold it."""
    return canonical_json(value).decode()


def actor_columns(actor: Actor) -> tuple[str, str, str]:
    """Return an actor as the tables hold it."""
    return actor.name, actor.kind, actor.known_by


def unknown_artifact(artifact: str) -> ConflictError:
    """Return the error of a fact about an artifact that nobody made."""
    return ConflictError(
        f"artifact {artifact[:17]} is not in the record",
        fix="commit its ArtifactMade first, or in the same batch",
    )
