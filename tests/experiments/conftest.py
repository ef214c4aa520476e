"""Fixtures: a real MLflow store, and a person who is signed in."""

from tests.mlflow_pages import mlflow_template as mlflow_template
from tests.mlflow_pages import person as person
from tests.mlflow_pages import store as store
