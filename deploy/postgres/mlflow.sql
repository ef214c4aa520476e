-- run once, when the volume is new: a database of its own for MLflow's tables
CREATE DATABASE mlflow OWNER slipway;
