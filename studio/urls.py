"""Pages of this app."""

from django.urls import URLPattern, URLResolver, path

from studio import home
from studio.comparing.urls import urlpatterns as comparing_urls
from studio.experiments.urls import urlpatterns as experiment_urls
from studio.monitoring import views as monitoring
from studio.runs.urls import urlpatterns as run_urls
from studio.search.urls import urlpatterns as search_urls

app_name = "studio"
urlpatterns: list[URLPattern | URLResolver] = [
    path("", home.home, name="home"),
    path("home/runs/", home.home_runs, name="home-runs"),
    path("demo/", home.demo, name="demo"),
    *experiment_urls,
    *run_urls,
    *search_urls,
    *comparing_urls,
    path("admin/overview/", monitoring.overview, name="admin-overview"),
    path("admin/overview/<slug:part>/", monitoring.overview_part, name="admin-overview-part"),
]
