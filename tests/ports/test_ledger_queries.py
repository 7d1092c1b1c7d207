"""The ledger port's contract for reads: queries, pages, keys, walks along the edges."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.core.artifact import Artifact
from tidemill.core.digest import ArtifactId
from tidemill.core.errors import InvalidInputError
from tidemill.core.facts import ArtifactMade, Figured, Keyed, Noted
from tidemill.core.query import (
    IDENTITY,
    Block,
    EdgeRow,
    Entry,
    Figure,
    Note,
    Order,
    Query,
    Where,
    page_end,
    sort_keys,
)
from tidemill.core.ref import Ref, RefName, Version
from tidemill.core.run import Run
from tidemill.lineage.paging import every

TEXTS = st.sampled_from(["", "a", "ab", "aB", "b", "bä", "ä", "\U0001f30a", "%", "_", "a'b"])
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "name": TEXTS,
            "kind": st.sampled_from(["step", "check"]),
            "parent": st.sampled_from([None, "1" * 32, "2" * 32]),
            "hours": st.integers(-2, 2),
            "params": st.dictionaries(
                st.sampled_from(["p", "q r", "ä.b"]), st.sampled_from([1, 2, 2.5, "two"])
            ),
        }
    ),
    max_size=12,
)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def filled(ledger, facts):
    """Fill a fresh project a time, so that one ledger serves all examples."""
    rounds = iter(range(10_000))

    def fill(rows) -> tuple[str, list[Run]]:
        project = f"p{next(rounds)}"
        opened = [
            facts.opened(
                project=project, name=row["name"], kind=row["kind"], parent=row["parent"],
                opened_at=facts.start + timedelta(hours=row["hours"]), params=row["params"],
            )
            for row in rows
        ]  # fmt: skip
        ledger.commit(facts.batch(*opened))
        return project, ledger.find(Query(Run, where=(Where("project", "=", project),)))

    return fill


COMPARE = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a is not None and a < b,
    "<=": lambda a, b: a is not None and a <= b,
    ">": lambda a, b: a is not None and a > b,
    ">=": lambda a, b: a is not None and a >= b,
    "prefix": lambda a, b: a is not None and a.startswith(b),
    "suffix": lambda a, b: a is not None and a.endswith(b),
    "contains": lambda a, b: a is not None and b in a,
    "in": lambda a, b: a in b,
}


@quick
@given(
    rows=RUNS, field=st.sampled_from(["name", "parent"]), op=st.sampled_from([*COMPARE]), text=TEXTS
)
def test_text_conditions_mean_what_python_means(ledger, filled, rows, field, op, text) -> None:
    project, runs = filled(rows)
    value = [text, "ab", "1" * 32] if op == "in" else text
    query = Query(Run, where=(Where("project", "=", project), Where(field, op, value)))
    expected = [run.id for run in runs if COMPARE[op](getattr(run, field), value)]
    assert [run.id for run in ledger.find(query)] == expected


@quick
@given(rows=RUNS, op=st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), hours=st.integers(-3, 3))
def test_time_conditions_mean_what_python_means(ledger, facts, filled, rows, op, hours) -> None:
    project, runs = filled(rows)
    time = facts.start + timedelta(hours=hours)
    query = Query(Run, where=(Where("project", "=", project), Where("opened_at", op, time)))
    expected = [run.id for run in runs if COMPARE[op](run.opened_at, time)]
    assert [run.id for run in ledger.find(query)] == expected


@quick
@given(
    rows=RUNS, name=st.sampled_from(["p", "q r", "ä.b"]),
    op=st.sampled_from(["=", "!=", "in"]), value=st.sampled_from([1, 2, 2.5, "two"]),
)  # fmt: skip
def test_items_of_a_mapping_are_compared_as_fields(ledger, filled, rows, name, op, value) -> None:
    project, runs = filled(rows)
    given_value = [value] if op == "in" else value
    where = (Where("project", "=", project), Where(f"params.{name}", op, given_value))
    expected = [run.id for run in runs if COMPARE[op](run.params.get(name), given_value)]
    assert [run.id for run in ledger.find(Query(Run, where=where))] == expected


@quick
@given(
    rows=RUNS,
    keys=st.lists(
        st.tuples(
            st.sampled_from(["name", "opened_at", "parent", "sealed_at", "params.p"]),
            st.booleans(),
        ),
        max_size=3,
        unique_by=lambda key: key[0],
    ),
    size=st.integers(1, 5),
)
def test_pages_are_the_whole_result_in_its_order_and_nothing_twice(
    ledger, filled, rows, keys, size
) -> None:
    project, runs = filled(rows)
    order = tuple(Order(field, descending) for field, descending in keys)
    query = Query(Run, where=(Where("project", "=", project),), order=order)
    whole = ledger.find(query)
    assert sorted(run.id for run in whole) == sorted(run.id for run in runs)
    paged = Query(Run, where=query.where, order=order, limit=size)
    assert list(every(ledger, paged)) == whole
    for field, descending in reversed([(key.field, key.descending) for key in sort_keys(query)]):
        if not field.startswith("params"):
            whole = sorted(
                whole,
                key=lambda run, field=field: ((v := getattr(run, field)) is not None, v or ""),
                reverse=descending,
            )
    if not any(field.startswith("params") for field, _ in keys):
        assert list(every(ledger, paged)) == whole


def test_missing_values_come_first_and_are_asked_for_by_none(ledger, facts) -> None:
    one, two = facts.opened(parent="1" * 32, params={"p": 1}), facts.opened()
    ledger.commit(facts.batch(one, two))
    for field in ("parent", "params.p"):
        ordered = ledger.find(Query(Run, order=(Order(field),)))
        assert [run.id for run in ordered] == [two.run, one.run]
        for op, run in (("=", two), ("!=", one)):
            assert [r.id for r in ledger.find(Query(Run, where=(Where(field, op, None),)))] == [
                run.run
            ]


def test_a_ref_is_found_by_its_text_and_by_its_parts(ledger, facts) -> None:
    names = [
        RefName(kind=k, project=p, name=n) for k in ("data", "model") for p in "ab" for n in "xy"
    ]
    ledger.commit(facts.batch(*(facts.created(ref=name) for name in names)))
    for name in names:
        (found,) = ledger.find(Query(Ref, where=(Where("ref", "=", str(name)),)))
        parts = [
            Where(f"ref.{part}", "=", getattr(name, part)) for part in ("kind", "project", "name")
        ]
        assert found.ref == name
        assert ledger.find(Query(Ref, where=tuple(parts))) == [found]
    some = Where("ref", "in", [str(name) for name in names[:3]])
    assert len(ledger.find(Query(Ref, where=(some,)))) == 3


def test_versions_are_found_by_run_artifact_and_summary(ledger, facts) -> None:
    ledger.commit(facts.batch(*facts.version_of("one")))
    ledger.commit(facts.batch(*facts.version_of("two", 2)))
    newest = Query(
        Version, where=(Where("ref", "=", str(facts.ref)),), order=(Order("number", True),)
    )
    two, one = ledger.find(newest)
    assert (one.number, two.number) == (1, 2)
    for field in ("run", "artifact", "number"):
        assert ledger.find(Query(Version, where=(Where(field, "=", getattr(one, field)),))) == [one]


@pytest.mark.parametrize("type_", [*IDENTITY])
def test_an_unknown_field_is_named_with_those_that_exist(ledger, type_) -> None:
    for query in (
        Query(type_, where=(Where("figures", "=", 1),)),
        Query(type_, order=(Order("figures"),)),
    ):
        with pytest.raises(
            InvalidInputError, match=f"{type_.__name__} has no field 'figures'"
        ) as e:
            ledger.find(query)
        assert IDENTITY[type_][0] in e.value.fix


@pytest.mark.parametrize(
    "query",
    [
        Query(Run, where=(Where("opened_at", "=", "2013-01-01"),)),
        Query(Run, where=(Where("status", "=", "fine"),)),
        Query(Run, where=(Where("name", "=", 3),)),
        Query(Run, where=(Where("name", "in", "abc"),)),
        Query(Run, where=(Where("name", "<", None),)),
        Query(Run, where=(Where("name", "like", "a"),)),
        Query(Run, where=(Where("opened_at", "prefix", "2013"),)),
        Query(Run, where=(Where('params.a"b', "=", 1),)),
        Query(Ref, where=(Where("is_hidden", "=", "yes"),)),
        Query(Run, after=("1", "2", "3")),
        Query(Run, limit=-1),
        Query(int),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(ledger, query) -> None:
    with pytest.raises(InvalidInputError):
        ledger.find(query)


@pytest.mark.parametrize("type_", [Artifact, Figure, Note, EdgeRow, Block, Entry, Ref, Version])
def test_every_result_can_be_paged_by_its_own_id(ledger, facts, type_) -> None:
    for number in range(1, 6):
        ledger.commit(facts.batch(*facts.version_of(f"v{number}", number)))
        run = facts.opened()
        name = RefName(kind="data", project="mill", name=f"d{number}")
        noted = Noted(subject="s", key=f"{number}", text="", actor=facts.actor, at=facts.start)
        figured = Figured(
            run=run.run, keys=("k", "k"), values=(float("nan"), 1.0), steps=(0, 0),
            at=(facts.start,) * 2,
        )  # fmt: skip
        ledger.commit(facts.batch(run, facts.created(ref=name), noted, figured))
    whole = ledger.find(Query(type_))
    assert len(whole) >= 5
    assert repr(list(every(ledger, Query(type_, limit=2)))) == repr(whole)
    assert ledger.find(Query(type_, after=page_end(Query(type_), whole[-1]))) == []


@quick
@given(
    keys=st.sets(st.text(alphabet="ab/\U0010ffff\ud7ff", min_size=1, max_size=4), max_size=12),
    prefixes=st.lists(st.text(alphabet="ab/\U0010ffff\ud7ff", max_size=3), max_size=10),
)
def test_keys_are_found_by_any_of_many_prefixes(ledger, facts, keys, prefixes) -> None:
    run = facts.opened()
    root = run.run + "/"
    ledger.commit(facts.batch(run, *(Keyed(key=root + key, run=run.run) for key in keys)))
    found = ledger.keys([root + prefix for prefix in prefixes])
    expected = {root + key for key in keys if any(key.startswith(prefix) for prefix in prefixes)}
    assert found == dict.fromkeys(expected, run.run)


def test_a_thousand_prefixes_are_asked_for_at_once(ledger, facts) -> None:
    run = facts.opened()
    keys = [f"memo/{number:04d}/x" for number in range(1200)]
    ledger.commit(facts.batch(run, *(Keyed(key=key, run=run.run) for key in keys)))
    assert set(ledger.keys([key[:-1] for key in keys[:1100]])) == set(keys[:1100])


@pytest.fixture
def diamond(ledger, facts):
    """a -> run 1 -> b, c; b -> run 2 -> d; c -> run 3 -> d."""
    a, b, c, d = (facts.artifact(name) for name in "abcd")
    runs = [facts.opened() for _ in range(3)]
    one, two, three = (run.run for run in runs)
    ledger.commit(
        facts.batch(
            *(ArtifactMade(artifact=artifact) for artifact in (a, b, c, d)), *runs,
            facts.edge(one, a.id, name="rows"), facts.edge(one, b.id, "made"),
            facts.edge(one, c.id, "made"), facts.edge(two, b.id, source=one),
            facts.edge(two, d.id, "made"), facts.edge(three, c.id, source=one),
            facts.edge(three, d.id, "made"),
        )
    )  # fmt: skip
    return {"a": a.id, "b": b.id, "c": c.id, "d": d.id, "1": one, "2": two, "3": three}


@pytest.mark.parametrize(
    ("start", "direction", "depth", "levels"),
    [
        ("d", "up", 1, ["2d 3d"]),
        ("d", "up", 2, ["2d 3d", "2b 3c"]),
        ("d", "up", 3, ["2d 3d", "2b 3c", "1b 1c"]),
        ("d", "up", 99, ["2d 3d", "2b 3c", "1b 1c", "1a"]),
        ("d", "down", 99, []),
        ("a", "down", 2, ["1a", "1b 1c"]),
        ("a", "down", 99, ["1a", "1b 1c", "2b 3c", "2d 3d"]),
        ("1", "up", 1, ["1a"]),
        ("1", "down", 1, ["1b 1c"]),
        ("ad", "up", 0, []),
        ("bd", "up", 2, ["1b 2d 3d", "1a 2b 3c"]),
    ],
)
def test_a_walk_meets_each_edge_once_breadth_first(
    ledger, diamond, start, direction, depth, levels
) -> None:
    names = {identity: name for name, identity in diamond.items()}
    rows = ledger.edges([diamond[name] for name in start], direction, depth)
    found = [names[row.run] + names[row.artifact] for row in rows]
    for level in levels:
        size = len(level.split())
        assert sorted(found[:size]) == level.split()
        found = found[size:]
    assert found == []
    assert all(row.source in {None, diamond["1"]} for row in rows)


def test_a_walk_from_something_unknown_meets_nothing(ledger) -> None:
    assert ledger.edges([ArtifactId("b3:" + "0" * 64)], "up", 5) == []
