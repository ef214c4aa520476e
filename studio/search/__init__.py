"""The global search: one box over everything that has a page."""
