"""Environments that people can name: curated and custom, with versions."""
