"""Experiments, runs, metrics and artifacts: pages and API."""
