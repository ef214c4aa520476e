"""Target drivers: synchronous, framework-free, every network call with a timeout."""
