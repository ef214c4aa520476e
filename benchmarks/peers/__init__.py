"""What the other servers need to serve the same models: the least a careful person would write."""
