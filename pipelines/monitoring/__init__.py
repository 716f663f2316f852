"""Reading what runs export, and saying how they are: the parts of pipelines/health.py."""
