"""Benchmarks: two things in one run, ratios printed. Commands, not tests; nothing is asserted."""
