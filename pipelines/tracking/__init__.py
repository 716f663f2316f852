"""MLflow: runs, metrics that survive an absent server, and the model registry."""
