"""Tests of the real endpoint, which stay together so that they can share one."""
