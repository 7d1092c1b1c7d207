"""Change every constant, operator and statement in turn: who answers otherwise has a new slice."""

import random

import pytest
from code_edits import EDITS, FURTHER
from edited import CannotBeImportedError
from mutants import mutants

ASKED = (0, 3, 5)
"""What the step of each small project is called with."""
SEED = random.randrange(1 << 30)
SAMPLE = 150
"""Mutants of the small projects that are tried here; `bench/mutated_code.py` tries all."""


def all_mutants():
    for edit in [*EDITS, *FURTHER]:
        for file, source in edit.files.items():
            for name, mutated in mutants(source):
                if len(mutated) < 100_000:
                    yield edit, file, name, mutated


def answers(small) -> list[str] | None:
    found = []
    for x in ASKED:
        try:
            found.append(small.answer(x))
        except CannotBeImportedError:
            return None
        except Exception as error:  # noqa: BLE001 - a mutant may raise anything
            found.append(f"{type(error).__name__}: {error}")
    return found


def test_no_mutant_that_answers_otherwise_keeps_its_slice(small, capsys) -> None:
    every = list(all_mutants())
    drawn = random.Random(SEED).sample(every, min(SAMPLE, len(every)))  # noqa: S311 - no secret
    missed, needless, changed = [], 0, 0
    for edit, file, name, mutated in drawn:
        small.clear()
        small.write(edit.files)
        before, said = small.slice(), answers(small)
        small.write({file: mutated})
        after = small.slice()
        now = answers(small)
        differs = now is not None and now != said
        changed += differs
        if differs and after.digest == before.digest:
            missed.append((edit.name, file, name))
        needless += not differs and after.digest != before.digest
    with capsys.disabled():
        print(f"\nmutants: {changed} of {len(drawn)} answer otherwise, {needless} needless")  # noqa: T201
    assert changed
    assert not missed, (SEED, missed)


@pytest.fixture(autouse=True)
def _seed_is_told(record_property) -> None:
    record_property("seed", SEED)
