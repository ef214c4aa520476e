"""MLflow stores: opening, errors, the built-in database and its server.

Only `workspaces.tracking` imports this, save `server`, which the supervisor starts.
"""
