"""Deployment and inference configurations: read, checked and written, v1 files included."""
