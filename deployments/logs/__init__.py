"""Logs of operations and services, read by offset."""
