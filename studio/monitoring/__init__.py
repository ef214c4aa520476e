"""Admin > Overview: whether the studio's own parts work."""
