"""The id of a prediction that a caller tells by a key of its own: the same key, the same id."""

import hashlib


def told_id(project: str, name: str, key: str) -> str:
    """Return the id of a told prediction, 32 hex digits.

    >>> told_id("p", "churn", "17") == told_id("p", "churn", "17")
    True
    """
    return hashlib.blake2b(f"{project}/{name}/{key}".encode(), digest_size=16).hexdigest()
