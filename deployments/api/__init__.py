"""The REST API of services, operations, targets, environments and findings."""
