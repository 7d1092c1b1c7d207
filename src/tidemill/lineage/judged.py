"""What a contract said of data: the key under which a verdict is kept, and the verdict itself.

Whoever judges gives the key to the run that made the verdict; whoever asks takes it from there, as
far as the journal attests it (`attested.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidemill.core.check import Verdict
from tidemill.core.digest import digest_of_value
from tidemill.lineage.artifacts import find_artifact, read_value
from tidemill.lineage.attested import Kept, kept
from tidemill.lineage.policies import VERDICT

if TYPE_CHECKING:
    from datetime import datetime

    import msgspec

    from tidemill.core.digest import ArtifactId
    from tidemill.lineage.record import Record


def judged(
    record: Record, data: ArtifactId, contract: msgspec.Struct, at: datetime | None = None
) -> Kept:
    """Return what is kept of a question: these data against this contract.

    Equal data and an equal contract are one question. Args: `at`: effective time, where the answer
    depends on it (freshness): then it is another question at every other time.
    """
    content = digest_of_value([data, contract, at.isoformat() if at else ""])
    return kept(record, f"contract:{record.project}/{content[3:]}")


def kept_verdict(record: Record, before: Kept) -> Verdict | None:
    """Return the verdict that the journal's run made; None: it is to be judged anew."""
    verdict = before.artifact(VERDICT)
    if before.run is None or verdict is None:
        return None
    return read_value(record, find_artifact(record, verdict), Verdict)
