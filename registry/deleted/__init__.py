"""Deleting models and versions, and restoring them until they are removed for good."""
