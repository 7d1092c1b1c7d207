"""Prometheus text as a server tells it: read over HTTP, parsed to numbers by name."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from tidemill.core.errors import UnavailableError

MOST_BYTES = 4 << 20


def read_metrics(address: str, *, timeout_s: float = 2.0) -> dict[str, float]:
    """Return the figures at `ADDRESS/metrics`, labels as they are spelled in the name.

    Raises:
        UnavailableError: the server does not answer, or not with figures.
    """
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(
        parts.hostname or "127.0.0.1", parts.port, timeout=timeout_s
    )
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        if answer.status != 200:
            raise UnavailableError(
                f"{address}/metrics answers with status {answer.status}", fix="tidemill status"
            )
        return parse_metrics(answer.read(MOST_BYTES).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(
            f"{address}/metrics does not answer: {error}", fix="tidemill status"
        ) from None
    finally:
        connection.close()


def parse_metrics(text: str) -> dict[str, float]:
    r"""Return value by name of Prometheus's text format 0.0.4; what is no number is left out.

    >>> parse_metrics('# TYPE a counter\na{b="c d"} 3\nprocess_cpu_seconds_total 1.5')
    {'a{b="c d"}': 3.0, 'process_cpu_seconds_total': 1.5}
    """
    found = {}
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        end = line.rfind("}") + 1
        name, value = (line[:end], line[end:]) if end else line.split(None, 1)
        try:
            found[name] = float(value.split()[0])
        except (ValueError, IndexError):
            continue
    return found
