"""Runs side by side: differences, charts, boards, and the best run of an experiment."""
