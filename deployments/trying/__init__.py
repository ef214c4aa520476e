"""What is known before deploying: pre-flight, trial runs and profiles."""
