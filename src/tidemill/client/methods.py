"""Every operation as a method, for type checkers and editors; by `.ci/faces.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidemill.client.method import method
    from tidemill.lineage import operations as lineage_operations
    from tidemill.practices.collaboration import operations as collaboration_operations
    from tidemill.practices.delivery import operations as delivery_operations
    from tidemill.practices.delivery import scoring as delivery_scoring
    from tidemill.practices.drift import alerts as drift_alerts
    from tidemill.practices.drift import operations as drift_operations
    from tidemill.practices.features import operations as features_operations
    from tidemill.practices.governance import operations as governance_operations
    from tidemill.practices.infrastructure import operations as infrastructure_operations
    from tidemill.practices.integration import operations as integration_operations
    from tidemill.practices.monitoring import agreement as monitoring_agreement
    from tidemill.practices.monitoring import elsewhere as monitoring_elsewhere
    from tidemill.practices.monitoring import figures as monitoring_figures
    from tidemill.practices.monitoring import labels as monitoring_labels
    from tidemill.practices.monitoring import open_days as monitoring_open_days
    from tidemill.practices.monitoring import operations as monitoring_operations
    from tidemill.practices.monitoring import windows as monitoring_windows
    from tidemill.practices.pipelines import explaining as pipelines_explaining
    from tidemill.practices.pipelines import operations as pipelines_operations
    from tidemill.practices.training import operations as training_operations
    from tidemill.practices.validation import operations as validation_operations
    from tidemill.practices.versioning import operations as versioning_operations


class Methods:
    """What a project can do; `client/project.py` finds operations when called."""

    if TYPE_CHECKING:
        add_data = method(validation_operations.add_data)
        add_labels = method(monitoring_labels.add_labels)
        add_model = method(versioning_operations.add_model)
        add_predictions = method(monitoring_elsewhere.add_predictions)
        add_team = method(collaboration_operations.add_team)
        approve = method(governance_operations.approve)
        backtest_model = method(training_operations.backtest_model)
        card = method(governance_operations.card)
        check = method(integration_operations.check)
        check_data = method(validation_operations.check_data)
        collect = method(monitoring_windows.collect)
        collect_days = method(monitoring_open_days.collect_days)
        comment = method(collaboration_operations.comment)
        compare_models = method(training_operations.compare_models)
        compare_windows = method(drift_operations.compare_windows)
        deploy = method(delivery_operations.deploy)
        diff = method(lineage_operations.diff)
        down = method(delivery_operations.down)
        explain_memo = method(pipelines_explaining.explain_memo)
        feature_agreement = method(monitoring_agreement.feature_agreement)
        fire_trigger = method(training_operations.fire_trigger)
        frame = method(versioning_operations.frame)
        get_data = method(versioning_operations.get_data)
        get_features = method(features_operations.get_features)
        hide = method(lineage_operations.hide)
        impact = method(lineage_operations.impact)
        infer_contract = method(validation_operations.infer_contract)
        list_alerts = method(drift_operations.list_alerts)
        list_contracts = method(validation_operations.list_contracts)
        list_decisions = method(training_operations.list_decisions)
        list_roles = method(collaboration_operations.list_roles)
        list_teams = method(collaboration_operations.list_teams)
        list_triggers = method(training_operations.list_triggers)
        list_windows = method(monitoring_windows.list_windows)
        listing = method(lineage_operations.listing)
        log = method(lineage_operations.log)
        make_audit_checkpoint = method(governance_operations.make_audit_checkpoint)
        materialize_views = method(features_operations.materialize_views)
        predict_data = method(delivery_scoring.predict_data)
        promote = method(versioning_operations.promote)
        prove_audit = method(governance_operations.prove_audit)
        push_rows = method(features_operations.push_rows)
        release = method(delivery_operations.release)
        report_window = method(monitoring_figures.report_window)
        resolve_alert = method(drift_alerts.resolve_alert)
        resume_trigger = method(training_operations.resume_trigger)
        rollback = method(delivery_operations.rollback)
        rotate_audit_key = method(governance_operations.rotate_audit_key)
        run_pipeline = method(pipelines_operations.run_pipeline)
        search = method(lineage_operations.search)
        serving_status = method(delivery_operations.serving_status)
        set_owner = method(collaboration_operations.set_owner)
        set_policy = method(governance_operations.set_policy)
        set_role = method(collaboration_operations.set_role)
        show = method(lineage_operations.show)
        show_audit_key = method(governance_operations.show_audit_key)
        show_config = method(infrastructure_operations.show_config)
        show_drift = method(drift_operations.show_drift)
        show_policy = method(governance_operations.show_policy)
        show_prediction = method(monitoring_operations.show_prediction)
        status = method(infrastructure_operations.status)
        sweep = method(pipelines_operations.sweep)
        test_drift = method(drift_operations.test_drift)
        tick = method(training_operations.tick)
        undeploy = method(delivery_operations.undeploy)
        vectors = method(features_operations.vectors)
        verify_audit = method(governance_operations.verify_audit)
        why = method(lineage_operations.why)
