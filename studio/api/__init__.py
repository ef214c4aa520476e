"""Frame of the REST API: URLs and errors."""
