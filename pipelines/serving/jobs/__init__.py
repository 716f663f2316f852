"""Bulk jobs of the endpoint: asked for over HTTP, run by Ray, kept in storage."""
