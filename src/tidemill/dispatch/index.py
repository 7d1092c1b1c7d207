# ruff: noqa: E501 - one line an operation
"""What every room offers, one line each. Written by `.ci/faces.py`; do not edit."""

from collections.abc import Mapping
from typing import NamedTuple


class Offer(NamedTuple):
    """One operation: how it is typed, where it is, its Python name, its faces, its help."""

    command: tuple[str, ...]
    room: str
    name: str
    faces: tuple[str, ...]
    summary: str


def _offer(line: str) -> Offer:
    command, room, name, faces, summary = line.split(" | ", 4)
    return Offer(
        tuple(command.split()), f"tidemill.{room}.operations", name, tuple(faces.split()), summary
    )


OFFERS: tuple[Offer, ...] = tuple(
    _offer(line)
    for line in """\
alert list | practices.drift | list_alerts | cli python http | List the open alerts, newest first.
alert resolve | practices.drift | resolve_alert | cli python http | Resolve an alert: say what came of it and close it.
approve | practices.governance | approve | cli python http | Approve that a version gets an alias; counts for everybody's move but one's own.
audit checkpoint | practices.governance | make_audit_checkpoint | cli python http | Sign how long the journal is and what it says; keep the text where the record is not.
audit key | practices.governance | show_audit_key | cli python http | Show the public key that signs checkpoints, to be known by whoever will check them.
audit prove | practices.governance | prove_audit | cli python http | Make a small proof of one fact, or of growth since a checkpoint, to be checked by anybody.
audit rotate | practices.governance | rotate_audit_key | cli python http | Make a new key for checkpoints; it is journaled, and signed by the old one if that is here.
audit verify | practices.governance | verify_audit | cli python http | Prove that nobody has rewritten the record and that its bytes are sound, or say what is not.
card | practices.governance | card | cli python http | Write a model card from the record alone, as Markdown.
check | practices.integration | check | cli python http | Ask every gate of code, data and models; what has not changed is not judged again.
comment | practices.collaboration | comment | cli python http | Say something about a ref, a version or a run; `tidemill log REF` shows it.
config show | practices.infrastructure | show_config | cli python http | Show every setting, its value and where that came from.
contract infer | practices.validation | infer_contract | cli python http | Propose a contract from a data version, a file or a frame, as Python text for the project.
contract list | practices.validation | list_contracts | cli python http | List the contracts that the project's code declares.
data add | practices.validation | add_data | cli python http | Add a version of data: read once, checked against its contract, bad rows put aside.
data check | practices.validation | check_data | cli python http | Check a data version, a file or a frame against its contract as it is declared now.
data frame | practices.versioning | frame | python | Return the rows of any table: a version, predictions and labels too, or what a step made.
data get | practices.versioning | get_data | cli python http | Write a data version into a plain Parquet or CSV file, or a folder; or show its first rows.
deploy | practices.delivery | deploy | cli python http | Serve a version of a model, without a failed request while it replaces another.
deployment status | practices.delivery | serving_status | cli python http | Show what serves now: state, model, address, restarts.
diff | lineage | diff | cli python http | Say what changed between two of the same kind.
down | practices.delivery | down | cli python | Stop every service after its last answer; `tidemill up` serves the same again.
drift compare | practices.drift | compare_windows | cli python http | Compare two windows of rows column by column: what has drifted, and how far.
drift show | practices.drift | show_drift | cli python http | Show where the detectors of a deployment stand.
drift test | practices.drift | test_drift | cli python http | Test a window for drift of data and of performance; a window is tested once.
impact | lineage | impact | cli python http | List everything that was built on it, by kind.
init | practices.infrastructure | init_project | cli | Make a project that runs, from a template; a file that is there is never touched.
labels add | practices.monitoring | add_labels | cli python http | Add labels of predictions; the same again adds nothing, a newer one corrects.
list | lineage | listing | cli python http | List refs with their newest version, or runs.
log | lineage | log | cli python http | Say who did what to it, when and why; oldest first.
memo explain | practices.pipelines | explain_memo | cli python http | Say why a step ran again, or would now: which function, parameter, package or file differs.
model add | practices.versioning | add_model | cli python http | Register a model made elsewhere: a folder that Model.save wrote, or a library's own file.
model backtest | practices.training | backtest_model | cli python http | Say how a version would have done where something else served; decides nothing.
model compare | practices.training | compare_models | cli python http | Say whether a challenger is better than a champion, with the error that is promised.
monitor agreement | practices.monitoring | feature_agreement | cli python http | Compare the features that were served with those that training computes, value by value.
monitor report | practices.monitoring | report_window | cli python http | Report a window of predictions: model, business and operation, with the labels known.
owner set | practices.collaboration | set_owner | cli python http | Give a ref another owner.
policy set | practices.governance | set_policy | cli python http | Say what the move of an alias needs; it replaces the policy that there was.
policy show | practices.governance | show_policy | cli python http | Show what moving aliases needs.
predict | practices.delivery | predict_data | cli python http | Score a whole data version, or its rows of a window, and keep the predictions.
predictions add | practices.monitoring | add_predictions | cli python http | Add predictions of a model that is served elsewhere; the same again adds nothing.
predictions collect | practices.monitoring | collect | cli python http | Seal the predictions of a window; asked again it adds only what came late.
predictions collect-days | practices.monitoring | collect_days | cli python http | Seal the predictions of every UTC day that is over; what is sealed stays as it is.
predictions list | practices.monitoring | list_windows | cli python http | List the sealed windows of a deployment, oldest first.
predictions show | practices.monitoring | show_prediction | cli python http | Show one prediction: what was asked, what was answered, by whom.
promote | practices.versioning | promote | cli python http | Point an alias at a version, if its policy allows.
release | practices.delivery | release | cli python http | Release a pipeline: code, lock, parameters, contracts, views and triggers as one version.
rm | lineage | hide | cli python http | Hide a ref from lists; its history and bytes stay.
role list | practices.collaboration | list_roles | cli python http | List the roles that were set.
role set | practices.collaboration | set_role | cli python http | Give an actor or a team a role; with the first one, whoever has none may only read.
rollback | practices.delivery | rollback | cli python http | Serve again what a deployment served before its newest version.
run | practices.pipelines | run_pipeline | cli python http | Run a pipeline; steps whose code and inputs are known are not computed again.
search | lineage | search | cli python http | Search names, reasons, errors and notes for a text, in every project of the record.
show | lineage | show | cli python http | Show everything that is known of one thing.
status | practices.infrastructure | status | cli python http | Say how the project stands: newest versions, open runs, what serves.
sweep | practices.pipelines | sweep | cli python http | Run a pipeline over many points, one run a point, and rank them by a figure.
team add | practices.collaboration | add_team | cli python http | Make a team, or add members to it.
team list | practices.collaboration | list_teams | cli python http | List the teams of this project and their members.
trigger answer | practices.training | answer_causes |  | Train inside a release, as a trigger's decision in another process asks for.
trigger decisions | practices.training | list_decisions | cli python http | List every training that triggers fired and what came of it, failed ones too, oldest first.
trigger fire | practices.training | fire_trigger | cli python http | Fire a trigger by hand, whatever its kind; pause and cooldown do not hold it.
trigger list | practices.training | list_triggers | cli python http | List the triggers of the project and what came of them.
trigger resume | practices.training | resume_trigger | cli python http | Let a trigger go on that was paused after failed trainings.
trigger tick | practices.training | tick | cli python http | Let every trigger decide, and act: train, compare, promote, deploy.
undeploy | practices.delivery | undeploy | cli python http | Stop serving a deployment after its last answer; its versions stay.
up | practices.delivery | up | cli | Keep everything deployed serving, triggers asked, days sealed; follow it until Ctrl-C.
view get | practices.features | get_features | cli python http | Read the features of one entity from the online store.
view materialize | practices.features | materialize_views | cli python http | Put feature views into the online store, from the newest data, as known at a time.
view push | practices.features | push_rows | cli python http | Add rows that have just arrived to a view in the online store.
view vectors | practices.features | vectors | python | Return the features of many rows from the online store, each at its own time.
why | lineage | why | cli python http | Say what made it: runs, code, environment, data, back to the first source.
""".splitlines()
)
KIND_ROOMS: Mapping[str, str] = {
    "chart": "tidemill.practices.pipelines.operations",
    "code": "tidemill.practices.pipelines.operations",
    "contract": "tidemill.practices.validation.operations",
    "decision": "tidemill.practices.training.operations",
    "deployment": "tidemill.practices.delivery.operations",
    "detector": "tidemill.practices.drift.operations",
    "drift": "tidemill.practices.drift.operations",
    "drift_reference": "tidemill.practices.drift.operations",
    "environment": "tidemill.practices.pipelines.operations",
    "external": "tidemill.practices.versioning.operations",
    "file": "tidemill.practices.pipelines.operations",
    "folder": "tidemill.practices.versioning.operations",
    "folder_contract": "tidemill.practices.validation.operations",
    "key": "tidemill.practices.governance.operations",
    "labels": "tidemill.practices.versioning.operations",
    "lock": "tidemill.practices.delivery.operations",
    "machine": "tidemill.practices.pipelines.operations",
    "model": "tidemill.practices.versioning.operations",
    "outside_model": "tidemill.practices.monitoring.operations",
    "pipeline": "tidemill.practices.delivery.operations",
    "policy": "tidemill.practices.governance.operations",
    "prediction": "tidemill.practices.monitoring.operations",
    "predictions": "tidemill.practices.versioning.operations",
    "profile": "tidemill.practices.validation.operations",
    "quarantine": "tidemill.practices.versioning.operations",
    "report": "tidemill.practices.monitoring.operations",
    "role": "tidemill.practices.collaboration.operations",
    "sample": "tidemill.practices.versioning.operations",
    "scoring": "tidemill.practices.delivery.operations",
    "step_code": "tidemill.practices.pipelines.operations",
    "sweep": "tidemill.practices.pipelines.operations",
    "table": "tidemill.practices.versioning.operations",
    "team": "tidemill.practices.collaboration.operations",
    "trigger": "tidemill.practices.training.operations",
    "value": "tidemill.practices.pipelines.operations",
    "verdict": "tidemill.practices.validation.operations",
    "view": "tidemill.practices.features.operations",
    "watched": "tidemill.practices.monitoring.operations",
}
