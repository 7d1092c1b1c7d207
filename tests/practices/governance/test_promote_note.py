"""A version whose checks fail can be promoted where no policy forbids it, but never in silence."""

import pytest

from tidemill.core.check import Finding, Verdict
from tidemill.core.errors import NotAllowedError
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.refs import ref_name
from tidemill.lineage.writing import opened
from tidemill.practices.governance.operations import set_policy
from tidemill.practices.versioning.operations import promote


def test_a_promotion_past_a_failed_check_says_so_and_names_the_policy_to_set(record) -> None:
    with opened(record, kind="registration", name="churn") as run:
        model = run.made(put_value(record, "model", {"a": 1}))
        run.version(ref_name(record, "model", "churn"), model)
    finding = Finding(rule="min_auc", state="fail", what="0.4")
    verdict = Verdict(
        check="gates", subjects=(model.id,), state="fail", findings=(finding,), at=record.now()
    )
    summary = {"check": "gates", "state": "fail", "subject": model.id}
    with opened(record, kind="check", name="gates") as run:
        run.used(model.id)
        run.made(put_value(record, "verdict", verdict, summary=summary))
    moved = promote(record, "model:churn@1", "champion", because="in a hurry")
    assert moved.failing == ("gates",)
    assert "tidemill policy set model:churn champion --verdict gates" in str(moved)


def test_a_promotion_of_a_model_that_no_gate_has_judged_says_so(record) -> None:
    with opened(record, kind="registration", name="churn") as run:
        model = run.made(put_value(record, "model", {"a": 1}))
        run.version(ref_name(record, "model", "churn"), model)
    moved = promote(record, "model:churn@1", "champion", because="the first")
    assert moved.failing == ("gates (never ran)",)
    assert "tidemill check model:churn@1" in str(moved)


def test_a_refused_promotion_names_the_rule_that_stands_in_the_way_and_its_fix(record) -> None:
    with opened(record, kind="registration", name="churn") as run:
        model = run.made(put_value(record, "model", {"a": 1}))
        run.version(ref_name(record, "model", "churn"), model)
    set_policy(record, "model:churn", "champion", verdict=("gates",), because="no ungated model")
    with pytest.raises(NotAllowedError, match="not been asked yet"):
        promote(record, "model:churn@1", "champion", because="the first")
    findings = (
        Finding(rule="code.imports", state="pass", what="2 modules"),
        Finding(
            rule="code.tests", state="not_run", what="the project has no tests", fix="write one"
        ),
    )
    verdict = Verdict(
        check="gates", subjects=(model.id,), state="not_run", findings=findings, at=record.now()
    )
    summary = {"check": "gates", "state": "not_run", "subject": model.id}
    with opened(record, kind="check", name="gates") as run:
        run.used(model.id)
        run.made(put_value(record, "verdict", verdict, summary=summary))
    with pytest.raises(NotAllowedError, match=r"code\.tests: the project has no tests") as told:
        promote(record, "model:churn@1", "champion", because="the first")
    assert told.value.fix == "write one; then tidemill check model:churn@1"
