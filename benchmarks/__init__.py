"""Measurements anyone can repeat: each script prints a table; docs/benchmarks.md has ours."""
