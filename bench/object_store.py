"""What a local object store costs: small puts, one at a time and together; large puts and reads.

python bench/object_store.py [FOLDER]      (a folder of the disk to be measured)
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tidemill.adapters.local.object_store import LocalObjectStore

LARGE_BYTES = 256 << 20


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def pieces(size_bytes: int) -> list[bytes]:
    piece = os.urandom(1 << 20)
    return [piece] * (size_bytes >> 20)


def main(folder: Path) -> None:
    store = LocalObjectStore(folder)
    alone = seconds(lambda: [store.put_many([[os.urandom(4096)]]) for _ in range(100)])
    together = seconds(lambda: store.put_many([[os.urandom(4096)] for _ in range(400)]))
    large = pieces(LARGE_BYTES)
    put = seconds(lambda: store.put_many([large]))
    (digest,) = store.put_many([large])
    get = seconds(lambda: [None for _ in store.get(digest)])
    fresh = LocalObjectStore(folder)
    first, again = seconds(lambda: fresh.path(digest)), seconds(lambda: fresh.path(digest))
    print(f"put 4 KiB alone          {alone * 10:8.3f} ms each")
    print(f"put 400 x 4 KiB together {together * 2.5:8.3f} ms each")
    print(f"put 256 MiB, durable     {LARGE_BYTES / put / 1e9:8.2f} GB/s")
    print(f"get 256 MiB, verified    {LARGE_BYTES / get / 1e9:8.2f} GB/s")
    print(f"path, first and again    {first * 1e3:8.1f} ms, {again * 1e6:.0f} us")


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
    with tempfile.TemporaryDirectory(dir=given) as folder:
        main(Path(folder))
