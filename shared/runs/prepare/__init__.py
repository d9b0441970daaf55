"""Prepare-db runs as values: the payloads between their steps, and the evaluation of their rounds of copying."""
