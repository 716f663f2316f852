"""Bulk jobs: holes in whole collections of pictures filled on the cluster."""
