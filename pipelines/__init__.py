"""Plumbing around isnet: data, training, tracking and evaluation on Ray."""
