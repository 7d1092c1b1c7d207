"""Group commit: who waits takes part, who is done goes, and nobody is left behind."""

import threading

import pytest

from tidemill.adapters.sql_group_commit import GroupCommit
from tidemill.core.errors import ConflictError
from tidemill.core.facts import Batch, Receipt


class Transactions:
    """Transactions that one lets begin and end one by one."""

    def __init__(self) -> None:
        self.group = GroupCommit(self.write)
        self.begun: list[list[Batch]] = []
        self._may_end = threading.Semaphore(0)
        self._has_begun = threading.Semaphore(0)

    def write(self, requests) -> None:
        self.begun.append([request.batch for request in requests])
        self._has_begun.release()
        assert self._may_end.acquire(timeout=30)
        for request in requests:
            request.outcome = Receipt(block=len(self.begun))

    def wait(self) -> None:
        assert self._has_begun.acquire(timeout=30)

    def end(self) -> None:
        self._may_end.release()

    def caller(self, batch: Batch) -> threading.Thread:
        """Start a commit; returns when it runs or waits."""
        count = len(self.group._waiting) + sum(map(len, self.begun))
        thread = threading.Thread(target=self.group.commit, args=(batch,))
        thread.start()
        while len(self.group._waiting) + sum(map(len, self.begun)) == count:
            pass
        return thread


def test_who_waits_shares_the_next_transaction_and_goes_when_it_is_durable(facts) -> None:
    made = Transactions()
    first, second, third, fourth = (facts.batch(facts.opened()) for _ in range(4))
    one = made.caller(first)
    made.wait()
    two, three = made.caller(second), made.caller(third)
    made.end()
    one.join(30)
    made.wait()
    four = made.caller(fourth)
    made.end()
    made.wait()  # the third transaction goes on, and nobody of the second waits for it
    for done in (two, three):
        done.join(30)
        assert not done.is_alive()
    made.end()
    four.join(30)
    assert made.begun == [[first], [second, third], [fourth]]


def test_a_leader_that_was_interrupted_leaves_the_others_to_the_next(facts) -> None:
    calls, batches = [], [facts.batch(facts.opened()) for _ in range(20)]

    def write(requests) -> None:
        calls.append(len(requests))
        if len(calls) in {1, 3}:
            raise KeyboardInterrupt
        for request in requests:
            request.outcome = Receipt(block=1)

    group, stopped, done = GroupCommit(write), [], []

    def commit(batch) -> None:
        try:
            done.append(group.commit(batch))
        except KeyboardInterrupt:
            stopped.append(batch)

    threads = [threading.Thread(target=commit, args=(batch,)) for batch in batches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) + len(stopped) == 20
    assert len(stopped) == len([n for n in range(1, len(calls) + 1) if n in {1, 3}])


def test_a_refusal_is_raised_to_its_own_caller(facts) -> None:
    def write(requests) -> None:
        for request in requests:
            request.outcome = ConflictError("no", fix="another")

    with pytest.raises(ConflictError):
        GroupCommit(write).commit(facts.batch())
