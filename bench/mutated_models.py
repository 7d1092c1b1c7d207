"""How models that were damaged end: `python bench/mutated_models.py [COPIES] [FORMAT ...]`.

Every format's model is damaged COPIES times (1 to 8 bytes, or cut off), and each copy is
read as `tidemill model add` reads it: in a child that has a time and a memory limit and is replaced
when it dies. What is read is then asked 50 ordinary rows and extremes, as a server would be.
Printed are, a format: clean errors, answers (damage that no library can see), deaths and time-outs
while it is added, deaths and time-outs when it is asked afterwards (none may be), seconds.
This process must never die, and every error has a fix.
"""

from __future__ import annotations

import random
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

sys.path.insert(
    0, str(Path(__file__).parents[1] / "tests" / "practices" / "versioning" / "formats")
)

import msgspec
from made_models import MAKERS, table

from tidemill.core.errors import TidemillError
from tidemill.practices.versioning.columns import columns_of
from tidemill.practices.versioning.drawn_inputs import extreme_rows
from tidemill.practices.versioning.loading import LoadingProcess
from tidemill.practices.versioning.loading_messages import Ask, packed

if TYPE_CHECKING:
    from tidemill.core.signature import Signature

SEED = 20261125
TIMEOUT_S = 20.0


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with 1 to 8 others in their place, or cut off.

    Half of the time the others are of the same file, so that what was a text is a text still.
    """
    if chance.random() < 0.3:
        return data[: chance.randrange(len(data))]
    broken = bytearray(data)
    others = data if chance.random() < 0.5 else bytes(range(256))
    for _ in range(chance.randint(1, 8)):
        broken[chance.randrange(len(broken))] = chance.choice(others)
    return bytes(broken)


def ends(name: str, copies: int) -> Counter[str]:
    """Return how damaged copies of a format's model ended."""
    chance = random.Random(f"{SEED} {name}")  # noqa: S311 - repeatable, not secret
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as place, LoadingProcess(timeout_s=TIMEOUT_S) as process:
        folder = Path(place)
        model = MAKERS[name]("regression")
        model.save(folder)
        ask = Ask(do="read", folder=place, allow_code=True)
        process.ask(ask)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        files = [path for path in files if path.suffix != ".py"]
        weights = [path.stat().st_size for path in files]
        for _ in range(copies):
            (path,) = chance.choices(files, weights)
            whole = path.read_bytes()
            path.write_bytes(damaged(whole, chance))
            found[_end(process, ask, model.signature)] += 1
            path.write_bytes(whole)
    return found


def _end(process: LoadingProcess, ask: Ask, signature: Signature) -> str:
    told = _told(process, ask)
    if told != "answer":
        return told
    rows = table().head(50)
    batches = [columns_of(rows), *extreme_rows(signature)]
    for batch in batches:
        asked = msgspec.structs.replace(ask, do="predict", rows=packed(batch))
        later = _told(process, asked)
        if later in {"died", "hung"}:
            return f"asked: {later}"
    return told


def _told(process: LoadingProcess, ask: Ask) -> str:
    try:
        process.ask(ask)
    except TidemillError as error:
        if not error.fix:
            return "no fix"
        if "killed the process" in error.what:
            return "died"
        return "hung" if "and asked within" in error.what else "clean error"
    return "answer"


def main() -> None:
    """Print one line a format."""
    warnings.simplefilter("ignore")
    copies = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    columns = ("clean error", "answer", "died", "hung", "asked: died", "asked: hung", "no fix")
    head = "".join(f"{column:>13}" for column in columns)
    sys.stdout.write(f"seed {SEED}, {copies} copies\n{'format':15}{head}{'s':>8}\n")
    for name in sys.argv[2:] or MAKERS:
        began = perf_counter()
        found = ends(name, copies)
        cells = "".join(f"{found[column]:>13}" for column in columns)
        sys.stdout.write(f"{name:15}{cells}{perf_counter() - began:8.0f}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
