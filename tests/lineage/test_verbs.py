"""The verbs for any kind, over a small graph: data, two trainings, a model, a promotion."""

import dataclasses
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tidemill.core.errors import InvalidInputError, NotAllowedError, NotFoundError, UsageError
from tidemill.core.facts import Noted
from tidemill.core.operation import Kind
from tidemill.core.ref import RefName
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.located import Located
from tidemill.lineage.operations import (
    diff,
    hide,
    impact,
    listing,
    log,
    search,
    show,
    why,
)
from tidemill.lineage.refs import move_alias, resolve
from tidemill.lineage.teams import Team, team_ref
from tidemill.lineage.writing import opened

SPRING = datetime(2013, 4, 1, tzinfo=UTC)


def ref(kind: str, name: str) -> RefName:
    return RefName(kind=kind, project="mill", name=name)


def ingested(record, name: str, value: object, at=SPRING):
    with opened(record, kind="ingestion", name=name, at=at, because="a month has passed") as run:
        artifact = run.made(put_value(record, "rows", value, summary={"rows": len(str(value))}))
        version = run.version(ref("data", name), artifact)
    return version.version


def trained(record, data, trees: int, always=True):
    with opened(record, kind="pipeline", name="delay", at=SPRING, params={"trees": trees}) as run:
        run.used(data.artifact, name="rows", source=data.run)
        model = {"rows": data.artifact, "trees": trees}
        with opened(record, kind="step", name="train", at=SPRING, parent=run.id) as step:
            step.used(data.artifact, name="rows", source=data.run)
            artifact = step.made(put_value(record, "model", model))
            step.figure("loss", 1 / trees)
        run.used(artifact.id, name="model", source=step.id)
        run.figure("auc", trees / 1000)
        version = run.version(ref("model", "delay"), artifact, always=always)
    return version.version


def with_kinds(record, kinds):
    return dataclasses.replace(record, kinds=kinds)


@pytest.fixture
def record(record):
    """A record that knows of no kind more than these tests tell it."""
    return with_kinds(record, {})


@pytest.fixture
def graph(record):
    """data:flights@1,2; model:delay@1 of 1, @2 of 2; @champion is 2."""
    first = ingested(record, "flights", ["a"])
    second = ingested(record, "flights", ["a", "b"], at=SPRING + timedelta(days=30))
    models = [trained(record, first, 100), trained(record, second, 200)]
    move_alias(record, resolve(record, "model:delay@2"), "champion", because="beats the first")
    return (first, second, *models)


def _unwrapped(text: str) -> str:
    """Return a tree's texts as if there were no lines."""
    return " ".join(text.replace("│", " ").split())


def test_why_leads_from_a_model_to_its_step_and_its_data(record, graph) -> None:
    text = str(why(record, "model:delay@champion"))
    lines = text.split("\n")
    assert lines[0].startswith("model:delay@2 b3:")
    assert "pipeline delay" in lines[1]
    assert "step train" in text
    assert "data:flights@2" in text
    assert "data:flights@1" not in text
    assert 'because "a month has passed"' in _unwrapped(text)
    assert "by ada" in text


def test_why_draws_what_two_paths_share_once(record, graph) -> None:
    text = str(why(record, "model:delay@1"))
    assert text.count("ingestion flights") == 1
    assert "data:flights@1" in text
    assert "(above)" in text


def test_why_follows_the_version_s_own_run_where_equal_content_has_several_makers(record) -> None:
    rows = ["same"]
    first, other = ingested(record, "one", rows), ingested(record, "other", rows)
    assert first.artifact == other.artifact
    assert "ingestion one" in str(why(record, "data:one"))
    assert "ingestion other" not in str(why(record, "data:one"))
    trained(record, other, 5)
    assert "ingestion other" in str(why(record, "model:delay"))
    assert "ingestion one" not in str(why(record, "model:delay"))


def test_why_of_a_run_begins_with_the_run(record, graph) -> None:
    run = graph[2].run
    answer = why(record, f"run:{run[-8:]}")
    assert answer.root.id == run
    assert answer.root.title.startswith("pipeline delay")


def test_why_asks_each_kind_for_its_lines(record, graph) -> None:
    def explain(record, run, artifact):
        return (f"from {run.kind}, {artifact.size_bytes} bytes",)

    kinds = {"rows": Kind(name="rows", what="rows", explain=explain)}
    assert "from ingestion" in str(why(with_kinds(record, kinds), "model:delay"))


def test_why_goes_on_from_what_a_kind_located(record, graph) -> None:
    def locate(record, name):
        return Located(
            title=f"prediction:{name}",
            lines=("score 0.7",),
            came_from=(("model", "model:delay@1"),),
        )

    kinds = {"prediction": Kind(name="prediction", what="one answer", locate=locate)}
    text = str(why(with_kinds(record, kinds), "prediction:4f1c09aa"))
    assert text.startswith("prediction:4f1c09aa")
    assert "score 0.7" in text
    assert "data:flights@1" in text


def test_why_is_data_too(record, graph) -> None:
    decoded = msgspec.json.decode(msgspec.json.encode(why(record, "model:delay")))
    assert decoded["root"]["below"][0]["kind"] == "pipeline"


def test_impact_lists_what_was_built_on_the_first_data_and_not_on_the_second(record, graph) -> None:
    answer = impact(record, "data:flights@1")
    names = [item.name for group in answer.kinds for item in group.items]
    assert "model:delay@1" in names
    assert "model:delay@2" not in names
    assert dict(answer.runs) == {"pipeline": 1, "step": 1}


def test_impact_tells_equal_versions_apart(record, graph) -> None:
    again = trained(record, graph[0], 100)
    assert again.artifact == graph[2].artifact
    with opened(record, kind="rollout", name="delay") as run:
        run.used(again.artifact, name="model", source=again.run)
        deployed = run.made(put_value(record, "deployment", "third"))
        run.version(ref("deployment", "delay"), deployed)
    assert "deployment:delay@1" in str(impact(record, "model:delay@3"))
    assert "deployment:delay@1" not in str(impact(record, "model:delay@1"))


def test_impact_says_which_aliases_stand_on_it(record, graph) -> None:
    assert "model:delay@2  @champion" in str(impact(record, "data:flights@2"))


def test_impact_of_what_nobody_used_says_so(record, graph) -> None:
    assert str(impact(record, "model:delay@1")) == "nothing was built on model:delay@1"


def test_diff_names_parameters_inputs_and_figures(record, graph) -> None:
    answer = diff(record, "model:delay@1", "model:delay@2")
    changes = {(part.name, c.name): (c.old, c.new) for part in answer.parts for c in part.changes}
    assert changes["parameter", "trees"] == (100, 200)
    assert changes["figure", "auc"] == (0.1, 0.2)
    assert changes["figure", "train.loss"] == (0.01, 0.005)
    assert changes["input", "rows"][0].startswith("data:flights@1")
    assert not answer.is_same_content


def test_another_version_of_an_input_that_is_called_by_its_version_is_one_row(
    record, graph
) -> None:
    runs = []
    for data in graph[:2]:
        with opened(record, kind="pipeline", name="count", at=SPRING) as run:
            run.used(data.artifact, name=f"data:flights@{data.number}", source=data.run)
        runs.append(f"run:{run.id}")
    (part,) = diff(record, *runs).parts
    assert [(one.name, one.old[:14], one.new[:14]) for one in part.changes] == [
        ("data:flights", "data:flights@1", "data:flights@2")
    ]


def test_diff_of_a_version_with_itself_is_empty(record, graph) -> None:
    answer = diff(record, "model:delay@2", "model:delay@champion")
    assert answer.is_same_content
    assert answer.parts == ()


def test_diff_of_two_kinds_is_refused(record, graph) -> None:
    with pytest.raises(InvalidInputError, match="of kind rows, model:delay of kind model"):
        diff(record, "data:flights", "model:delay")


def test_log_tells_versions_and_moves_with_their_reasons_newest_last(record, graph) -> None:
    events = log(record, "model:delay").events
    assert [event.what.split(" ")[0] for event in events] == ["version", "version", "@champion"]
    assert events[-1].why == "beats the first"
    assert events[-1].who == "ada"
    assert log(record, "data:flights").events[0].why == "a month has passed"


def test_log_of_a_run_tells_its_steps_and_its_end(record, graph) -> None:
    whats = [event.what for event in log(record, f"run:{graph[2].run}").events]
    assert whats == ["opened", "step train done", "sealed: done"]


def test_log_holds_notes(record, graph) -> None:
    with opened(record, kind="comment", name="delay") as run:
        run.add(
            Noted(subject=str(ref("model", "delay")), key="comment", text="odd in July",
                  actor=record.actor, at=record.now())
        )  # fmt: skip
    (said,) = [event for event in log(record, "model:delay").events if event.what == "comments"]
    assert said.why == "odd in July"


def test_log_of_a_version_tells_its_making_its_moves_its_uses_and_its_notes(record, graph) -> None:
    subject = f"{ref('data', 'flights')}@2"
    with opened(record, kind="comment", name="flights") as run:
        run.add(
            Noted(subject=subject, key="comment", text="late", actor=record.actor, at=record.now())
        )
    whats = [event.what for event in log(record, "data:flights@2").events]
    assert whats[0].startswith("version 2 ")
    assert sorted(whats[1:]) == [
        "comments on version 2", "used by pipeline delay", "used by step train"
    ]  # fmt: skip
    second = [event.what for event in log(record, "model:delay@champion").events]
    assert second[-1] == "@champion to 2"
    assert not [what for what in second if what.startswith("version 1")]
    first = [event.what for event in log(record, "model:delay@1").events]
    assert not [what for what in first if "champion" in what]


def test_log_of_a_version_tells_moves_away_from_it_too(record, graph) -> None:
    move_alias(record, resolve(record, "model:delay@1"), "champion", because="the second failed")
    events = log(record, "model:delay@2").events
    assert [e.what for e in events][-2:] == ["@champion to 2", "@champion from 2 to 1"]


def test_log_of_an_artifact_tells_the_runs_that_made_and_used_it(record, graph) -> None:
    whats = [event.what for event in log(record, graph[0].artifact).events]
    assert whats == ["made by ingestion flights", "used by pipeline delay", "used by step train"]


def test_log_of_a_thing_without_a_history_points_to_why(record) -> None:
    located = Located(title="prediction:abc")
    kind = Kind(name="prediction", what="one answer", locate=lambda _record, _name: located)
    text = str(log(with_kinds(record, {"prediction": kind}), "prediction:abcdef"))
    assert text.startswith("prediction:abc\na prediction is made once")
    assert text.endswith("tidemill why prediction:abcdef")


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(record, graph, limit) -> None:
    for call in (listing, lambda r, **o: search(r, "x", **o), lambda r, **o: log(r, "data:x", **o)):
        with pytest.raises(InvalidInputError, match=f"a limit of {limit} lists nothing"):
            call(record, limit=limit)


def test_a_list_leaves_long_values_and_json_out(record) -> None:
    summary = {"rows": 3, "places": '{"positions":{"a":[1,2]}}', "text": "x" * 41}
    with opened(record, kind="step", name="seal") as run:
        made = run.made(put_value(record, "rows", [1], summary=summary))
        run.version(ref("data", "sealed"), made, summary=summary)
    (item,) = listing(record, "data").items
    assert item.what == "rows=3"


def test_log_can_be_cut_and_says_so(record, graph) -> None:
    answer = log(record, "model:delay", limit=1)
    assert answer.is_cut
    assert [event.why for event in answer.events] == ["beats the first"]


def test_show_of_a_version_holds_number_aliases_maker_and_artifact(record, graph) -> None:
    rows = {row.name: row.text for row in show(record, "model:delay@2").rows}
    assert rows["number"] == "2 of 2"
    assert rows["aliases"] == "@champion"
    assert rows["made by"].startswith(f"run:{graph[3].run[-8:]}, ada")
    assert rows["is"] == f"model {graph[3].artifact}"


def test_show_of_a_run_holds_its_parameters_figures_and_edges(record, graph) -> None:
    answer = show(record, f"run:{graph[2].run[-8:]}")
    rows = [(row.name, row.text) for row in answer.rows]
    assert ("with", "trees=100") in rows
    assert any(name == "used" and "data:flights@1" in text for name, text in rows)
    assert [(f.key, f.value) for f in answer.figures] == [("auc", 0.1)]


def test_show_adds_what_the_kind_says(record, graph) -> None:
    kinds = {"data": Kind(name="data", what="data", show=lambda record, a: {"size": a.size_bytes})}
    assert show(with_kinds(record, kinds), "data:flights").detail == {"size": 9}


def test_an_artifact_can_be_named_by_the_beginning_of_its_id(record, graph) -> None:
    whole = graph[0].artifact
    assert show(record, whole[:12]).title == show(record, whole).title
    with pytest.raises(InvalidInputError, match="too short"):
        show(record, whole[:7])
    with pytest.raises(NotFoundError):
        show(record, "b3:00000000")


def test_list_shows_refs_of_a_kind_or_all_or_runs(record, graph) -> None:
    assert [item.name for item in listing(record).items] == ["data:flights@2", "model:delay@2"]
    assert [item.aliases for item in listing(record, "model").items] == [("champion=2",)]
    kinds = [item.what.split(" ")[0] for item in listing(record, "run", limit=3).items]
    assert kinds[0] == "move"
    assert listing(record, "run", limit=3).is_cut


def test_list_of_an_unknown_kind_names_the_closest(record) -> None:
    with pytest.raises(NotFoundError, match=r"did you mean run\?"):
        listing(with_kinds(record, {}), "runs")


def test_list_keeps_projects_apart(record, graph) -> None:
    elsewhere = dataclasses.replace(record, project="other")
    with opened(elsewhere, kind="training", name="far") as run:
        name = RefName(kind="model", project="other", name="far")
        run.version(name, run.made(put_value(elsewhere, "model", "far")))
    assert [item.name for item in listing(record, project="other").items] == ["model:other/far@1"]
    assert "model:other/far@1" not in str(listing(record))
    assert "model:other/far@1" in str(listing(record, all_projects=True))
    assert "model:delay" in str(listing(record, all_projects=True))
    runs = listing(record, "run", all_projects=True).items
    assert runs[0].what == "training other/far"
    assert {run.project for run in runs} == {"other", record.project}


def test_a_project_that_is_not_there_is_told_with_those_that_are(record, graph) -> None:
    for verb in (lambda: listing(record, project="othr"), lambda: search(record, "x", project="o")):
        with pytest.raises(NotFoundError, match="there is no project"):
            verb()
    with pytest.raises(UsageError, match="one project is not all"):
        listing(record, project=record.project, all_projects=True)


def test_list_by_owner_finds_a_persons_refs_those_of_their_teams_and_after_a_handover(
    record, graph
) -> None:
    everything = [item.name for item in listing(record).items]
    assert [item.name for item in listing(record, owner=str(record.actor)).items] == everything
    assert listing(record, owner="grace").items == ()
    team = Team(name="ops", members=("grace",))
    with opened(record, kind="team", name="ops") as run:
        run.version(team_ref(record, "ops"), run.made(put_value(record, "team", team)))
        run.add(Noted(subject=f"model:{record.project}/delay", key="owner", text="team:ops",
                      actor=record.actor, at=record.now()))  # fmt: skip
    for owner in ("grace", "team:ops"):
        (item,) = listing(record, owner=owner).items
        assert (item.name.partition("@")[0], item.owner) == ("model:delay", "team:ops")
    assert "team:ops" in str(show(record, "model:delay"))
    with pytest.raises(UsageError, match="runs have no owner"):
        listing(record, "run", owner="grace")


def test_search_finds_names_and_reasons(record, graph) -> None:
    assert "model:delay@2" in [item.name for item in search(record, "dela").items]
    found = search(record, "beats the").items
    assert [item.what.split(" ")[0] for item in found] == ["move"]
    assert search(record, "nowhere to be found").items == ()


def test_rm_hides_a_ref_and_keeps_its_history(record, graph) -> None:
    with pytest.raises(NotAllowedError, match="reason"):
        hide(record, "data:flights")
    hide(record, "data:flights", because="was a test")
    assert [item.name for item in listing(record).items] == ["model:delay@2"]
    assert "data:flights" in str(why(record, "model:delay"))
    assert [i.name for i in listing(record, "data", hidden=True).items] == ["data:flights@2"]
    hide(record, "data:flights", because="needed after all", restore=True)
    assert len(listing(record).items) == 2


def test_a_long_chain_and_a_wide_fan_stay_readable(record) -> None:
    version = ingested(record, "start", ["x"])
    for number in range(60):
        with opened(record, kind="step", name=f"s{number}") as run:
            run.used(version.artifact, name="rows", source=version.run)
            made = [run.made(put_value(record, "rows", [number, n]), name=f"out{n}")
                    for n in range(10)]  # fmt: skip
            pending = run.version(ref("data", f"d{number}"), made[0])
        version = pending.version
    answer = why(record, str(version), depth=100)
    assert "ingestion start" in str(answer)
    assert len(impact(record, "data:start", depth=100).kinds[0].items) == 600


def test_hiding_names_what_still_points_at_it(record, graph) -> None:
    with pytest.raises(NotAllowedError, match="@champion is version 2") as refused:
        hide(record, "model:delay")
    assert refused.value.fix == 'tidemill rm model:delay --because "..."'
    hidden = hide(record, "model:delay", because="superseded")
    assert hidden.held_by == ("@champion is version 2",)
    assert "still in use" in str(hidden)
    assert not hide(record, "model:delay", because="it is not", restore=True).held_by


def test_a_long_history_of_appended_data_keeps_the_answers_short(record) -> None:
    base = None
    for number in range(300):
        with opened(record, kind="ingest", name="days", because="a day is over " * 9) as run:
            if base is not None:
                run.used(base.artifact, name="base", source=base.run)
            artifact = run.made(put_value(record, "rows", number, summary={"rows": number}))
            pending = run.version(ref("data", "days"), artifact)
        base = pending.version
    for answer in (
        why(record, "data:days", depth=400), impact(record, "data:days@1", depth=400),
        log(record, "data:days", limit=10), listing(record, "run", limit=10),
        show(record, "data:days"),
    ):  # fmt: skip
        lines = str(answer).split("\n")
        assert max(map(len, lines)) <= 100
        assert len(lines) < 45
    assert "… tidemill why data:days@297" in str(why(record, "data:days", depth=400))
    assert "--limit 100" in str(log(record, "data:days", limit=10))
    assert "… and 287 more" in str(impact(record, "data:days@1", depth=400))


def test_a_note_is_told_by_what_it_is_and_on_which_version(record, graph) -> None:
    now = record.now()
    for key, text in (("comment:01ff", "odd"), ("approval:prod:bo", "read it")):
        with opened(record, kind="note", name="delay") as run:
            run.add(Noted(subject=f"{ref('model', 'delay')}@2", key=key, text=text,
                          actor=record.actor, at=now))  # fmt: skip
    told = {event.what: event.why for event in log(record, "model:delay").events}
    assert told["comments on version 2"] == "odd"
    assert told["approves @prod on version 2"] == "read it"


def test_diff_says_what_two_runs_have_alike(record, graph) -> None:
    data = resolve(record, "data:flights@2")
    twice = [str(trained(record, data, 300)) for _ in range(2)]
    same = diff(record, *twice)
    assert same.same == ("parameters", "data", "metrics")
    assert "parameters, data, metrics: the same" in str(same)
    assert diff(record, "model:delay@1", "model:delay@2").same == ()


def test_a_misspelt_alias_is_told_the_usual_one(record, graph) -> None:
    with pytest.raises(NotFoundError, match="did you mean model:delay@champion"):
        resolve(record, "model:delay@champoin")
    with pytest.raises(NotFoundError, match="tidemill promote model:delay@2 challenger"):
        resolve(record, "model:delay@chalenger")
