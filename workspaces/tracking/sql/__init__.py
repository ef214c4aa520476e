"""Runs of the built-in store by narrow SQL of our own (ADR 0016)."""
