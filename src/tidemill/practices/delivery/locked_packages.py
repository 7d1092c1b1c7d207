"""Locked packages: what a lock says is installed, by name."""

from __future__ import annotations

import tomllib

from tidemill.core.errors import InvalidInputError


def locked_packages(form: str, text: bytes) -> dict[str, str]:
    """Return the version of each package of a `uv` lock or of `requirements`, by name.

    Raises:
        InvalidInputError: the lock of uv is damaged; names the line.

    >>> locked_packages("requirements", b"polars==2.1.0")
    {'polars': '2.1.0'}
    """
    if form == "uv":
        return _of_uv(text)
    pairs = [line.partition("==") for line in text.decode("utf-8", "replace").splitlines()]
    return {name.strip(): version.strip() for name, _, version in pairs if name.strip()}


def _of_uv(text: bytes) -> dict[str, str]:
    try:
        found = tomllib.loads(text.decode("utf-8")).get("package", [])
        return {str(one["name"]): str(one.get("version", "")) for one in found}
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise _damaged(f"line {line} is no UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:  # its message ends with the line
        raise _damaged(str(error)) from None
    except (AttributeError, KeyError, TypeError):
        raise _damaged("its [[package]] tables are not those of uv") from None


def _damaged(why: str) -> InvalidInputError:
    return InvalidInputError(f"uv.lock is damaged: {why}", fix="write it anew: uv lock")
