"""API calls of this app, below /api/v1/."""

from django.urls import URLPattern, path

from deployments.api import configurations as v1
from deployments.api import environments, quotas
from deployments.api import findings as found
from deployments.api import operations as more
from deployments.api import services as api

_SERVICE = "services/<str:name>"
_OF_MODEL = "models/<str:name>/versions/<str:version>"
_OPERATION = "operations/<uuid:operation_id>"
_ENVIRONMENT = "environments/<str:name>"
_VERSION = f"{_ENVIRONMENT}/versions/<str:version>"
urlpatterns: list[URLPattern] = [
    path("services", api.ServicesView.as_view(), name="services"),
    path(_SERVICE, api.ServiceView.as_view(), name="service"),
    path(f"{_SERVICE}/stop", api.StopView.as_view(), name="service-stop"),
    path(f"{_SERVICE}/start", api.StartView.as_view(), name="service-start"),
    path(f"{_SERVICE}/restart", api.RestartView.as_view(), name="service-restart"),
    path(f"{_SERVICE}/keys", api.KeysView.as_view(), name="service-keys"),
    path(f"{_SERVICE}/keys/regenerate", api.KeyRegenerateView.as_view(), name="service-regenerate"),
    path(f"{_SERVICE}/token", api.TokenView.as_view(), name="service-token"),
    path(f"{_SERVICE}/logs", api.ServiceLogView.as_view(), name="service-logs"),
    path(
        f"{_SERVICE}/inferenceconfig.json",
        v1.InferenceConfigView.as_view(),
        name="service-inferenceconfig",
    ),
    path(
        f"{_SERVICE}/deploymentconfig.json",
        v1.DeploymentConfigView.as_view(),
        name="service-deploymentconfig",
    ),
    path("configurations/import", v1.ImportView.as_view(), name="configurations-import"),
    path("operations", more.OperationsView.as_view(), name="operations"),
    path(_OPERATION, more.OperationView.as_view(), name="operation"),
    path(f"{_OPERATION}/log", more.OperationLogView.as_view(), name="operation-log"),
    path(f"{_OPERATION}/cancel", more.OperationCancelView.as_view(), name="operation-cancel"),
    path(f"{_OPERATION}/retry", more.OperationRetryView.as_view(), name="operation-retry"),
    path("targets", more.TargetsView.as_view(), name="targets"),
    path("targets/recommend", more.RecommendView.as_view(), name="targets-recommend"),
    path("targets/<str:name>", more.TargetView.as_view(), name="target"),
    path("targets/<str:name>/check", more.TargetCheckView.as_view(), name="target-check"),
    path("quotas", quotas.QuotasView.as_view(), name="quotas"),
    path("quotas/<str:name>", quotas.QuotaView.as_view(), name="quota"),
    path("preflight", found.PreflightView.as_view(), name="preflight"),
    path(
        f"{_OF_MODEL}/preflight",
        found.VersionPreflightView.as_view(),
        name="version-preflight",
    ),
    path(f"{_OF_MODEL}/profile", found.VersionProfileView.as_view(), name="version-profile"),
    path("environments", environments.EnvironmentsView.as_view(), name="environments"),
    path(
        "environments/builds",
        environments.EnvironmentBuildsView.as_view(),
        name="environment-builds",
    ),
    path(
        "environments/builds/<str:hash>",
        environments.EnvironmentBuildOneView.as_view(),
        name="environment-build",
    ),
    path(_ENVIRONMENT, environments.EnvironmentView.as_view(), name="environment"),
    path(_VERSION, environments.EnvironmentVersionView.as_view(), name="environment-version"),
    path(
        f"{_VERSION}/build",
        environments.EnvironmentBuildView.as_view(),
        name="environment-version-build",
    ),
    path(
        f"{_VERSION}/archive",
        environments.EnvironmentArchiveView.as_view(),
        name="environment-version-archive",
    ),
    path(
        f"{_VERSION}/restore",
        environments.EnvironmentRestoreView.as_view(),
        name="environment-version-restore",
    ),
]
