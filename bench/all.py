"""`make bench`: every figure of bench/README.md, printed in one run on this machine."""

import os
import resource
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def cpu_ms(*command: str, times: int = 7) -> float:
    """Return the median CPU milliseconds of a command, its children included."""
    taken = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        user, system = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
        taken.append((user + system) * 1000)
    return sorted(taken)[len(taken) // 2]


def start_up() -> None:
    """Print what a start costs beyond Python's own."""
    python = sys.executable
    bare = cpu_ms(python, "-c", "pass")
    tidemill = str(Path(python).with_name("tidemill"))
    print(f"python -c pass                 {bare:6.0f} ms CPU")
    print(f"import tidemill                {cpu_ms(python, '-c', 'import tidemill') - bare:6.0f} ms"
          " CPU more (aim 30, never over 100)")  # fmt: skip
    print(f"tidemill --help                {cpu_ms(tidemill, '--help') - bare:6.0f} ms"
          " CPU more (aim 80, never over 200)")  # fmt: skip


if __name__ == "__main__":
    print("== start-up", flush=True)
    start_up()
    for script in sorted(HERE.glob("*.py")):
        if script.name != "all.py":
            print(f"\n== {script.stem.replace('_', ' ')}", flush=True)
            subprocess.run([sys.executable, script], check=True, env=dict(os.environ))
