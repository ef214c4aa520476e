"""Trains the demo's models through MLflow. A training program as a person would write it: it
knows MLflow and scikit-learn, and nothing of Django."""
