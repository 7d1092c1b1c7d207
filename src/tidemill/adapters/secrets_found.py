"""Files that look like a secret: by their names, or by what they hold."""

from __future__ import annotations

import re
from fnmatch import translate

from tidemill.kernels.secret_text import secret_text

_NAMES = (
    ".env", ".env.*", "*.env", ".envrc", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.pem",
    "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", ".netrc", "_netrc", ".npmrc", ".pypirc",
    ".pgpass", ".htpasswd", ".git-credentials", "credentials", "credentials.*", "credentials*.json",
    "service-account*.json", "service_account*.json", "terraform.tfstate", "terraform.tfstate.*",
    "secrets.toml", "secrets.yaml", "secrets.yml", "secrets.json", "kubeconfig", "*.kubeconfig",
)  # fmt: skip
_HARMLESS = ("*.example", "*.sample", "*.template", "*.py", "*.md", "*.pyi")
_SECRET_NAME = re.compile("|".join(map(translate, _NAMES)))
_HARMLESS_NAME = re.compile("|".join(map(translate, _HARMLESS)))

_TEXT_BYTES = 8192


def secret_in(name: str, data: bytes) -> str:
    """Return why a file looks like a secret, "" where it does not. O(bytes)."""
    last = name.rpartition("/")[2]
    if _SECRET_NAME.match(last) and not _HARMLESS_NAME.match(last):
        return "by its name"
    return "" if b"\0" in data[:_TEXT_BYTES] else secret_text(data)
