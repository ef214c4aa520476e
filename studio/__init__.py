"""Pages that cut across: home, experiments, runs, admin monitoring; the REST API's frame."""
