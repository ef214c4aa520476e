"""MLflow's model registry and the files of models."""
