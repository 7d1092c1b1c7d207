"""The machine that a run is on: never part of an identity, always on the record."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

from tidemill.ports.workspace import MachineCapture

_THREADS = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_CORETYPE",
)  # fmt: skip


def machine() -> MachineCapture:
    """Return what this machine and this process's settings are."""
    return MachineCapture(
        host=platform.node(),
        cpu=_cpu(),
        cores=_cores(),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        threads={name: os.environ[name] for name in _THREADS if name in os.environ},
        libc=_libc(),
        hash_seed=os.environ.get("PYTHONHASHSEED", "random"),
        locale=os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG", ""),
        timezone=_timezone(),
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _cores() -> int:
    """Return how many cores this process may use, not how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ""


def _timezone() -> str:
    if name := os.environ.get("TZ"):
        return name
    place = os.path.realpath("/etc/localtime")
    _, _, name = place.partition("/zoneinfo/")
    return name or time.tzname[0]
