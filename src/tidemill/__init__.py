"""tidemill: one record for the whole life of a model.

Names are found when they are first used, so that `import tidemill` costs nothing. Operations
(`tm.promote(...)`) work on the project of the working directory; `tm.open()` opens another one.
"""

from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from tidemill.app.python import open_project as open  # noqa: A004, F401
    from tidemill.app.python import run as run
    from tidemill.client.autolog import autolog as autolog
    from tidemill.client.live_run import (
        LiveRun as LiveRun,
    )
    from tidemill.client.live_run import (
        current_run as current_run,
    )
    from tidemill.client.project import Project as Project
    from tidemill.core.actor import Actor as Actor
    from tidemill.core.check import (
        Finding as Finding,
    )
    from tidemill.core.check import (
        Verdict as Verdict,
    )
    from tidemill.core.errors import (
        CancelledError as CancelledError,
    )
    from tidemill.core.errors import (
        CheckFailedError as CheckFailedError,
    )
    from tidemill.core.errors import (
        ConflictError as ConflictError,
    )
    from tidemill.core.errors import (
        CorruptError as CorruptError,
    )
    from tidemill.core.errors import (
        InvalidInputError as InvalidInputError,
    )
    from tidemill.core.errors import (
        NotAllowedError as NotAllowedError,
    )
    from tidemill.core.errors import (
        NotFoundError as NotFoundError,
    )
    from tidemill.core.errors import (
        StepFailedError as StepFailedError,
    )
    from tidemill.core.errors import (
        TidemillError as TidemillError,
    )
    from tidemill.core.errors import (
        UnavailableError as UnavailableError,
    )
    from tidemill.core.errors import (
        UsageError as UsageError,
    )
    from tidemill.core.signature import (
        Field as Field,
    )
    from tidemill.core.signature import (
        Signature as Signature,
    )
    from tidemill.core.task import Task as Task
    from tidemill.ports.source import query as query
    from tidemill.practices.delivery.prediction_step import predict as predict
    from tidemill.practices.features.declare import (
        average as average,
    )
    from tidemill.practices.features.declare import (
        count as count,
    )
    from tidemill.practices.features.declare import (
        feature_view as feature_view,
    )
    from tidemill.practices.features.declare import (
        latest as latest,
    )
    from tidemill.practices.features.declare import (
        share as share,
    )
    from tidemill.practices.features.declare import (
        total as total,
    )
    from tidemill.practices.features.on_demand import on_demand_view as on_demand_view
    from tidemill.practices.features.training_set import training_set as training_set
    from tidemill.practices.monitoring.business import business_figure as business_figure
    from tidemill.practices.monitoring.evaluation import evaluate as evaluate
    from tidemill.practices.monitoring.own_losses import loss as loss
    from tidemill.practices.monitoring.own_metrics import metric as metric
    from tidemill.practices.monitoring.splitting import split as split
    from tidemill.practices.pipelines.candidate import candidate as candidate
    from tidemill.practices.pipelines.data import data as data
    from tidemill.practices.pipelines.declare import (
        pipeline as pipeline,
    )
    from tidemill.practices.pipelines.declare import (
        step as step,
    )
    from tidemill.practices.pipelines.figures import figure as figure
    from tidemill.practices.pipelines.outputs import load as load
    from tidemill.practices.pipelines.released_code import released as released
    from tidemill.practices.pipelines.sweep_optuna import optuna as optuna
    from tidemill.practices.validation.contract import (
        Contract as Contract,
    )
    from tidemill.practices.validation.contract import (
        column as column,
    )
    from tidemill.practices.validation.contract import (
        rule as rule,
    )
    from tidemill.practices.validation.folder_contract import FolderContract as FolderContract
    from tidemill.practices.versioning.columns import matrix as matrix
    from tidemill.practices.versioning.folder_handle import Folder as Folder
    from tidemill.practices.versioning.formats.python_model import PythonModel as PythonModel
    from tidemill.practices.versioning.model import Model as Model
    from tidemill.practices.versioning.signatures import infer_signature as infer_signature

    _here = cast("Project", None)
    # operations, by `.ci/faces.py`
    add_data = _here.add_data
    add_labels = _here.add_labels
    add_model = _here.add_model
    add_predictions = _here.add_predictions
    add_team = _here.add_team
    approve = _here.approve
    backtest_model = _here.backtest_model
    card = _here.card
    check = _here.check
    check_data = _here.check_data
    collect = _here.collect
    collect_days = _here.collect_days
    comment = _here.comment
    compare_models = _here.compare_models
    compare_windows = _here.compare_windows
    deploy = _here.deploy
    diff = _here.diff
    down = _here.down
    explain_memo = _here.explain_memo
    feature_agreement = _here.feature_agreement
    fire_trigger = _here.fire_trigger
    frame = _here.frame
    get_data = _here.get_data
    get_features = _here.get_features
    hide = _here.hide
    impact = _here.impact
    infer_contract = _here.infer_contract
    list_alerts = _here.list_alerts
    list_contracts = _here.list_contracts
    list_decisions = _here.list_decisions
    list_roles = _here.list_roles
    list_teams = _here.list_teams
    list_triggers = _here.list_triggers
    list_windows = _here.list_windows
    listing = _here.listing
    log = _here.log
    make_audit_checkpoint = _here.make_audit_checkpoint
    materialize_views = _here.materialize_views
    predict_data = _here.predict_data
    promote = _here.promote
    prove_audit = _here.prove_audit
    push_rows = _here.push_rows
    release = _here.release
    report_window = _here.report_window
    resolve_alert = _here.resolve_alert
    resume_trigger = _here.resume_trigger
    rollback = _here.rollback
    rotate_audit_key = _here.rotate_audit_key
    run_pipeline = _here.run_pipeline
    search = _here.search
    serving_status = _here.serving_status
    set_owner = _here.set_owner
    set_policy = _here.set_policy
    set_role = _here.set_role
    show = _here.show
    show_audit_key = _here.show_audit_key
    show_config = _here.show_config
    show_drift = _here.show_drift
    show_policy = _here.show_policy
    show_prediction = _here.show_prediction
    status = _here.status
    sweep = _here.sweep
    test_drift = _here.test_drift
    tick = _here.tick
    undeploy = _here.undeploy
    vectors = _here.vectors
    verify_audit = _here.verify_audit
    why = _here.why

else:

    def __getattr__(name: str) -> object:
        """Return a public name, or an operation on the project of the working directory."""
        if name.startswith("_"):
            raise AttributeError(name)
        names = import_module("tidemill._names")
        spelled = names.ALIASES.get(name, name)
        if spelled in names.NAMES:
            found = getattr(import_module(names.NAMES[spelled]), spelled)
            globals()[name] = found
            return found
        return import_module("tidemill.app.python").operation_here(name)

    def __dir__() -> list[str]:
        """Return every public name."""
        names = import_module("tidemill._names")
        index = import_module("tidemill.dispatch.index")
        operations = (offer.name for offer in index.OFFERS if "python" in offer.faces)
        return sorted({*names.NAMES, *names.ALIASES, *operations} - set(names.ALIASES.values()))
