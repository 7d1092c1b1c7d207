"""The template of a new project: eight files, of which one is made-up data."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {
    "tidemill.toml": "tidemill.toml.txt",
    "contracts.py": "contracts.py.txt",
    "pipeline.py": "pipeline.py.txt",
    "test_pipeline.py": "test_pipeline.py.txt",
    "README.md": "README.md.txt",
    ".gitignore": "gitignore.txt",
    ".github/workflows/check.yml": "check.yml.txt",
}
"""Files of a project by their template; spelled `.txt` so that no tool takes them for ours."""
DATA = "data/orders.csv"
ROWS = 1200
_START = datetime(2024, 1, 1, tzinfo=UTC)
_REGIONS = {"north": 0.6, "south": -0.4, "west": 0.0}


def template_files(name: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file of a new project called `name`."""
    folder = files("tidemill.practices.infrastructure") / "template"
    for path, template in FILES.items():
        yield path, (folder / template).read_text(encoding="utf-8").replace("PROJECT", name)
    yield DATA, "".join(_orders())


def _orders() -> Iterator[str]:
    """Yield made-up orders as lines of CSV, always the same ones."""
    made = random.Random(7)  # noqa: S311 - data that must be the same everywhere
    yield "order_id,ordered_at,region,items,weight_kg,distance_km,is_late\n"
    for number in range(ROWS):
        region = made.choice(sorted(_REGIONS))
        items = made.randint(1, 12)
        weight = round(items * made.uniform(0.3, 4.0), 2)
        distance = round(made.expovariate(1 / 180), 1)
        leaning = _REGIONS[region] + 0.006 * (distance - 180) + 0.04 * (weight - 12) - 0.7
        is_late = int(made.random() < 1 / (1 + math.exp(-leaning)))
        ordered_at = (_START + timedelta(hours=2 * number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        known = weight if made.random() > 0.03 else ""
        cells = (f"o{number:05d}", ordered_at, region, items, known, min(distance, 1999), is_late)
        yield ",".join(map(str, cells)) + "\n"
