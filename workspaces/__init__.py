"""Workspace, membership and roles, API tokens, events, and the one gateway to MLflow."""
