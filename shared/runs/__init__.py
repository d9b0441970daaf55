"""Runs as values: leases, operations, metadata, and what travels between their steps. Pure."""
