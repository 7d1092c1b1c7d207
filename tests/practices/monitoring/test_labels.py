"""Labels come later, come again, and are corrected: what is known depends on when one asks."""

from datetime import UTC, datetime

import polars as pl
import pytest
from served_world import START, days_of_rows

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.practices.monitoring.labels import add_labels, labels_known
from tidemill.practices.monitoring.windows import collect

APRIL = datetime(2013, 4, 1, tzinfo=UTC)
MAY = datetime(2013, 5, 1, tzinfo=UTC)
JUNE = datetime(2013, 6, 1, tzinfo=UTC)


@pytest.fixture
def served(world):
    world.deploy(world.train(days_of_rows(START, 10)))
    return world


def known(world, at):
    return dict(
        labels_known(world.record, "delay", at).select("key", "label").collect().iter_rows()
    )


def labels(**values):
    return pl.DataFrame({"flight": list(values), "label": list(values.values())})


def test_the_same_labels_again_add_nothing_and_say_so(served) -> None:
    first = add_labels(served.record, "delay", labels(a=1, b=0), key="flight", at=MAY)
    again = add_labels(served.record, "delay", labels(a=1, b=0), key="flight", at=JUNE)
    assert (first.rows_added, again.rows_added, again.repeated) == (2, 0, 2)
    assert again.version == first.version == "labels:delay@1"
    assert "nothing new" in str(again)


def test_a_corrected_label_counts_from_its_arrival_on(served) -> None:
    add_labels(served.record, "delay", labels(a=1, b=0), key="flight", at=MAY)
    done = add_labels(served.record, "delay", labels(a=0, b=0, c=1), key="flight", at=JUNE)
    assert (done.rows_added, done.corrected, done.repeated) == (2, 1, 1)
    assert known(served, MAY) == {"a": 1.0, "b": 0.0}
    assert known(served, JUNE) == {"a": 0.0, "b": 0.0, "c": 1.0}
    assert known(served, APRIL) == {}


def test_labels_that_arrive_out_of_order_are_known_from_their_own_time_on(served) -> None:
    add_labels(served.record, "delay", labels(a=0), key="flight", at=JUNE)
    early = labels(a=1).with_columns(arrived_at=pl.lit(MAY))
    add_labels(served.record, "delay", early, key="flight", at=JUNE)
    assert known(served, MAY) == {"a": 1.0}
    assert known(served, JUNE) == {"a": 0.0}


def test_labels_of_rows_that_were_never_predicted_are_counted(served) -> None:
    rows = days_of_rows(APRIL, 1, rows=4)
    served.predict(rows[:2])
    collect(served.record, "delay", window="2013-04", at=MAY)
    served.predict(rows[2:])
    told = rows.select("flight", label="late").vstack(labels(x=1).cast({"label": pl.Int64}))
    done = add_labels(served.record, "delay", told, key="flight", at=MAY)
    assert (done.rows_added, done.unknown) == (5, 1)


def test_rows_without_key_or_label_are_left_out_and_told(served) -> None:
    given = pl.DataFrame({"flight": ["a", None, "c"], "label": [1.0, 1.0, None]})
    done = add_labels(served.record, "delay", given, key="flight", at=MAY)
    assert (done.rows, done.rows_added, done.dropped) == (3, 1, 2)


@pytest.mark.parametrize(
    ("given", "key", "words"),
    [
        (pl.DataFrame({"fligth": ["a"], "label": [1]}), "flight", "did you mean 'fligth'"),
        (pl.DataFrame({"flight": ["a"], "late": [1]}), "flight", "no column 'label'"),
    ],
)
def test_a_wrong_column_is_named_with_the_closest(served, given, key, words) -> None:
    with pytest.raises(InvalidInputError, match=words):
        add_labels(served.record, "delay", given, key=key, at=MAY)


def test_labels_of_another_type_are_refused_and_nothing_is_changed(served) -> None:
    add_labels(served.record, "delay", labels(a=1), key="flight", at=MAY)
    with pytest.raises(InvalidInputError, match=r"label is no class of 0, 1 \(row 1 'a': 'late'"):
        add_labels(served.record, "delay", labels(a="late"), key="flight", at=JUNE)
    assert known(served, JUNE) == {"a": 1.0}


def test_labels_are_read_from_a_file(served) -> None:
    path = served.root / "landed.csv"
    path.write_text("flight,is_late,landed\na,1,2013-04-30T10:00:00Z\nb,0,2013-05-02T10:00:00Z\n")
    done = add_labels(
        served.record, "delay", str(path), key="flight", label="is_late", arrived="landed", at=JUNE
    )
    assert done.rows_added == 2
    assert known(served, MAY) == {"a": 1.0}


def test_labels_of_a_name_that_nothing_predicts_under_are_refused(served) -> None:
    with pytest.raises(NotFoundError, match="nothing predicts as 'dealy'") as told:
        add_labels(served.record, "dealy", labels(a=1), key="flight", at=MAY)
    assert told.value.fix == "did you mean delay?"
    with pytest.raises(NotFoundError, match="these predict: delay"):
        add_labels(served.record, "other", labels(a=1), key="flight", at=MAY)
