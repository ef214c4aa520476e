"""How an artifact is shown: its kind by name and content, each bounded in bytes."""
