"""Pages of this app."""

from django.urls import URLPattern, URLResolver, path

from deployments.views import (
    actions,
    deploy,
    environments,
    logs,
    operations,
    quotas,
    scoring,
    services,
    targets,
    trials,
)

app_name = "deployments"
_OF_MODEL = "models/<str:name>/versions/<str:version>/"
_ENVIRONMENT = "environments/<str:name>/versions/<str:version>/"
urlpatterns: list[URLPattern | URLResolver] = [
    path("deploy/", deploy.deploy, name="deploy"),
    path("deploy/preflight/", deploy.deploy_preflight, name="deploy-preflight"),
    path("deploy/trial/", trials.deploy_trial, name="deploy-trial"),
    path("deploy/try/", trials.deploy_try, name="deploy-try"),
    path(f"{_OF_MODEL}findings/", trials.version_findings, name="version-findings"),
    path(f"{_OF_MODEL}profile/", trials.version_profile, name="version-profile"),
    path(f"{_OF_MODEL}profile/make/", trials.version_profile_make, name="version-profile-make"),
    path("deploy/version/", deploy.deploy_version, name="deploy-version"),
    path("deploy/import/", deploy.deploy_import, name="deploy-import"),
    path("deploy/recommend/", deploy.deploy_recommend, name="deploy-recommend"),
    path("deploy/targets/<str:name>/", deploy.deploy_target_live, name="deploy-target"),
    path("deploy/environments/", environments.environment_options, name="deploy-environments"),
    path("services/", services.services_list, name="services"),
    path("services/<slug:name>/", services.service_page, name="service"),
    path("services/<slug:name>/live/", services.service_live, name="service-live"),
    *(
        path(
            f"services/<slug:name>/{verb}/",
            actions.service_act,
            {"verb": verb},
            name=f"service-{verb}",
        )
        for verb in actions.VERBS
    ),
    path("services/<slug:name>/keys/", actions.service_keys, name="service-keys"),
    path(
        "services/<slug:name>/keys/regenerate/",
        actions.service_key_regenerate,
        name="service-key-regenerate",
    ),
    path("services/<slug:name>/token/", actions.service_token, name="service-token"),
    path("services/<slug:name>/snippets/", actions.service_consume_keys, name="service-snippets"),
    path("services/<slug:name>/score/", scoring.service_score, name="service-score"),
    path("services/<slug:name>/editor/", scoring.service_test_editor, name="service-editor"),
    path("services/<slug:name>/log/", logs.service_log, name="service-log"),
    path(
        "services/<slug:name>/log/download/",
        logs.service_log_download,
        name="service-log-download",
    ),
    path("services/<slug:name>/<slug:tab>/", services.service_page, name="service-tab"),
    path("operations/<uuid:operation_id>/", operations.operation_page, name="operation"),
    path("operations/<uuid:operation_id>/live/", operations.operation_live, name="operation-live"),
    path(
        "operations/<uuid:operation_id>/cancel/", actions.operation_cancel, name="operation-cancel"
    ),
    path("operations/<uuid:operation_id>/retry/", actions.operation_retry, name="operation-retry"),
    path("operations/<uuid:operation_id>/log/", logs.operation_log, name="operation-log"),
    path(
        "operations/<uuid:operation_id>/log/download/",
        logs.operation_log_download,
        name="operation-log-download",
    ),
    path(
        "operations/<uuid:operation_id>/steps/<int:position>/", logs.step_panel, name="step-panel"
    ),
    path(
        "operations/<uuid:operation_id>/steps/<int:position>/log/", logs.step_log, name="step-log"
    ),
    path("environments/", environments.environments_list, name="environments"),
    path("environments/new/", environments.environment_new, name="environment-new"),
    path("environments/builds/", environments.builds_page, name="environment-builds"),
    path(
        "environments/builds/remove-unused/",
        environments.builds_remove_unused,
        name="environment-builds-remove-unused",
    ),
    path(
        "environments/builds/<str:digest>/<str:target>/remove/",
        environments.build_remove,
        name="environment-build-remove",
    ),
    path("environments/<str:name>/", environments.environment_page, name="environment"),
    path(_ENVIRONMENT, environments.environment_page, name="environment-version"),
    path(f"{_ENVIRONMENT}resolve/", environments.environment_resolve, name="environment-resolve"),
    path(
        f"{_ENVIRONMENT}build/<str:target>/",
        environments.environment_build,
        name="environment-build",
    ),
    path(f"{_ENVIRONMENT}archive/", environments.environment_archive, name="environment-archive"),
    path(
        f"{_ENVIRONMENT}restore/",
        environments.environment_archive,
        {"archived": False},
        name="environment-restore",
    ),
    path("targets/", targets.targets_list, name="targets"),
    path("targets/<str:name>/", targets.target_page, name="target"),
    path("targets/<str:name>/check/", targets.target_check, name="target-check"),
    path("admin/operations/", operations.operations_page, name="operations"),
    path("admin/quotas/", quotas.quotas_page, name="quotas"),
    path("admin/quotas/<str:name>/", quotas.quota_edit, name="quota"),
]
