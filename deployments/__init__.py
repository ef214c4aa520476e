"""Targets, services, revisions, operations and the reconcile loop over target drivers."""
