"""Where a server may listen: on this machine only, as long as nothing asks who is calling."""

from __future__ import annotations

import ipaddress

from tidemill.core.errors import NotAllowedError


def require_loopback(host: str) -> str:
    """Return `host` if only this machine can reach it.

    Raises:
        NotAllowedError: it is another address; there is no authentication for model servers yet.

    >>> require_loopback("127.0.0.1")
    '127.0.0.1'
    """
    if host == "localhost" or _is_loopback(host):
        return host
    raise NotAllowedError(
        f"a model server may not listen on {host or 'an empty address'}: anybody on the network "
        "could ask it, and it does not yet ask who is calling",
        fix='set serving.host = "127.0.0.1" in tidemill.toml and put a proxy that asks for '
        "credentials before it",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
