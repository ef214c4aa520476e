"""The loop: what brings services where they should be, and carries operations out step by step."""
