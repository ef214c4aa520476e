"""What a service runs in: interpreters, environments, runtimes and images."""
