"""Models, versions, environments and inference configurations. MLflow owns what it can hold."""
