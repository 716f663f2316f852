"""Campaigns: several models trained and scored on the same held-out work."""
