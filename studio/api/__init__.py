"""Frame of the REST API: URLs, errors, paging."""
