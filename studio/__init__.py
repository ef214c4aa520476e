"""Pages that cut across: home, experiments, runs, compute, admin monitoring; the REST API's frame."""
