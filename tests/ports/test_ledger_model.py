"""The ledger against a model of it: refs, their versions and aliases, and keys as dictionaries."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tidemill.core.errors import ConflictError
from tidemill.core.facts import AliasAt, ArtifactMade, Keyed, KeyIs, RefAt
from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Ref, RefName, Version
from tidemill.lineage.journal import journal_report

NAMES = st.sampled_from(["one", "two"])
ALIASES = st.sampled_from(["champion", "prod"])
NUMBERS = st.one_of(st.none(), st.integers(0, 3))
KEYS = st.sampled_from(["memo/a", "memo/ab", "memo/b"])


class Model(RuleBasedStateMachine):
    """Every commit is made on both; both must take it or refuse it."""

    def __init__(self, ledger, facts, project: str) -> None:
        super().__init__()
        self.ledger, self.facts, self.project = ledger, facts, project
        self.versions: dict[str, list[str]] = {}
        self.aliases: dict[tuple[str, str], int] = {}
        self.keys: dict[str, str] = {}

    def _ref(self, name: str) -> RefName:
        return RefName(kind="model", project=self.project, name=name)

    def _commit(self, *made, conditions=(), holds: bool) -> None:
        self.facts.clock.time += timedelta(microseconds=1)
        batch = self.facts.batch(*made, conditions=conditions)
        if holds:
            self.ledger.commit(batch)
            return
        with pytest.raises(ConflictError):
            self.ledger.commit(batch)

    @rule(name=NAMES, seen=NUMBERS)
    def create(self, name, seen) -> None:
        is_free = name not in self.versions
        created = self.facts.created(ref=self._ref(name))
        holds = (seen is None) if is_free else (seen == len(self.versions[name]))
        self._commit(created, conditions=[RefAt(ref=self._ref(name), number=seen)], holds=holds)
        if holds:
            self.versions.setdefault(name, [])

    @rule(name=NAMES, seen=st.integers(0, 3), text=st.sampled_from(["x", "y"]))
    def number(self, name, seen, text) -> None:
        run, artifact = self.facts.opened(), self.facts.artifact(text)
        version = self.facts.versioned(seen + 1, artifact.id, run.run, ref=self._ref(name))
        holds = name in self.versions and len(self.versions[name]) == seen
        at = RefAt(ref=self._ref(name), number=seen)
        self._commit(run, ArtifactMade(artifact=artifact), version, conditions=[at], holds=holds)
        if holds:
            self.versions[name].append(artifact.id)

    @rule(name=NAMES, alias=ALIASES, seen=NUMBERS, number=NUMBERS)
    def move(self, name, alias, seen, number) -> None:
        run, ref = self.facts.opened(), self._ref(name)
        moved = self.facts.moved(alias, number, seen, run.run, ref=ref)
        holds = (
            name in self.versions
            and self.aliases.get((name, alias)) == seen
            and (number is None or 1 <= number <= len(self.versions[name]))
        )
        at = AliasAt(ref=ref, alias=alias, number=seen)
        self._commit(run, moved, conditions=[at], holds=holds)
        if holds and number is None:
            self.aliases.pop((name, alias), None)
        elif holds:
            self.aliases[name, alias] = number

    @rule(key=KEYS, is_seen=st.booleans())
    def key(self, key, is_seen) -> None:
        run = self.facts.opened()
        known = self.keys.get(key)
        seen = known if is_seen else None
        full = f"{self.project}/{key}"
        condition = KeyIs(key=full, run=seen)
        self._commit(run, Keyed(key=full, run=run.run), conditions=[condition], holds=seen == known)
        if seen == known:
            self.keys[key] = run.run

    @invariant()
    def both_hold_the_same(self) -> None:
        here = Where("ref.project", "=", self.project)
        refs = {ref.ref.name: ref for ref in self.ledger.find(Query(Ref, where=(here,)))}
        assert {name: ref.newest for name, ref in refs.items()} == {
            name: len(versions) for name, versions in self.versions.items()
        }
        assert {(n, a): at for n, ref in refs.items() for a, at in ref.aliases.items()} == (
            self.aliases
        )
        in_order = (Order("ref.name"), Order("number"))
        found = self.ledger.find(Query(Version, where=(here,), order=in_order))
        assert [(v.ref.name, v.artifact) for v in found] == [
            (name, artifact) for name in sorted(self.versions) for artifact in self.versions[name]
        ]
        assert self.ledger.keys([f"{self.project}/memo/"]) == {
            f"{self.project}/{key}": run for key, run in self.keys.items()
        }


def test_any_order_of_commits_gives_what_the_model_gives(ledger, facts) -> None:
    rounds = itertools.count()
    run_state_machine_as_test(
        lambda: Model(ledger, facts, f"p{next(rounds)}"),
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )  # fmt: skip
    assert journal_report(ledger).is_intact
