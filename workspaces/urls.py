"""Pages of this app. Sign-in and sign-out have names of their own: see config/urls.py."""

from django.urls import URLPattern, URLResolver, path

from workspaces import views

app_name = "workspaces"
urlpatterns: list[URLPattern | URLResolver] = [
    path("tokens/", views.tokens, name="tokens"),
    path("tokens/<int:token_id>/revoke/", views.token_revoke_view, name="token-revoke"),
    path("admin/users/", views.users, name="users"),
    path("admin/users/<str:username>/password/", views.user_reset, name="user-password"),
    path("admin/users/<str:username>/deactivate/", views.user_deactivate, name="user-deactivate"),
    path("admin/users/<str:username>/activate/", views.user_activate, name="user-activate"),
    path("mlflow/", views.mlflow_home, name="mlflow"),
]
