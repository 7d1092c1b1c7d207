"""The ledger port's contract for commits: facts, conditions, the journal."""

import json
import math
import threading

import pytest

from tidemill.core.artifact import Artifact
from tidemill.core.errors import ConflictError, InvalidInputError
from tidemill.core.facts import (
    AliasAt,
    ArtifactMade,
    Figured,
    Hidden,
    Keyed,
    KeyIs,
    LeaseIs,
    Noted,
    Placed,
    RefAt,
    RunIsOpen,
)
from tidemill.core.journal import Seal
from tidemill.core.merkle import merkle_root
from tidemill.core.query import Block, EdgeRow, Entry, Figure, Note, Order, Query, Where
from tidemill.core.ref import Move, Ref, RefName, Version
from tidemill.core.run import Run
from tidemill.ports.ledger import ConditionFailedError


def everything(ledger) -> dict[str, list]:
    types = (Artifact, Run, Ref, Version, Move, Figure, Note, EdgeRow, Block, Entry)
    found = {type_.__name__: ledger.find(Query(type_)) for type_ in types}
    return found | {"keys": ledger.keys([""])}


def test_what_was_committed_is_found_as_it_was_given(ledger, facts) -> None:
    run = facts.opened(params={"trees": 200, "rate": 0.1, "warm": True, "name": "ä", "none": None})
    made, used = facts.artifact("made", summary={"rows": 7}), facts.artifact("used")
    noted = Noted(subject=run.run, key="tag", text="night", actor=facts.actor, at=facts.start)
    ledger.commit(
        facts.batch(
            run,
            ArtifactMade(artifact=made),
            facts.edge(run.run, used.id, name="rows", source="ab" * 16),
            facts.edge(run.run, made.id, "made", name="model"),
            facts.created(),
            facts.versioned(1, made.id, run.run, summary={"auc": 0.75}),
            facts.moved("champion", 1, None, run.run, verdicts=(used.id,)),
            noted,
            Keyed(key="memo/1", run=run.run),
            facts.sealed(run.run, status="failed", error="no"),
        )
    )
    assert ledger.find(Query(Artifact)) == [made]
    (found,) = ledger.find(Query(Run))
    assert found == Run(
        id=run.run, kind=run.kind, name=run.name, project=run.project, actor=run.actor,
        opened_at=run.opened_at, at=run.at, status="failed", sealed_at=facts.start,
        params=run.params, error="no",
    )  # fmt: skip
    assert ledger.find(Query(Ref)) == [
        Ref(ref=facts.ref, owner="ada", created_at=facts.start, newest=1, aliases={"champion": 1})
    ]
    (version,) = ledger.find(Query(Version))
    assert (version.number, version.artifact, version.run) == (1, made.id, run.run)
    assert version.summary == {"auc": 0.75}
    (move,) = ledger.find(Query(Move))
    assert (move.alias, move.number, move.verdicts) == ("champion", 1, (used.id,))
    (note,) = ledger.find(Query(Note))
    assert (note.subject, note.key, note.text) == (run.run, "tag", "night")
    edges = ledger.find(Query(EdgeRow, order=(Order("role"),)))
    assert [(e.role, e.name, e.source) for e in edges] == [
        ("made", "model", None),
        ("used", "rows", "ab" * 16),
    ]
    assert ledger.keys(["memo/"]) == {"memo/1": run.run}


def test_a_condition_that_does_not_hold_leaves_no_trace_and_says_which(ledger, facts) -> None:
    ledger.commit(facts.batch(*facts.version_of("one")))
    (run,) = ledger.find(Query(Run))
    ledger.commit(facts.batch(Keyed(key="k", run=run.id)))
    before = everything(ledger)
    for condition in (
        RefAt(ref=facts.ref, number=None),
        RefAt(ref=facts.ref, number=2),
        AliasAt(ref=facts.ref, alias="champion", number=1),
        KeyIs(key="k"),
        KeyIs(key="k", run="f" * 32),
        KeyIs(key="other", run=run.id),
        LeaseIs(key="lease", token=1),
        RunIsOpen(run=run.id),
        RunIsOpen(run="0" * 32),
    ):
        with pytest.raises(ConditionFailedError) as caught:
            ledger.commit(facts.batch(facts.opened(), conditions=[condition]))
        assert caught.value.condition == condition
        assert caught.value.fix
    assert everything(ledger) == before


def test_conditions_that_hold_let_a_batch_pass(ledger, facts) -> None:
    ledger.commit(
        facts.batch(
            *facts.version_of("one"),
            conditions=[
                RefAt(ref=facts.ref, number=None),
                AliasAt(ref=facts.ref, alias="prod", number=None),
                KeyIs(key="k"),
            ],
        )
    )
    run = facts.opened()
    ledger.commit(facts.batch(run, conditions=[RefAt(ref=facts.ref, number=1)]))
    receipt = ledger.commit(facts.batch(facts.sealed(run.run), conditions=[RunIsOpen(run=run.run)]))
    assert receipt.block == 3


def test_a_batch_that_is_committed_again_changes_nothing_and_appends_no_block(
    ledger, facts
) -> None:
    run = facts.opened()
    figures = Figured(run=run.run, keys=("auc",), values=(math.nan,), steps=(0,), at=(facts.start,))
    batch = facts.batch(run, figures, *facts.version_of("one"), facts.sealed(run.run))
    assert ledger.commit(batch).block == 1
    before = everything(ledger)
    assert ledger.commit(batch).block is None
    assert repr(everything(ledger)) == repr(before)


@pytest.mark.parametrize(
    "contradiction",
    [
        lambda f, run: f.opened(run=run.id, name="other"),
        lambda f, run: ArtifactMade(artifact=f.artifact("one", size_bytes=4)),
        lambda f, run: f.created(owner="bob"),
        lambda f, run: f.versioned(1, f.artifact("other").id, run.id),
        lambda f, run: f.versioned(3, f.artifact("one").id, run.id),
        lambda f, run: f.versioned(2, f.artifact("nobody made this").id, run.id),
        lambda f, run: f.moved("prod", 2, None, run.id),
        lambda f, run: f.moved("prod", 1, 1, run.id),
        lambda f, run: f.sealed(run.id, status="failed"),
        lambda f, run: f.edge(run.id, f.artifact("late").id),
        lambda f, run: f.edge("0" * 32, f.artifact("one").id),
        lambda f, run: Figured(run=run.id, keys=("a",), values=(1.0,), steps=(0,), at=(f.start,)),
        lambda f, run: Keyed(key="k", run="1" * 32),
        lambda f, run: Placed(artifact=f.artifact("unknown").id, manifest=f.artifact("m").id),
        lambda f, run: Hidden(
            ref=RefName(kind="data", project="mill", name="no"),
            is_hidden=True, actor=f.actor, at=f.start, because="",
        ),
    ],
)  # fmt: skip
def test_a_fact_that_contradicts_the_record_is_refused_with_its_whole_batch(
    ledger, facts, contradiction
) -> None:
    ledger.commit(facts.batch(*facts.version_of("one")))
    (run,) = ledger.find(Query(Run))
    ledger.commit(facts.batch(Keyed(key="k", run=run.id)))
    before = everything(ledger)
    with pytest.raises(ConflictError):
        ledger.commit(facts.batch(facts.opened(), contradiction(facts, run)))
    assert everything(ledger) == before


@pytest.mark.parametrize(
    "bad",
    [
        lambda f: f.opened(name="\ud800"),
        lambda f: f.opened(name=None),
        lambda f: f.opened(opened_at=f.start.replace(tzinfo=None)),
        lambda f: ArtifactMade(artifact=f.artifact(size_bytes=2**70)),
        lambda f: f.sealed(f.opened().run, status="running"),
        lambda f: Figured(run="0" * 32, keys=("a",), values=(), steps=(), at=()),
    ],
)
def test_a_value_that_no_table_takes_is_refused_and_named(ledger, facts, bad) -> None:
    before = everything(ledger)
    with pytest.raises(InvalidInputError):
        ledger.commit(facts.batch(facts.opened(), bad(facts)))
    assert everything(ledger) == before


def test_a_key_is_replaced_only_where_the_batch_says_which_run_it_names(ledger, facts) -> None:
    one, two = facts.opened(), facts.opened()
    ledger.commit(facts.batch(one, Keyed(key="k", run=one.run), conditions=[KeyIs(key="k")]))
    with pytest.raises(ConflictError):
        ledger.commit(facts.batch(two, Keyed(key="k", run=two.run)))
    replaced = [KeyIs(key="k", run=one.run)]
    ledger.commit(facts.batch(two, Keyed(key="k", run=two.run), conditions=replaced))
    assert ledger.keys(["k"]) == {"k": two.run}


def test_a_placed_artifact_lies_behind_its_new_manifest_alone(ledger, facts) -> None:
    artifact, manifest = facts.artifact("inline"), facts.artifact("manifest").id
    ledger.commit(facts.batch(ArtifactMade(artifact=artifact)))
    ledger.commit(facts.batch(Placed(artifact=artifact.id, manifest=manifest)))
    (found,) = ledger.find(Query(Artifact))
    assert (found.inline, found.manifest) == (None, manifest)


def test_a_table_may_be_laid_out_again_without_contradiction(ledger, facts) -> None:
    table = facts.artifact(id="td1:" + "0" * 64, kind="table", size_bytes=10)
    ledger.commit(facts.batch(ArtifactMade(artifact=table)))
    again = facts.artifact(id=table.id, kind="table", size_bytes=12)
    ledger.commit(facts.batch(ArtifactMade(artifact=again)))
    assert ledger.find(Query(Artifact)) == [table]


def test_content_keeps_the_kind_and_summary_that_it_was_first_made_with(ledger, facts) -> None:
    first = facts.artifact("rows", kind="sample", summary={"rows": 3})
    ledger.commit(facts.batch(ArtifactMade(artifact=first)))
    run, again = facts.opened(), facts.artifact("rows", kind="report", summary={"rows": 4})
    made = facts.edge(run.run, again.id, "made")
    ledger.commit(facts.batch(run, ArtifactMade(artifact=again), made, facts.sealed(run.run)))
    assert ledger.find(Query(Artifact)) == [first]
    assert [edge.run for edge in ledger.edges([first.id], "up", 1)] == [run.run]


def test_only_the_newest_text_of_a_note_counts(ledger, facts, turned_clock) -> None:
    subject = str(facts.ref)
    for text in ("one", "two"):
        turned_clock.sleep(1)
        noted = Noted(subject=subject, key="k", text=text, actor=facts.actor, at=turned_clock.now())
        ledger.commit(facts.batch(noted))
    assert [note.text for note in ledger.find(Query(Note))] == ["two"]
    assert len(ledger.find(Query(Entry))) == 2


def test_a_ref_is_hidden_and_shown_again(ledger, facts) -> None:
    ledger.commit(facts.batch(facts.created()))
    for is_hidden in (True, False):
        fact = Hidden(
            ref=facts.ref, is_hidden=is_hidden, actor=facts.actor, at=facts.start, because="old"
        )
        ledger.commit(facts.batch(fact))
        found = ledger.find(Query(Ref, where=(Where("is_hidden", "=", is_hidden),)))
        assert [ref.is_hidden for ref in found] == [is_hidden]


def test_an_alias_is_moved_and_taken_away(ledger, facts, turned_clock) -> None:
    ledger.commit(facts.batch(*facts.version_of("one")))
    (run,) = ledger.find(Query(Run))
    for number, previous in ((1, None), (None, 1)):
        turned_clock.sleep(1)
        condition = AliasAt(ref=facts.ref, alias="prod", number=previous)
        moved = facts.moved("prod", number, previous, run.id)
        ledger.commit(facts.batch(moved, conditions=[condition]))
        (ref,) = ledger.find(Query(Ref))
        assert ref.aliases.get("prod") == number
    newest = ledger.find(Query(Move, order=(Order("recorded_at", descending=True),)))
    assert [move.number for move in newest] == [None, 1]


def test_figures_keep_every_float_and_append_no_block(ledger, facts) -> None:
    run = facts.opened()
    ledger.commit(facts.batch(run))
    values = (math.nan, math.inf, -math.inf, 0.1, 1e-308, 5.0)
    steps = tuple(range(len(values)))
    figured = Figured(
        run=run.run, keys=("loss",) * 6, values=values, steps=steps, at=(facts.start,) * 6
    )
    assert ledger.commit(facts.batch(figured)).block is None
    found = ledger.find(Query(Figure, order=(Order("step"),)))
    assert repr([figure.value for figure in found]) == repr(list(values))
    above = ledger.find(Query(Figure, where=(Where("value", ">", 0.05),)))
    assert sorted(figure.value for figure in above) == [0.1, 5.0, math.inf]


def test_a_seal_covers_edges_and_figures_of_earlier_batches(ledger, facts) -> None:
    run, artifact = facts.opened(), facts.artifact()
    figured = Figured(run=run.run, keys=("a",), values=(1.5,), steps=(0,), at=(facts.start,))
    edge = facts.edge(run.run, artifact.id, name="rows", source="ab" * 16)
    for fact in (run, figured, edge):
        ledger.commit(facts.batch(fact))
    ledger.commit(facts.batch(facts.sealed(run.run)))
    (entry,) = ledger.find(Query(Entry, where=(Where("kind", "=", "run-sealed"),)))
    content = json.loads(entry.payload)["content"]
    seal = Seal.of(run.run, [edge], [figured])
    assert content["figures"] == seal.figures
    assert tuple(map(tuple, content["edges"])) == seal.edges


def test_a_receipt_names_the_block_that_holds_the_entries(ledger, facts) -> None:
    receipt = ledger.commit(facts.batch(*facts.version_of("one")))
    (block,) = ledger.find(Query(Block))
    entries = ledger.find(Query(Entry))
    assert (receipt.block, receipt.root) == (block.sequence, block.root)
    assert block.root == merkle_root([entry.digest for entry in entries])
    kinds = [entry.kind for entry in entries]
    assert kinds == ["run-opened", "ref-created", "ref-versioned", "run-sealed"]


def test_threads_that_commit_together_share_blocks_and_lose_nothing(ledger, facts) -> None:
    runs = [facts.opened() for _ in range(160)]
    receipts, failures = {}, []

    def work(mine) -> None:
        for run in mine:
            receipts[run.run] = ledger.commit(facts.batch(run))
            try:
                ledger.commit(facts.batch(run, conditions=[RunIsOpen(run="0" * 32)]))
            except ConditionFailedError as error:
                failures.append(error)

    threads = [threading.Thread(target=work, args=(runs[i::16],)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failures) == 160
    found = {entry.subject: entry.block for entry in ledger.find(Query(Entry))}
    assert found == {run: receipt.block for run, receipt in receipts.items()}
    assert len(found) == 160
    roots = {block.sequence: block.root for block in ledger.find(Query(Block))}
    assert all(roots[receipt.block] == receipt.root for receipt in receipts.values())
