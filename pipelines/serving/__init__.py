"""Parts of the endpoint, `pipelines/serve.py`."""
