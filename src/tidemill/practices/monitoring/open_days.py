"""Days that are over: sealed one by one, of every deployment, without anybody naming them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from tidemill.core.times import Window, from_microseconds, microseconds
from tidemill.practices.monitoring.deployments import watched_names
from tidemill.practices.monitoring.seals import known_seals, sealed_rows
from tidemill.practices.monitoring.windows import Collected, collect
from tidemill.wire.prediction_block import decode_block, stream_names

if TYPE_CHECKING:
    from datetime import datetime

    from tidemill.lineage.record import Record

DAY = timedelta(days=1)
DAY_US = 86_400_000_000


class CollectedDays(msgspec.Struct, frozen=True, kw_only=True):
    """What was sealed: one entry a deployment and day that was over and had open predictions."""

    collected: tuple[Collected, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.collected)) or "no day that is over has open predictions"

    __repr__ = __str__


def collect_days(  # noqa: D417 - `record` is the context, not an argument of a face
    record: Record, name: str = "", *, at: datetime | None = None
) -> CollectedDays:
    """Seal the predictions of every UTC day that is over; what is sealed stays as it is.

    The supervisor does it by itself, as often as the setting supervisor.collect says.

    Args:
        name: of the deployment; left out: of every one.
        at: effective time; days must have ended by then.
    """
    moment = record.moment(at)
    names = (name,) if name else tuple(watched_names(record))
    return CollectedDays(
        collected=tuple(
            collect(record, one, window=str(Window(start=day, end=day + DAY)), at=moment)
            for one in names
            for day in open_days(record, one, moment)
        )
    )


def open_days(record: Record, name: str, moment: datetime) -> list[datetime]:
    """Return the UTC days that ended by a moment and have predictions that no window has sealed."""
    import numpy as np  # noqa: PLC0415 - heavy

    seals, days = known_seals(record, name), set[int]()
    for stream in stream_names(record.ports.stream.names(name), name):
        for place, data in record.ports.stream.read(stream):
            record.tell.check()
            block = decode_block(data)
            is_open = ~sealed_rows(seals, stream, place, block.at_us)
            days.update(np.unique(block.at_us[is_open] // DAY_US).tolist())
    last = microseconds(moment) // DAY_US
    return [from_microseconds(day * DAY_US) for day in sorted(days) if day < last]
