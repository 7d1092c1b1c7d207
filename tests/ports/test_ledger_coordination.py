"""The ledger port's contract for coordination: leases with fencing tokens, cells."""

import subprocess
import sys

import pytest

from tidemill.adapters.process_owner import is_alive, process_owner
from tidemill.core.errors import LeaseHeldError
from tidemill.core.facts import LeaseIs
from tidemill.ports.ledger import ConditionFailedError

ELSEWHERE = "other-machine/boot/1/1"


def dead_owner() -> str:
    code = "from tidemill.adapters.process_owner import process_owner; print(process_owner())"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_lease_is_held_by_one_owner_until_it_expires(ledger, turned_clock) -> None:
    first = ledger.lease("step/1", ELSEWHERE, 10)
    with pytest.raises(LeaseHeldError, match="by process 1 on another machine"):
        ledger.lease("step/1", process_owner(), 10)
    turned_clock.sleep(10)
    second = ledger.lease("step/1", process_owner(), 10)
    assert second.token > first.token
    assert not ledger.renew(first, 10)
    assert ledger.renew(second, 10)


def test_a_renewed_lease_lasts_longer(ledger, turned_clock) -> None:
    lease = ledger.lease("k", ELSEWHERE, 10)
    turned_clock.sleep(9)
    assert ledger.renew(lease, 10)
    turned_clock.sleep(9)
    with pytest.raises(LeaseHeldError):
        ledger.lease("k", process_owner(), 10)


def test_tokens_grow_also_when_the_lease_was_given_back_in_between(ledger) -> None:
    tokens = []
    for _ in range(3):
        lease = ledger.lease("k", ELSEWHERE, 10)
        ledger.release(lease)
        tokens.append(lease.token)
    assert tokens == sorted(set(tokens))


def test_a_lost_lease_is_not_released_for_its_new_owner(ledger, turned_clock) -> None:
    lost = ledger.lease("k", ELSEWHERE, 1)
    turned_clock.sleep(1)
    ledger.lease("k", "new/boot/1/1", 10)
    ledger.release(lost)
    with pytest.raises(LeaseHeldError):
        ledger.lease("k", ELSEWHERE, 10)


def test_the_lease_of_a_process_that_died_on_this_machine_is_free_at_once(ledger) -> None:
    dead = dead_owner()
    assert not is_alive(dead)
    ledger.lease("k", dead, 3600)
    assert ledger.lease("k", process_owner(), 10).owner == process_owner()


def test_the_same_owner_gets_its_lease_again_with_a_new_token(ledger) -> None:
    first = ledger.lease("k", process_owner(), 10)
    assert ledger.lease("k", process_owner(), 10).token > first.token


def test_a_commit_under_a_lost_lease_writes_nothing(ledger, facts, turned_clock) -> None:
    lost = ledger.lease("k", ELSEWHERE, 1)
    turned_clock.sleep(1)
    ledger.lease("k", process_owner(), 10)
    held = LeaseIs(key="k", token=lost.token)
    with pytest.raises(ConditionFailedError, match="was lost"):
        ledger.commit(facts.batch(facts.opened(), conditions=[held]))


def test_a_commit_can_give_its_lease_back_and_a_refused_one_does_not(ledger, facts) -> None:
    lease = ledger.lease("k", ELSEWHERE, 10)
    release = LeaseIs(key="k", token=lease.token, release=True)
    fails = LeaseIs(key="other", token=1)
    with pytest.raises(ConditionFailedError):
        ledger.commit(facts.batch(facts.opened(), conditions=[release, fails]))
    with pytest.raises(LeaseHeldError):
        ledger.lease("k", process_owner(), 10)
    ledger.commit(facts.batch(facts.opened(), conditions=[release]))
    assert ledger.lease("k", process_owner(), 10).token > lease.token


def test_a_cell_is_changed_only_by_who_knows_its_version(ledger) -> None:
    assert ledger.cell("session") is None
    assert not ledger.swap("session", b"1", version=1, ttl_s=10)
    assert ledger.swap("session", b"1", version=None, ttl_s=10)
    assert not ledger.swap("session", b"2", version=None, ttl_s=10)
    cell = ledger.cell("session")
    assert cell.value == b"1"
    assert ledger.swap("session", b"2", version=cell.version, ttl_s=10)
    assert not ledger.swap("session", b"3", version=cell.version, ttl_s=10)
    assert ledger.cell("session").version > cell.version
    assert ledger.swap("session", None, version=ledger.cell("session").version, ttl_s=10)
    assert ledger.cell("session") is None


def test_a_cell_expires_and_its_version_never_comes_back(ledger, turned_clock) -> None:
    ledger.swap("c", b"1", version=None, ttl_s=5)
    old = ledger.cell("c")
    turned_clock.sleep(5)
    assert ledger.cell("c") is None
    assert not ledger.swap("c", b"2", version=old.version, ttl_s=5)
    assert ledger.swap("c", b"2", version=None, ttl_s=5)
    assert ledger.cell("c").version > old.version


def test_an_owner_of_another_form_or_machine_counts_as_alive() -> None:
    assert is_alive("somebody")
    assert is_alive(ELSEWHERE)
    machine, boot, pid, start = process_owner().split("/")
    assert not is_alive(f"{machine}/another/{pid}/{start}")
    assert not is_alive(f"{machine}/{boot}/{pid}/1")
