"""The HTTP endpoint: its deployments, what it takes and answers, and how it is watched."""
