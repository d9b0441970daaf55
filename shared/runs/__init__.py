"""Runs as values: leases, operations, errors, metadata, and what travels between their steps. Pure."""
