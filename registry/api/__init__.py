"""The REST API of models, versions and source folders."""
