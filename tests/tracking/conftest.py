"""Fixtures: a real MLflow store in a folder of the test."""

from tests.mlflow_pages import mlflow_template as mlflow_template
from tests.mlflow_pages import store as store
