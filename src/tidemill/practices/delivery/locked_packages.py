"""Locked packages: what a lock says is installed, by name."""

from __future__ import annotations

import tomllib


def locked_packages(form: str, text: bytes) -> dict[str, str]:
    """Return the version of each package of a `uv` lock or of `requirements`, by name.

    >>> locked_packages("requirements", b"polars==2.1.0")
    {'polars': '2.1.0'}
    """
    if form == "uv":
        found = tomllib.loads(text.decode("utf-8", "replace")).get("package", [])
        return {str(one.get("name")): str(one.get("version", "")) for one in found}
    pairs = [line.partition("==") for line in text.decode("utf-8", "replace").splitlines()]
    return {name.strip(): version.strip() for name, _, version in pairs if name.strip()}
