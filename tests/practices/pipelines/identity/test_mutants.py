"""Change every constant, operator and statement in turn: who answers otherwise has a new slice."""

import random
import subprocess
import sys
from pathlib import Path

from code_edits import EDITS, FURTHER
from edited import mutants_of, tried

SEED = random.randrange(1 << 30)
SAMPLE = 150
"""Mutants of the small projects that are tried here; `bench/mutated_code.py` tries all."""
BENCH = Path(__file__).parents[4] / "bench" / "mutated_code.py"


def test_no_mutant_that_answers_otherwise_keeps_its_slice(small, record_property) -> None:
    record_property("seed", SEED)
    every = list(mutants_of([*EDITS, *FURTHER]))
    drawn = random.Random(SEED).sample(every, SAMPLE)
    found = tried(small, drawn)
    assert found.changed > SAMPLE // 4
    assert not found.missed, (SEED, found.missed)


def test_no_mutant_of_a_template_stores_another_result_under_the_same_identity() -> None:
    command = [sys.executable, str(BENCH), "--template", "minimal", "--sample", "25"]
    done = subprocess.run(
        [*command, "--seed", str(SEED)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 missed" in done.stdout
