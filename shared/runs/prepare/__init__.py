"""Prepare runs: what travels between their steps, and their rounds of copying."""
