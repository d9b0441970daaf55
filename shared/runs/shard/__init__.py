"""Shard runs as values: the payloads between their steps, and the outcome of their uploads."""
