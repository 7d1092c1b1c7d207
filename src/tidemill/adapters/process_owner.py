"""Who this process is, so that others on the machine can tell whether it still lives.

An owner is `MACHINE/BOOT/PID/START`: the machine with its space of process ids (containers have
their own), the boot, the process, and when it started (process ids are used again).
"""

from __future__ import annotations

import os
import platform
import subprocess
from functools import lru_cache
from pathlib import Path

_PROC = Path("/proc")


def process_owner() -> str:
    """Return this process as an owner of leases and runs."""
    return _owner(os.getpid())


def is_alive(owner: str) -> bool:
    """Return False only if `owner` is a process of this machine that has ended.

    Of another machine's process nothing is known here: it counts as alive until its lease expires.

    >>> is_alive(process_owner())
    True
    """
    parts = owner.split("/")
    if len(parts) < 4 or parts[0] != _machine() or not parts[2].isdigit():
        return True
    return parts[1] == _boot() and _started(int(parts[2])) == parts[3]


def spell_owner(owner: str) -> str:
    """Return an owner as people read it.

    >>> spell_owner(process_owner()) == f"process {os.getpid()} on this machine"
    True
    >>> spell_owner("elsewhere/boot/12/34")
    'process 12 on another machine'
    """
    parts = owner.split("/")
    if len(parts) < 4:
        return owner
    return f"process {parts[2]} on {'this' if parts[0] == _machine() else 'another'} machine"


@lru_cache(maxsize=4)
def _owner(pid: int) -> str:
    return f"{_machine()}/{_boot()}/{pid}/{_started(pid)}"


@lru_cache(maxsize=1)
def _machine() -> str:
    try:
        name = Path("/etc/machine-id").read_text().strip()[:12]
    except OSError:
        name = ""
    name = name or platform.node() or "machine"
    try:
        return f"{name}.{(_PROC / 'self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return name


@lru_cache(maxsize=1)
def _boot() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return _told("sysctl", "-n", "kern.bootsessionuuid")[:8]


def _started(pid: int) -> str:
    """Return when a process started, in the machine's own spelling; empty: it does not live."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        if (_PROC / "self").exists():
            return ""
        return "-".join(_told("ps", "-o", "lstart=", "-p", str(pid)).split())
    fields = stat.rpartition(")")[2].split()  # its name, in brackets, may hold anything
    return "" if fields[0] in "ZX" else fields[19]


def _told(*command: str) -> str:
    """Return what a command of the system says; empty: nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - constants
    except OSError:
        return ""
    return done.stdout.strip()
